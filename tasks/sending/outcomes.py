"""What comes of sending a file, and the error where a place cannot be reached."""

from mriad_model.errors import MriadError

Outcome = str | None  # None: the place took the file; else why not, in a few words


class DestinationUnreachable(MriadError):
    """The place does not answer, or lets nobody in: no file can be sent now."""

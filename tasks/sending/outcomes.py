"""What comes of sending a file, and the error where a place cannot be reached."""

from dataclasses import dataclass
from typing import Final

from mriad_model.errors import MriadError

DUPLICATE: Final = 0x0111  # DICOM PS3.7, annex C: duplicate SOP instance


@dataclass(frozen=True, slots=True)
class SendingOutcome:
    """What a place made of a file."""

    taken: bool
    detail: str  # in a few words
    broke: bool = False  # it ended the connection, or failed, over this file


TAKEN: Final = SendingOutcome(True, "taken")
HAD_IT: Final = SendingOutcome(True, "taken: the place had it already")


def not_taken(why: str) -> SendingOutcome:
    """A file that was not taken."""
    return SendingOutcome(False, why)


def broken(why: str) -> SendingOutcome:
    """A file over which the connection or the place's answer broke."""
    return SendingOutcome(False, why, broke=True)


class DestinationUnreachable(MriadError):
    """The place does not answer, or lets nobody in: no file can be sent now."""

    def __init__(self, text: str, *, passing: bool = True) -> None:
        super().__init__(text)
        self.passing = passing  # another try in a moment may succeed

"""How the logs in a home are written: a line that begins with a moment is one that we wrote."""

import logging

from mriad_model.plain_text import printable

CONTINUED = "    "


class PlainLines(logging.Formatter):
    """Moment, level, message, in printable text. Further lines of a message are set in.

    So a name with a line break in it makes no line that looks like another message.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One message."""
        first, *others = super().format(record).split("\n")
        return "\n".join([printable(first), *(CONTINUED + printable(each) for each in others)])

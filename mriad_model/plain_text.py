r"""Text that anyone may print: what would not print as itself is written as an escape.

Files bring tags and names into the record, terminals, tables and pages, where control characters
move the cursor, line breaks forge lines, right-to-left overrides reverse words, and an `=` at the
start of a spreadsheet's cell runs. `printable` is applied as text enters the record and as it
leaves.

Escapes look like those of `mriad_model.paths`: `\x1b`, `\u202e`, `\U000e0001`. A backslash stays
one: printable text stays as it is, and escapes cannot be undone.
"""

import unicodedata
from typing import Final, TypeVar

T = TypeVar("T")

# What starts a formula, in ASCII and in full width: https://owasp.org/www-community/attacks/
# CSV_Injection. Tab and carriage return, which it also names, are escaped before.
STARTS_FORMULA: Final = "=+-@＝＋－＠"  # noqa: RUF001 - meant
STAYS_TEXT: Final = "'"  # before a cell, it keeps spreadsheets from reading a formula


def printable(text: str) -> str:
    """The text on one line, in characters that print as themselves. Never fails.

    Escaped are control characters, line and paragraph separators, bidirectional marks, characters
    without width, lone surrogates, private use and unassigned ones. Wide spaces become plain ones.
    """
    if text.isprintable():  # nearly every text there is
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def length_of_time(seconds: float) -> str:
    """A length of time: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 0.05:
        return "under 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def as_csv_cell(value: T) -> T | str:
    """A value as a CSV cell: text that a spreadsheet would run begins with an apostrophe."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return STAYS_TEXT + text if text.lstrip()[:1] in tuple(STARTS_FORMULA) else text


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

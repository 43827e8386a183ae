r"""Text that anyone may print: what would not print as itself is written as an escape.

Files bring text that ends in the record, on terminals, in tables and on pages: tags, names,
remarks of their own readers. In it, a control character moves the cursor, a line break makes a
line that nobody wrote, a right-to-left override shows a word backwards, and an `=` at the start
of a spreadsheet's cell runs. `printable` is asked where text enters the record, and again where
it leaves, for rows of before are never rewritten.

Escapes look as those of `mriad_model.paths`: `\x1b`, `\u202e`, `\U000e0001`. They cannot be
undone: a backslash stays one, so that text made printable twice is that made printable once.
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

    Escaped are C0 and C1 control characters, line and paragraph separators, bidirectional marks
    and overrides, characters without width, lone surrogates, and what has no meaning of its own
    (private use, unassigned). Spaces of other widths become plain ones.
    """
    if text.isprintable():  # nearly every text there is
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def as_csv_cell(value: T) -> T | str:
    """A value as a cell of a CSV file: no text in it is a formula to a spreadsheet.

    Text that would be one begins with an apostrophe. What is no text, numbers first of all,
    stays as it is.
    """
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

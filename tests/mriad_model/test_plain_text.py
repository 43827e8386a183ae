"""Text that files bring, made fit to print."""

import pytest

from mriad_model.plain_text import as_csv_cell, printable


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Siemens Prisma_fit 3T", "Siemens Prisma_fit 3T"),
        ("Müller 山田", "Müller 山田"),
        ("\x1b]0;owned\x07\x1b[2J", "\\x1b]0;owned\\x07\\x1b[2J"),
        ("a\r\nERROR b", "a\\x0d\\x0aERROR b"),
        ("a\tb", "a\\x09b"),
        ("\x9b31m", "\\x9b31m"),  # a C1 control: one byte, the same as ESC [
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("nor\u200bmal\ufeff", "nor\\u200bmal\\ufeff"),
        ("\udc80\ud800", "\\udc80\\ud800"),
        ("\U000e0001\ue000", "\\U000e0001\\ue000"),
        ("a\xa0b\u3000c", "a b c"),
        ("GE \\ Philips", "GE \\ Philips"),
        ("", ""),
    ],
)
def test_what_would_not_print_as_itself_is_escaped(text: str, said: str) -> None:
    assert printable(text) == said
    assert printable(said) == said
    said.encode()  # may be written anywhere


def test_every_character_is_printable_afterwards() -> None:
    told = printable("".join(map(chr, range(0x110000))))
    assert told.isprintable()


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+cmd|'/c calc'!A0", "'+1+cmd|'/c calc'!A0"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),  # noqa: RUF001 - meant
        ("\t=1", "\\x09=1"),
        ("\r=1", "\\x0d=1"),
        ("no/1 no.jpeg", "no/1 no.jpeg"),
        ("", ""),
        (-1.5, -1.5),
        (-1, -1),
        (None, None),
    ],
)
def test_no_cell_of_text_is_a_formula_and_numbers_stay_numbers(value: object, cell: object) -> None:
    assert as_csv_cell(value) == cell

"""Output: rich tables on a terminal, plain lines otherwise.

Results go to stdout; notices and errors to stderr. All text is escaped: control
characters or markup in a DICOM tag or a file name are printed, not obeyed.
"""

import csv
import json
import sys
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mriad_model.enums import NOTICE
from mriad_model.plain_text import as_csv_cell, printable

Cell = str | int | float | None
BLOCKS = "▁▂▃▄▅▆▇█"
DIGITS = "01234567"  # where the terminal's letters have no blocks
SPARKLINE = 64  # marks, at most
MOST_LISTED = 20  # lines of one kind
MORE = "and {n} more; --json lists all"
BETWEEN = "  "  # of two columns on a terminal
FOLDED = 20  # characters that a column is left at least; longer text is folded
NARROW = "Too narrow for {names}: see {option}."


def show_json(document: Mapping[str, object]) -> None:
    """The one JSON document of a command run with `--json`."""
    json.dump({**document, "notice": NOTICE}, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def show_lines(*lines: str) -> None:
    """Plain result lines."""
    for line in lines:
        sys.stdout.write(printable(line) + "\n")


def show_some(lines: Sequence[str]) -> None:
    """The first lines of a list, and how many more there are."""
    show_lines(*lines[:MOST_LISTED])
    if len(lines) > MOST_LISTED:
        show_lines(MORE.format(n=len(lines) - MOST_LISTED))


def show_notice() -> None:
    """The line under every result."""
    show_lines(NOTICE)


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    spare: Sequence[str] = (),
    option: str = "--csv",
) -> None:
    """A table: drawn on a terminal, tab-separated lines with a heading otherwise.

    On a terminal that is too narrow, `spare` columns are dropped in order, and named, with the
    `option` that prints them.
    If that is not enough, each row becomes a block with a line for each column.
    """
    text = [[formatted(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(row) + "\n" for row in (columns, *text))
        return
    console = Console()
    kept, left_out = list(range(len(columns))), []
    for name in spare:
        if _width(columns, text, kept) <= console.width:
            break
        kept.remove(columns.index(name))
        left_out.append(name)
    if _width(columns, text, kept) > console.width:
        _show_blocks(title, columns, text)
        return
    console.print(_drawn(title, columns, rows, text, kept))
    if left_out:
        show_lines(NARROW.format(names=", ".join(left_out), option=option))


def _width(columns: Sequence[str], text: Sequence[Sequence[str]], kept: Sequence[int]) -> int:
    """Characters that a table of these columns needs at least."""
    widths = (max(cell_len(row[i]) for row in (columns, *text)) for i in kept)
    return sum(min(each, FOLDED) for each in widths) + len(BETWEEN) * (len(kept) - 1)


def _drawn(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    text: Sequence[Sequence[str]],
    kept: Sequence[int],
) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, len(BETWEEN), 0, 0))
    table.pad_edge = False
    for i in kept:
        numeric = all(isinstance(row[i], int | float | None) for row in rows)
        longest = max(cell_len(row[i]) for row in (columns, *text))
        table.add_column(
            columns[i],
            justify="right" if numeric else "left",
            overflow="fold",
            min_width=min(longest, FOLDED),
        )
    for row in text:
        table.add_row(*(Text(row[i]) for i in kept))  # no markup, no emoji codes
    return table


def _show_blocks(title: str, columns: Sequence[str], text: Sequence[Sequence[str]]) -> None:
    """A table that is too wide, turned: a block a row."""
    show_lines(title)
    longest = max(map(len, columns))
    for row in text:
        show_lines(
            "", *(f"{name:<{longest}}  {cell}" for name, cell in zip(columns, row, strict=True))
        )


def show_section(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """A table among others: under its title, also where it is lines; nothing without rows."""
    if not rows:
        return
    show_lines("")
    if not sys.stdout.isatty():
        show_lines(f"{title}:")
    show_table(title, columns, rows)


def sparkline(values: Sequence[float | None]) -> str:
    """Values as one short line, higher is taller; a dot for what has none.

    Of more than a line holds, each mark is the highest of several.
    """
    blocks = BLOCKS
    try:
        blocks.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        blocks = DIGITS
    each = -(-len(values) // SPARKLINE) or 1  # values a mark, rounded up
    groups = [values[start : start + each] for start in range(0, len(values), each)]
    marks = [max((value for value in group if value is not None), default=None) for group in groups]
    known = [mark for mark in marks if mark is not None]
    low, span = min(known, default=0.0), (max(known, default=0.0) - min(known, default=0.0)) or 1.0
    return "".join(
        "." if mark is None else blocks[round((len(blocks) - 1) * (mark - low) / span)]
        for mark in marks
    )


def show_csv(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Rows as CSV (RFC 4180) on stdout; text that a spreadsheet would run begins with `'`."""
    writer = csv.DictWriter(sys.stdout, fieldnames=list(columns), extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: as_csv_cell(row[name]) for name in columns} for row in rows)


def short_time(moment: str) -> str:
    """A recorded moment to the second, for a table: `2026-11-23 06:21:20`."""
    return moment[:19].replace("T", " ")


def formatted(cell: Cell) -> str:
    """A cell as printable text: four significant digits for floats, a dash for nothing."""
    if cell is None:
        return "-"
    return f"{cell:.4g}" if isinstance(cell, float) else printable(str(cell))

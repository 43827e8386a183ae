"""Output: rich tables and progress on a terminal, plain lines otherwise.

Results go to stdout; progress, notices and errors to stderr. All text is escaped: control
characters or markup in a DICOM tag or a file name are printed, not obeyed.
"""

import csv
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from flows.runtime.messages import say
from mriad_model.enums import NOTICE
from mriad_model.plain_text import as_csv_cell, printable
from tasks.runtime.progress import Progress, listening

Cell = str | int | float | None
BLOCKS = "▁▂▃▄▅▆▇█"
DIGITS = "01234567"  # where the terminal's letters have no blocks
SPARKLINE = 64  # marks, at most
SECONDS_BETWEEN_LINES = 60.0
MOST_LISTED = 20  # lines of one kind
MORE = "and {n} more; --json lists all"
BETWEEN = "  "  # of two columns on a terminal
FOLDED = 20  # characters that a column is left at least; longer text is folded
NARROW = "Too narrow for {names}; --csv prints all."


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
) -> None:
    """A table: drawn on a terminal, tab-separated lines with a heading otherwise.

    On a terminal that is too narrow, `spare` columns are dropped in order, and named.
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
        show_lines(NARROW.format(names=", ".join(left_out)))


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


@contextmanager
def progress_shown() -> Iterator[None]:
    """Show the progress of tasks on stderr."""
    if sys.stderr.isatty():
        with _bars() as bars, listening(_Drawn(bars)):
            yield
    else:
        with listening(_Written()):
            yield


def _bars() -> Bars:
    return Bars(
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
    )


class _Drawn:
    """A bar for each step."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, object] = {}

    def __call__(self, progress: Progress) -> None:
        if progress.step not in self._tasks:
            self._tasks[progress.step] = self._bars.add_task(progress.step, total=1, note="")
        self._bars.update(
            self._tasks[progress.step],  # type: ignore[arg-type]
            completed=progress.done,
            total=progress.total,
            note=printable(progress.note),
        )


class _Written:
    """A line when a step is done, and each minute of a long one: a nightly log stays short."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        done = progress.total and progress.done >= progress.total
        if done or time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            note = f" ({progress.note})" if progress.note else ""
            say(f"{progress.step}: {progress.done} of {progress.total}{note}")

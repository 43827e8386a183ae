"""Commands that care for a home without Prefect or torch: backup, check."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import progress_shown, show_json, show_lines, show_notice, show_section
from flows.cli.options import AsJson, Home
from flows.context import read_context
from flows.messages import counted

if TYPE_CHECKING:
    from tasks.maintenance.check import CheckReport

MOST_LISTED = 20


def backup(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder that is not there yet.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Copy the record, whole and of one moment, and its models into a new folder; verify them.

    Others may go on writing meanwhile. Heatmaps, reports and scans are not copied, nor is the
    site's key, which belongs in another place.
    """
    from tasks.maintenance.backup import back_up  # noqa: PLC0415 - help should not wait for it

    place = read_context(home)
    target = Path(os.path.abspath(path))  # noqa: PTH100 - keep links
    made = back_up(place.record_to_read(), place.home, target)
    if as_json:
        show_json(asdict(made))
    else:
        what = "models" if made.record is None else "the record and models"
        show_lines(
            f"{made.path}: {what}, verified: "
            f"{counted(made.scans, 'scan')}, {counted(made.decisions, 'decision')}, "
            f"{counted(made.models, 'model')}."
        )
        show_lines(*(f"Not in it: {each}." for each in made.missing))
        show_lines(*(f"The record was changed past mriad: {each}." for each in made.broken))
        show_lines(*(f"{each[:1].upper()}{each[1:]}." for each in made.notes))
        if made.head is not None:
            show_lines(f"Head of the record, to keep elsewhere: {made.head}")
        show_notice()
    if made.missing or made.broken:
        raise typer.Exit(1)


def check(
    quick: Annotated[
        bool, typer.Option("--quick", help="See that files are there, without reading them.")
    ] = False,
    since: Annotated[
        list[str] | None,
        typer.Option(
            "--since",
            metavar="HEAD",
            help="A head kept elsewhere: the record has to continue it. May be repeated.",
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check the record against itself and against the files it names; changes nothing.

    Every row is hashed into a chain, whose head is printed: keep it elsewhere, and --since says
    later whether anything up to it was changed, taken away or put back. Exits 1 where something
    is wrong. Files that no row names, and runs without an end, may be of a run that was killed
    or is under way: they are listed, and are not wrong.
    """
    from db.engine.chain_head import kept_head  # noqa: PLC0415 - help should not wait for it
    from tasks.maintenance.check import check as checked  # noqa: PLC0415

    started = time.monotonic()
    kept = [kept_head(each) for each in since or ()]
    place = read_context(home)
    with progress_shown():
        record = place.record_to_read()
        report = checked(record, place.home, contents=not quick, since=kept)
    seconds = time.monotonic() - started
    if as_json:
        short = None if report.head is None else str(report.head)
        found = {"ok": report.ok, **asdict(report), "head_to_keep": short}
        show_json({**found, "seconds": seconds})
    else:
        _show_check(report, seconds)
        if kept and not any(each.kind == "other_record" for each in report.problems):
            heads = "the head" if len(kept) == 1 else f"all {len(kept)} heads"
            but = "" if report.ok else ", but something is wrong: see above"
            show_lines(f"The links continue {heads} given with --since{but}.")
    if not report.ok:
        raise typer.Exit(1)


def _show_check(report: "CheckReport", seconds: float) -> None:
    n = report.checked
    show_lines(
        f"{counted(n.scans, 'scan')}, {counted(n.decisions, 'decision')}, "
        f"{counted(n.heatmaps, 'heatmap')} and {counted(n.models, 'model')} checked "
        f"in {seconds:.1f} s: "
        + (f"{len(report.problems)} wrong." if report.problems else "nothing wrong.")
    )
    if report.head is not None:
        show_lines(f"Head of the record, to keep elsewhere: {report.head}")
    show_lines(*(f"{each}." for each in report.notes))
    _show_some("Wrong", ("what", "where"), [(each.kind, each.text) for each in report.problems])
    missing = [each.kind for each in report.problems if each.kind.startswith("missing_")]
    if missing and set(missing) == {"missing_heatmap"}:
        are = counted(len(missing), "heatmap is", "heatmaps are")
        show_lines(
            f"{are} missing: expected in a home that was restored from a backup, "
            "for a backup holds none."
        )
    _show_some("Files that no row names", ("path",), [(each,) for each in report.orphans])
    _show_some(
        "Runs without an end (under way, or killed)",
        ("run", "flow", "started (UTC)"),
        [(each.id, each.flow, each.started_at) for each in report.unfinished_runs],
    )
    _show_some(
        "Folders that arrived and are still to do",
        ("arrival", "path", "settled (UTC)"),
        [(each.id, each.path, each.settled_at) for each in report.open_arrivals],
    )
    show_notice()


def _show_some(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str | int | None]]
) -> None:
    show_section(title, columns, rows[:MOST_LISTED])
    if len(rows) > MOST_LISTED:
        show_lines(f"and {len(rows) - MOST_LISTED} more")

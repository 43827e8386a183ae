"""Commands that look after a home: backup, check, verify."""

# ruff: noqa: PLC0415 - help should not wait for Prefect or torch

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import (
    MORE,
    MOST_LISTED,
    Cell,
    show_json,
    show_lines,
    show_notice,
    show_section,
    show_some,
)
from flows.cli.documents.maintenance import backup_document, check_document, verify_document
from flows.cli.options import SCAN_NAMES, AsJson, Device, Home, flow_context
from flows.cli.progress import progress_shown
from flows.runtime.context import read_context
from flows.runtime.messages import counted, sentence
from mriad_model.errors import NotInRecord, SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tasks.maintenance.backup import Backup
    from tasks.maintenance.check import CheckReport
    from tasks.maintenance.verify_report import LastBits, NotRecomputed, ReplayReport

BACKED_UP = "{path}: {what}, verified: {scans}, {decisions}, {models}."
NOT_IN_IT = "Not in it: {text}."
CHANGED_RECORD = "The record was changed past mriad: {text}."
HEAD = "Head of the record, to keep elsewhere: {head}"
CHECKED = "{scans}, {decisions}, {heatmaps} and {models} checked in {seconds:.1f} s: {result}."
CONTINUES = "The links continue {heads} given with --since{but}."
BUT_WRONG = ", but something is wrong: see above"
RESTORED = (
    "{heatmaps} missing: expected in a home that was restored from a backup, which holds none."
)
ORPHANS = "Files that no row names"
UNFINISHED = "Runs without an end (running, or killed)"
OPEN_ARRIVALS = "Folders that arrived and are not yet scored"
ONE_OR_ALL = "name one scan, or give --all"
NO_DECISION = "scan {scan} has no decision to verify: {why}"
NOTHING_TO_VERIFY = (
    "Nothing to verify: there are no decisions yet, and no model. mriad train makes a model, mriad "
    "score decisions."
)
REPLAYED = (
    "{checked} replayed: {0.identical} identical to the last bit, {0.within_tolerance} within "
    "tolerance, {mismatched} mismatched; {unreadable} not replayed: the source is gone or changed."
)
CALIBRATION = (
    "Calibration scores recomputed: {0.identical} identical to the last bit, "
    "{0.within_tolerance} within tolerance, {0.mismatched} mismatched."
)
POWER = (
    "Implants drawn and scored again: {0.identical} identical to the last bit, "
    "{0.within_tolerance} within tolerance, {0.mismatched} mismatched."
)
FAULT = "does not hold: {0.what}: {0.why}"
MISMATCH = "mismatch: scan {0.scan_id}, decision {0.decision_id}: {0.what}"
SOURCE_GONE = "{0.why}: decision {0.decision_id}: {0.path}"
MISSING = "missing: scan {0.scan_id}, decision {0.decision_id}: {0.path}"
NOT_RECOMPUTED = "Not recomputed: {what}; {why}."
LAST_BITS = "{scores} of run {run} {verb} last bits: {why}"
DIFFERENCE = "recorded with {name} {before}, now {now}"
NO_DIFFERENCE = "nothing else that was recorded differs"
NOT_RECORDED = "; the run's environment was not recorded"


def backup(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A new folder to make.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Copy the record, as of one moment, and its models into a new folder; verify them.

    Other commands may go on writing meanwhile. Heatmaps, reports and scans are not copied, nor is
    the site's key, which belongs in another place.
    """
    from tasks.maintenance.backup import back_up

    place = read_context(home)
    target = Path(os.path.abspath(path))  # noqa: PTH100 - keep links
    made = back_up(place.record_to_read(), place.home, target)
    if as_json:
        show_json(backup_document(made))
    else:
        _show_backup(made)
    if made.missing or made.broken:
        raise typer.Exit(1)


def _show_backup(made: "Backup") -> None:
    show_lines(
        BACKED_UP.format(
            path=made.path,
            what="models" if made.record is None else "the record and models",
            scans=counted(made.scans, "scan"),
            decisions=counted(made.decisions, "decision"),
            models=counted(made.models, "model"),
        ),
        *(NOT_IN_IT.format(text=each) for each in made.missing),
        *(CHANGED_RECORD.format(text=each) for each in made.broken),
        *(sentence(each) for each in made.notes),
    )
    if made.head is not None:
        show_lines(HEAD.format(head=made.head))
    show_notice()


def check(
    quick: Annotated[
        bool, typer.Option("--quick", help="See that files exist, without reading them.")
    ] = False,
    since: Annotated[
        list[str] | None,
        typer.Option(
            "--since",
            metavar="HEAD",
            help="A head kept elsewhere: the record must continue it. May be repeated.",
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check the record against itself and against the files it names; changes nothing.

    Every row is hashed into a chain, whose head is printed. Keep it elsewhere: --since then shows
    whether anything up to it was changed, removed or put back. Exits 1 if something is wrong.
    Files that no row names and runs without an end are listed, but are not wrong: a run may be
    running, or was killed.
    """
    from db.engine.chain_head import kept_head
    from tasks.maintenance.check import check as checked

    started = time.monotonic()
    kept = [kept_head(each) for each in since or ()]
    place = read_context(home)
    with progress_shown():
        record = place.record_to_read()
        report = checked(record, place.home, contents=not quick, since=kept)
    seconds = time.monotonic() - started
    if as_json:
        show_json(check_document(report, seconds))
    else:
        _show_check(report, seconds)
        if kept and not any(each.kind == "other_record" for each in report.problems):
            heads = "the head" if len(kept) == 1 else f"all {len(kept)} heads"
            show_lines(CONTINUES.format(heads=heads, but="" if report.ok else BUT_WRONG))
    if not report.ok:
        raise typer.Exit(1)


def _show_check(report: "CheckReport", seconds: float) -> None:
    n = report.checked
    show_lines(
        CHECKED.format(
            scans=counted(n.scans, "scan"),
            decisions=counted(n.decisions, "decision"),
            heatmaps=counted(n.heatmaps, "heatmap"),
            models=counted(n.models, "model"),
            seconds=seconds,
            result=f"{len(report.problems)} wrong" if report.problems else "nothing wrong",
        )
    )
    if report.head is not None:
        show_lines(HEAD.format(head=report.head))
    show_lines(*(f"{each}." for each in report.notes))
    _show_rows("Wrong", ("what", "where"), [(each.kind, each.text) for each in report.problems])
    missing = [each.kind for each in report.problems if each.kind.startswith("missing_")]
    if missing and set(missing) == {"missing_heatmap"}:
        are = counted(len(missing), "heatmap is", "heatmaps are")
        show_lines(RESTORED.format(heatmaps=are))
    _show_rows(ORPHANS, ("path",), [(each,) for each in report.orphans])
    _show_rows(
        UNFINISHED,
        ("run", "flow", "started (UTC)"),
        [(each.id, each.flow, each.started_at) for each in report.unfinished_runs],
    )
    _show_rows(
        OPEN_ARRIVALS,
        ("arrival", "path", "settled (UTC)"),
        [(each.id, each.path, each.settled_at) for each in report.open_arrivals],
    )
    show_notice()


def _show_rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    show_section(title, columns, rows[:MOST_LISTED])
    if len(rows) > MOST_LISTED:
        show_lines(MORE.format(n=len(rows) - MOST_LISTED))


def verify(
    scan: Annotated[
        str | None,
        typer.Argument(help=SCAN_NAMES),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every decision.")] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Take calibration scores from the record; do not score them again."
        ),
    ] = False,
    power: Annotated[
        bool,
        typer.Option(
            "--power",
            help="Implant the lesions again by which models were measured, and score them.",
        ),
    ] = False,
    device: Device = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Replay the decisions on a scan from the source files, and compare with the record.

    The scan and the healthy scans that its threshold was drawn from are scored again. Prints
    what differs, what is missing (exit status 1 for both), and what was not recomputed.
    """
    if every == (scan is not None):
        raise SettingsError(ONE_OR_ALL)
    asked = read_context(home)
    engine = asked.record_to_read()  # raises where there is no record
    scan_id = None
    if scan is not None:
        from flows.cli.commands.record_commands import details_of

        details = details_of(engine, asked.home, scan)
        scan_id = details.scan.id
        if not details.decisions:
            why = details.why_undecided or "score it first"
            raise NotInRecord(NO_DECISION.format(scan=scan_id, why=why))
    elif _is_empty(engine):
        _show_nothing_to_verify(as_json=as_json)
        return
    with flow_context(home, "flows.verify", device=device) as place:
        from flows.verify import verify_decisions

        report = verify_decisions(place.home, scan_id, place.settings.device, quick, power)
    show_verify(report, as_json=as_json)
    if not report.whole:
        raise typer.Exit(1)


def _is_empty(engine: "Engine") -> bool:
    """Whether there is neither a decision nor a model that the next ones will stand on."""
    from db.repository.scoring.decisions import count_decisions
    from db.repository.training.models import current_threshold

    return current_threshold(engine) is None and not count_decisions(engine)


def _show_nothing_to_verify(*, as_json: bool) -> None:
    from tasks.maintenance.verify_report import ReplayReport

    if as_json:
        show_json(verify_document(ReplayReport()))
        return
    show_lines(NOTHING_TO_VERIFY)
    show_notice()


def show_verify(report: "ReplayReport", *, as_json: bool) -> None:
    """The result of `mriad verify`."""
    from tasks.maintenance.verify_report import ReplayCounts

    if as_json:
        show_json(verify_document(report))
        return
    show_lines(
        REPLAYED.format(
            report,
            checked=counted(report.checked, "decision"),
            mismatched=len(report.mismatched),
            unreadable=len(report.unreadable),
        ),
        CALIBRATION.format(report.calibration),
    )
    if report.power != ReplayCounts():
        show_lines(POWER.format(report.power))
    show_some([FAULT.format(each) for each in report.faults])
    show_some([MISMATCH.format(each) for each in report.mismatched])
    show_some([SOURCE_GONE.format(each) for each in report.unreadable])
    show_some([MISSING.format(each) for each in report.missing])
    show_lines(*(_last_bits(each) for each in report.last_bits))
    show_lines(*(_not_recomputed(each) for each in report.not_recomputed))
    show_notice()


def _not_recomputed(found: "NotRecomputed") -> str:
    parts, of, noun = found.what.rpartition(" of ")
    what = f"{parts}{of}{counted(found.n, noun.removesuffix('s'))}"
    return NOT_RECOMPUTED.format(what=what, why=found.why)


def _last_bits(found: "LastBits") -> str:
    differences = [
        DIFFERENCE.format(name=name, before=_value(before), now=_value(now))
        for name, (before, now) in found.differs.items()
    ]
    why = "; ".join(differences) or NO_DIFFERENCE
    return LAST_BITS.format(
        scores=counted(found.n, "score"),
        run=found.run_id,
        verb="differs in its" if found.n == 1 else "differ in their",
        why=why if found.recorded else why + NOT_RECORDED,
    )


def _value(value: object) -> str:
    return "unset" if value is None else str(value)

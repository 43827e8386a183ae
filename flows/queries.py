"""Commands that start neither Prefect nor torch: history, show, activate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from db import history as reads
from flows.console import (
    say,
    short_time,
    show_csv,
    show_json,
    show_lines,
    show_notice,
    show_table,
)
from flows.options import LARGEST_ID, AsJson, Home, to_read, to_write
from flows.settings import local_user
from flows.story import show_story, story_document
from mriad_model.errors import NotInRecord, SettingsError
from mriad_model.nouns import Verdict
from mriad_model.paths import recorded_path

COLUMNS = tuple(reads.DecisionRow.__dataclass_fields__)
SHOWN = {
    "scan_id": "scan",
    "decided_at": "when (UTC)",
    "verdict": "verdict",
    "review": "review",
    "score": "score",
    "threshold": "limit",
    "p_value": "p",
    "threshold_id": "threshold",
    "model_id": "model",
    "decision_id": "decision",
    "path": "path",
}


def history(
    verdict: Annotated[Verdict | None, typer.Option(help="Only this verdict.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day or moment on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this day or moment (UTC).")] = None,
    scanner: Annotated[str | None, typer.Option(help="Only scans of this scanner.")] = None,
    model: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_ID, help="Only decisions of this model.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=LARGEST_ID, help="At most this many.")
    ] = reads.DEFAULT_LIMIT,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List decisions, newest first."""
    if csv and as_json:
        raise SettingsError("give --csv or --json, not both")
    query = reads.HistoryQuery(verdict, since, until, scanner, model, limit=limit)
    engine = to_read(home).record_to_read()
    rows = [asdict(row) for row in reads.decisions(engine, query)]
    more = reads.count_admitted(engine, query) - len(rows) if len(rows) == limit else 0
    if more > 0:
        say(f"the newest {limit} of {limit + more}: {more} more; --limit {limit + more} lists all")
    if as_json:
        show_json({"decisions": rows, "more": max(0, more)})
    elif csv:
        show_csv(rows, COLUMNS)
    else:
        _show_decisions("Decisions, newest first", rows)
        show_notice()


def show(
    scan: Annotated[
        str,
        typer.Argument(
            help="Its id, a path of it, its SeriesInstanceUID, or how its sha256 begins."
        ),
    ],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell all that the record holds of one scan."""
    place = to_read(home)
    engine = place.record_to_read()
    story = story_of(engine, place.home, scan)
    if as_json:
        show_json(story_document(place.home, story))
        return
    show_story(place.home, story)
    show_notice()


def activate(
    threshold: Annotated[
        int | None,
        typer.Argument(
            min=1, max=LARGEST_ID, help="The threshold's id; without it all are listed."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")] = "activated by hand",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Put a threshold and its model in force: promote, or roll back."""
    engine = to_read(home).record_to_read()  # says so where there is none
    if threshold is None:
        _list_thresholds(engine, as_json=as_json)
        return
    reads.threshold_by_id(engine, threshold)  # says so where there is none
    from tasks.resources import opened_record  # noqa: PLC0415 - keeps the reading commands light
    from tasks.runs import recorded_run  # noqa: PLC0415
    from tasks.verdicts import decide_again, put_in_force  # noqa: PLC0415

    engine = opened_record(str(to_write(home).home))
    with recorded_run(engine, "activate", None) as run:
        model_id = put_in_force(engine, threshold, reason, local_user())
        decisions = decide_again(engine, threshold, run.id)
        run.counts.update(threshold_id=threshold, decisions=decisions)
    found = {"threshold_id": threshold, "model_id": model_id, "decisions": decisions}
    if as_json:
        show_json(found)
    else:
        show_lines(
            f"Threshold {threshold} of model {model_id} is in force; "
            f"{decisions} scans decided by it that were not before."
        )
        show_notice()


def _learned(recipe: str) -> str:
    """What a model of this recipe (JSON) learned, in words."""
    volumes = json.loads(recipe).get("volumes")
    if volumes is None:
        return "pictures"
    return f"{volumes['contrast']} volumes" if volumes["contrast"] else "volumes"


def _list_thresholds(engine: reads.Engine, *, as_json: bool) -> None:
    current = reads.current_threshold(engine)
    in_force = current and current.activation.threshold_id
    learned = {model.id: _learned(model.recipe) for model in reads.models(engine)}
    rows = [
        asdict(row) | {"learned": learned[row.model_id], "in_force": row.id == in_force}
        for row in reads.thresholds(engine)
    ]
    if as_json:
        show_json({"thresholds": rows})
        return
    names = ("id", "model_id", "learned", "policy", "k", "value", "n", "created_at", "in_force")
    show_table(
        "Thresholds",
        (
            "id",
            "model",
            "learned",
            "policy",
            "k",
            "limit",
            "healthy scans",
            "made (UTC)",
            "in force",
        ),
        [
            [short_time(row[n]) if n == "created_at" else _yes(row[n]) for n in names]
            for row in rows
        ],
    )
    show_notice()


def _yes(value: Any) -> Any:
    return ("yes" if value else "") if isinstance(value, bool) else value


def _show_decisions(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    show_table(
        title,
        tuple(SHOWN.values()),
        [
            [short_time(row[name]) if name == "decided_at" else row[name] for name in SHOWN]
            for row in rows
        ],
    )


def story_of(engine: reads.Engine, home: Path, scan: str) -> reads.ScanStory:
    """The story of a scan named by id, hash, recorded path, or a path as the shell knows it.

    Raises:
        NotInRecord: there is none; says so if the file was rejected.
    """
    recorded = recorded_path(Path(scan), home)
    try:
        return reads.scan_story(engine, scan)
    except NotInRecord as unknown:
        rejections = reads.rejections_at(engine, recorded)
        if rejections and not Path(scan).is_dir():
            last = rejections[-1]
            raise NotInRecord(
                f"{recorded} is no scan; it was rejected on {short_time(last.created_at)}: "
                f"{last.reason.value}: {last.detail}"
            ) from None
        try:
            return reads.scan_story(engine, recorded)
        except NotInRecord:
            beside = reads.rejected_beside(engine, [f"{recorded}/x"], limit=1)
            if beside.total == 0:
                raise unknown from None
            last = beside.rejections[0]
            raise NotInRecord(
                f"No scan lies in {recorded}; {beside.total} files there were rejected, the last "
                f"on {short_time(last.created_at)}: {last.reason.value}: {last.detail}"
            ) from None

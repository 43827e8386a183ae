"""Commands that start neither Prefect nor torch: history, show, activate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from db.engine.connect import Engine
from db.repository import decisions as decisions_records
from db.repository.decisions import DEFAULT_LIMIT, DecisionRow, HistoryQuery, count_admitted
from db.repository.models import current_threshold, models, threshold_by_id, thresholds
from db.repository.rejections import rejections_at
from db.repository.scan_details import ScanDetails, scan_story
from db.repository.sightings import rejected_beside
from flows.cli.console import (
    Cell,
    short_time,
    show_csv,
    show_json,
    show_lines,
    show_notice,
    show_table,
)
from flows.cli.options import LARGEST_ID, AsJson, Home
from flows.cli.show import show_story, story_document
from flows.context import read_context, write_context
from flows.messages import counted, say
from flows.settings import local_user
from mriad_model.enums import Verdict
from mriad_model.errors import NotInRecord, SettingsError
from mriad_model.paths import recorded_path

COLUMNS = tuple(DecisionRow.__dataclass_fields__)
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


CHOICES = (
    "id",
    "active",
    "model",
    "learned",
    "made (UTC)",
    "policy",
    "limit",
    "calibration scans",
    "flagged",
    "AUROC lesions",
    "AUROC abnormal",
)


def history(
    verdict: Annotated[Verdict | None, typer.Option(help="Only this verdict.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day or moment on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this day or moment (UTC).")] = None,
    scanner: Annotated[str | None, typer.Option(help="Only scans of this scanner.")] = None,
    model: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_ID, help="Only decisions of this model.")
    ] = None,
    active: Annotated[
        bool, typer.Option("--active", help="Only decisions by the active threshold.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=LARGEST_ID, help="At most this many.")
    ] = DEFAULT_LIMIT,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List decisions, newest first."""
    if csv and as_json:
        raise SettingsError("give --csv or --json, not both")
    engine = read_context(home).record_to_read()
    current = current_threshold(engine)
    now = None if current is None else current.threshold.id
    by = (now or 0) if active else None  # 0: none is active, so none decides
    query = HistoryQuery(verdict, since, until, scanner, model, by, limit=limit)
    rows = [asdict(row) for row in decisions_records.decisions(engine, query)]
    more = count_admitted(engine, query) - len(rows) if len(rows) == limit else 0
    if more > 0:
        say(f"the newest {limit} of {limit + more}: {more} more; --limit {limit + more} lists all")
    if past := sum(row["threshold_id"] != now for row in rows):
        say(past_decisions(past, now))
    if as_json:
        show_json({"decisions": rows, "more": max(0, more), "active_threshold_id": now})
    elif csv:
        show_csv(rows, COLUMNS)
    else:
        _show_decisions("Decisions, newest first", rows)
        show_notice()


def past_decisions(n: int, active: int | None) -> str:
    """That some of the decisions listed are not those that hold now."""
    which = "no threshold is active" if active is None else f"threshold {active} is active"
    return (
        f"{counted(n, 'decision')} listed by thresholds that are not active: {which}; "
        "--active lists its decisions alone"
    )


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
    place = read_context(home)
    engine = place.record_to_read()
    story = details_of(engine, place.home, scan)
    if as_json:
        show_json(story_document(place.home, story))
        return
    show_story(place.home, story)
    show_notice()


def activate(
    threshold: Annotated[
        int | None,
        typer.Argument(
            min=1,
            max=LARGEST_ID,
            help="The threshold's id; without it all are listed, with what to choose by.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")] = "activated by hand",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Activate a threshold and its model: promote, or roll back."""
    engine = read_context(home).record_to_read()  # says so where there is none
    if threshold is None:
        _list_thresholds(engine, as_json=as_json)
        return
    threshold_by_id(engine, threshold)  # says so where there is none
    from tasks.runtime.connections import (  # noqa: PLC0415 - keeps the reading commands light
        database,
    )
    from tasks.runtime.runs import recorded_run  # noqa: PLC0415
    from tasks.training.thresholds import decide_again, put_in_force  # noqa: PLC0415

    engine = database(str(write_context(home).home))
    with recorded_run(engine, "activate", None) as run:
        model_id = put_in_force(engine, threshold, reason, local_user())
        decisions = decide_again(engine, threshold, run.id)
        run.counts.update(threshold_id=threshold, decisions=decisions)
    found = {"threshold_id": threshold, "model_id": model_id, "decisions": decisions}
    if as_json:
        show_json(found)
    else:
        show_lines(
            f"Threshold {threshold} of model {model_id} is active; "
            f"{decisions} scans decided by it that were not before."
        )
        show_notice()


def _learned(recipe: str) -> str:
    """What a model of this recipe (JSON) learned, in words."""
    volumes = json.loads(recipe).get("volumes")
    if volumes is None:
        return "pictures"
    return f"{volumes['contrast']} volumes" if volumes["contrast"] else "volumes"


def _list_thresholds(engine: Engine, *, as_json: bool) -> None:
    from tasks.training.threshold_figures import (  # noqa: PLC0415 - keeps the reading commands light
        comparisons,
    )

    current = current_threshold(engine)
    active = current and current.activation.threshold_id
    learned = {model.id: _learned(model.recipe) for model in models(engine)}
    compared = comparisons(engine)
    rows = []
    for row in thresholds(engine):
        found = compared.get(row.id or 0)
        rows.append(
            asdict(row)
            | {"learned": learned[row.model_id], "in_force": row.id == active}
            | {"active": row.id == active, "compared": found and asdict(found)}
        )
    if as_json:
        show_json({"thresholds": rows})
        return
    show_table("Thresholds", CHOICES, [_choice(row) for row in rows])
    show_lines(
        "AUROC: how well lesions drawn into healthy scans, or scans labelled abnormal, are told "
        "from healthy scans that the model did not learn from; flagged: of these healthy scans."
    )
    show_notice()


def _choice(row: Mapping[str, Any]) -> list[Cell]:
    """A threshold with what one chooses it by, as a line of the table."""
    found: Mapping[str, Any] = row["compared"] or {}
    flagged = found.get("flagged")
    return [
        row["id"],
        "yes" if row["active"] else "",
        row["model_id"],
        row["learned"],
        short_time(row["created_at"]),
        f"{row['policy']} {row['k']:g}",
        row["value"],
        row["n"],
        "-" if flagged is None else f"{flagged} of {found['n_healthy']}",
        _auroc(found.get("auroc_implanted"), found.get("n_healthy")),
        _auroc(found.get("auroc_abnormal"), found.get("n_abnormal")),
    ]


def _auroc(value: float | None, n: int | None) -> str:
    return "-" if value is None else f"{value:.3f} (n {n})"


def _show_decisions(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    show_table(
        title,
        tuple(SHOWN.values()),
        [
            [short_time(row[name]) if name == "decided_at" else row[name] for name in SHOWN]
            for row in rows
        ],
    )


def details_of(engine: Engine, home: Path, scan: str) -> ScanDetails:
    """The story of a scan named by id, hash, recorded path, or a path as the shell knows it.

    Raises:
        NotInRecord: there is none; says so if the file was rejected.
    """
    recorded = recorded_path(Path(scan), home)
    try:
        return scan_story(engine, scan)
    except NotInRecord as unknown:
        rejections = rejections_at(engine, recorded)
        if rejections and not Path(scan).is_dir():
            last = rejections[-1]
            raise NotInRecord(
                f"{recorded} is no scan; it was rejected on {short_time(last.created_at)}: "
                f"{last.reason.value}: {last.detail}"
            ) from None
        try:
            return scan_story(engine, recorded)
        except NotInRecord:
            beside = rejected_beside(engine, [f"{recorded}/x"], limit=1)
            if beside.total == 0:
                raise unknown from None
            last = beside.rejections[0]
            raise NotInRecord(
                f"No scan lies in {recorded}; {beside.total} files there were rejected, the last "
                f"on {short_time(last.created_at)}: {last.reason.value}: {last.detail}"
            ) from None

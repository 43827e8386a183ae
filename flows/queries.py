"""Commands that start neither Prefect nor torch: history, show, activate."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from db import history as reads
from db.engine import open_record
from flows.console import show_csv, show_json, show_lines, show_notice, show_table
from flows.options import AsJson, Home, to_read, to_write
from flows.settings import local_user
from mriad_model.nouns import Verdict

COLUMNS = tuple(reads.DecisionRow.__dataclass_fields__)
SHOWN = ("decision_id", "decided_at", "verdict", "score", "threshold", "p_value", "path")


def history(
    verdict: Annotated[Verdict | None, typer.Option(help="Only this verdict.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day or moment on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this day or moment (UTC).")] = None,
    scanner: Annotated[str | None, typer.Option(help="Only scans of this scanner.")] = None,
    model: Annotated[int | None, typer.Option(help="Only decisions of this model.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = reads.DEFAULT_LIMIT,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List decisions, newest first."""
    query = reads.HistoryQuery(verdict, since, until, scanner, model, limit=limit)
    engine = open_record(to_read(home).home, read_only=True)
    rows = [asdict(row) for row in reads.decisions(engine, query)]
    if as_json:
        show_json({"decisions": rows})
    elif csv:
        show_csv(rows, COLUMNS)
    else:
        show_table(
            "Decisions, newest first", SHOWN, [[row[name] for name in SHOWN] for row in rows]
        )
        show_notice()


def show(
    scan: Annotated[str, typer.Argument(help="Its id, its path, or how its sha256 begins.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell all that the record holds of one scan."""
    engine = open_record(to_read(home).home, read_only=True)
    story = reads.scan_story(engine, scan)
    if as_json:
        show_json(asdict(story))
        return
    geometry = json.loads(story.scan.geometry)
    show_lines(
        f"scan {story.scan.id}  {story.scan.kind.value}",
        f"sha256 {story.scan.sha256}",
        f"geometry {', '.join(f'{name} {value}' for name, value in geometry.items())}",
        f"registered {story.scan.created_at} by run {story.run.id} ({story.run.flow})",
    )
    show_table("Seen at", ("path", "when"), [(each.path, each.seen_at) for each in story.sightings])
    if story.labels:
        show_table(
            "Labels",
            ("label", "source", "by", "when"),
            [(o.value.value, o.source.value, o.author, o.created_at) for o in story.labels],
        )
    if story.scores:
        show_table(
            "Scores",
            ("score", "model", "when", "heatmap"),
            [
                (
                    each.score.value,
                    each.score.model_id,
                    each.score.created_at,
                    each.heatmaps[0].path if each.heatmaps else None,
                )
                for each in story.scores
            ],
        )
    if story.decisions:
        names = (*SHOWN[:-1], "model_id", "threshold_id")
        rows = [asdict(row) for row in story.decisions]
        show_table("Decisions", names, [[row[name] for name in names] for row in rows])
    show_notice()


def activate(
    threshold: Annotated[int, typer.Argument(help="The threshold's id, as history lists it.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")] = "activated by hand",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Put a threshold and its model in force: promote, or roll back."""
    from tasks.runs import recorded_run  # noqa: PLC0415 - keeps the reading commands light
    from tasks.verdicts import decide_again, put_in_force  # noqa: PLC0415

    engine = open_record(to_write(home).home)
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

"""Reports: the page of a scoring run, what pages have in common, a run's summary."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from db import history
from db.times import now
from mriad_model.files import write_atomically
from mriad_model.nouns import NOTICE, RejectionReason
from mriad_model.paths import recorded_path, source_path, unescape_path
from mriad_model.report import (
    MOST_PICTURES,
    ModelLine,
    Provenance,
    RejectedFileLine,
    ScoreReport,
    SuspiciousScan,
    ThresholdLine,
    render_score_report,
)
from tasks.rejections import Refused
from tasks.resources import opened_record


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """What a scoring run counted."""

    new: int
    known: int
    taught: int
    unsuited: int
    unreadable: int
    elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Where the page lies, and what the run decided."""

    path: str  # relative to the home
    scored: int
    suspicious: int
    recovered: int  # decisions of earlier runs that were cut off, listed here too


@task(name="summarise", cache_policy=NO_CACHE)
def publish_summary(key: str, title: str, figures: Mapping[str, object]) -> None:
    """Leave a run's figures as a markdown artifact in the workflow engine."""
    lines = [f"| {name.replace('_', ' ')} | {value} |" for name, value in figures.items()]
    table = "\n".join(["| | |", "| --- | --- |", *lines])
    create_markdown_artifact(f"# {title}\n\n{table}\n\n{NOTICE}\n", key=key)


@task(name="report", cache_policy=NO_CACHE)
def write_score_report(
    home: str,
    run_id: int,
    threshold_id: int,
    folder: str,
    counts: ScoreCounts,
    rejected: Sequence[Refused],
) -> WrittenReport:
    """Write the page of a scoring run: its decisions, and those of runs cut off before it.

    `threshold_id` is what the run decided by; another may have come in force since.
    """
    engine, place = opened_record(home), Path(home)
    threshold = history.threshold_by_id(engine, threshold_id)
    model = history.model_by_id(engine, threshold.model_id)
    recipe = json.loads(model.recipe)
    run_ids = history.unreported_runs(engine, run_id)
    own = history.tally(engine, history.with_shards(engine, [run_id]))
    listed = history.tally(engine, run_ids)
    recovered = listed.decisions - own.decisions
    worst = history.worst_of_runs(engine, run_ids, limit=1000)
    page = render_score_report(
        ScoreReport(
            provenance=provenance(home, run_id, folder),
            model=ModelLine(
                id=threshold.model_id,
                sha256=model.sha256,
                recipe_name=recipe["name"],
                created_at=model.created_at,
                of_volumes=recipe.get("volumes") is not None,
            ),
            threshold=ThresholdLine(
                id=threshold_id,
                policy=threshold.policy.value,
                k=threshold.k,
                mean=threshold.mean,
                sd=threshold.sd,
                n=threshold.n,
                value=threshold.value,
            ),
            new=counts.new,
            known=counts.known,
            scored=listed.decisions,
            n_suspicious=listed.suspicious,
            recovered=recovered,
            suspicious=[
                _suspicious(place, row, pictured=i < MOST_PICTURES) for i, row in enumerate(worst)
            ],
            rejections=refusal_lines(rejected),
            skipped=_skipped(counts),
        )
    )
    path = write_page(place, f"score-run-{run_id}", page)
    return WrittenReport(path, own.decisions, own.suspicious, recovered)


def write_page(home: Path, name: str, page: str) -> str:
    """Write a report under the home; its path, relative to the home."""
    path = home / "reports" / f"{name}.html"
    write_atomically(path, page.encode())
    return str(path.relative_to(home))


def provenance(home: str, run_id: int, source: str) -> Provenance:
    """Where a report of this run comes from."""
    run, _ = history.run_by_id(opened_record(home), run_id)
    moment = now()
    elapsed = datetime.fromisoformat(moment) - datetime.fromisoformat(run.started_at)
    return Provenance(
        created_at=moment,
        source=recorded_path(Path(unescape_path(source)), Path(home)),
        software_version=run.software_version,
        git_sha=run.git_sha,
        libraries=json.loads(run.libraries),
        device=run.device,
        seconds=elapsed.total_seconds(),
        run_id=run_id,
    )


def refusal_lines(rejected: Sequence[Refused]) -> list[RejectedFileLine]:
    """Refused files as the reports list them."""
    return [
        RejectedFileLine(each.path, RejectionReason(each.reason), each.detail) for each in rejected
    ]


def _suspicious(home: Path, row: history.DecisionRow, *, pictured: bool) -> SuspiciousScan:
    heatmap = source_path(row.heatmap_path, home) if pictured and row.heatmap_path else None
    return SuspiciousScan(
        path=row.path or "",
        scan_id=row.scan_id,
        decision_id=row.decision_id,
        score=row.score,
        p_value=row.p_value,
        heatmap=heatmap.read_bytes() if heatmap and heatmap.is_file() else None,
    )


def _skipped(counts: ScoreCounts) -> list[tuple[int, str]]:
    """How many scans were not scored, and why."""
    reasons = (
        (counts.taught, "the model learned from them; their scores would be memories"),
        (counts.unsuited, "they are of another kind than the model learned"),
        (
            counts.unreadable,
            "they vanished or changed, or hold nothing to judge; tried again next time",
        ),
        (counts.elsewhere, "another run was at work on them"),
    )
    return [(n, why) for n, why in reasons if n]

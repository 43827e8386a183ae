"""What changed since a moment, from the record, as reports list it."""

import json

from sqlalchemy import Engine

from db.entities import Comparison
from db.repository.runs import runs_ended
from db.repository.training.comparisons import comparisons
from db.repository.training.models import activations, current_threshold, threshold_by_id
from mriad_model.enums import RunStatus
from mriad_model.reports.changes import (
    ActiveNow,
    ChangeLine,
    Changes,
    ModelComparison,
    compared_figures,
    comparison_scans_text,
    why_in_words,
)

NO_MODEL = {
    RunStatus.FAILED: "no new model; Prefect's page of the run says why",
    RunStatus.STOPPED: "no new model; by Ctrl-C or SIGTERM",
}


def changes_since(engine: Engine, since: str | None, until: str | None = None) -> Changes:
    """Thresholds activated, candidates compared, and retrainings that failed or were stopped.

    From the beginning where `since` is None, to now where `until` is. What happened at `since` is
    included, what happened at `until` is not: it is the next report's.
    """
    since = since or ""

    def between(moment: str) -> bool:
        return since <= moment and (until is None or moment < until)

    compared = comparisons(engine)
    tried = {each.reason for each in compared if each.promoted}
    put = [
        ChangeLine(
            each.created_at,
            f"threshold {each.threshold_id} of model {_model_of(engine, each.threshold_id)} "
            f"activated by {each.author}",
            "the new model is no worse, see below" if each.reason in tried else each.reason,
        )
        for each in activations(engine)
        if between(each.created_at)
    ]
    failed = [
        ChangeLine(end.ended_at, f"retraining {end.status}, run {run.id}", NO_MODEL[end.status])
        for run, end in runs_ended(engine, since)
        if run.flow == "retrain_model" and end.status in NO_MODEL and between(end.ended_at)
    ]
    met = [_model_comparison(engine, each) for each in compared if between(each.created_at)]
    return Changes(sorted(put + failed, key=lambda each: each.created_at), met)


def active_instead(engine: Engine, threshold_id: int) -> ActiveNow | None:
    """The active threshold, if it is another one."""
    current = current_threshold(engine)
    if current is None or current.threshold.id == threshold_id:
        return None
    activation = current.activation
    return ActiveNow(current.threshold.model_id, activation.threshold_id, activation.created_at)


def _model_comparison(engine: Engine, comparison: Comparison) -> ModelComparison:
    figures = json.loads(comparison.figures)
    lines, promoted = compared_figures(figures), bool(comparison.promoted)
    current = current_threshold(engine)
    return ModelComparison(
        created_at=comparison.created_at,
        promoted=promoted,
        active=current is not None and current.threshold.id == comparison.candidate_threshold_id,
        why=why_in_words(comparison.reason, promoted=promoted, compared=bool(lines)),
        candidate_model=_model_of(engine, comparison.candidate_threshold_id),
        candidate_threshold=comparison.candidate_threshold_id,
        current_model=_model_of(engine, comparison.current_threshold_id),
        current_threshold=comparison.current_threshold_id,
        scans=comparison_scans_text(figures),
        confidence=f"{100 * figures['confidence']:g} %" if lines else "",
        figures=lines,
    )


def _model_of(engine: Engine, threshold_id: int) -> int:
    return threshold_by_id(engine, threshold_id).model_id

"""Figures to choose a threshold by: how its model did on comparison scans, and when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Engine

from db.entities import Threshold
from db.repository.runs import run_by_id
from db.repository.training.comparisons import comparisons
from db.repository.training.models import model_by_id, thresholds
from mriad_model.enums import RunStatus

NEVER: Final = "never compared"
TOO_FEW: Final = "too few scans to compare"
WHY_NEVER: Final = {
    RunStatus.COMPLETED: NEVER,
    RunStatus.FAILED: f"{NEVER} (run {{run}}, which made it, failed)",
    RunStatus.STOPPED: f"{NEVER} (run {{run}}, which made it, was stopped)",
    None: f"{NEVER} (run {{run}}, which made it, has no end)",
}


@dataclass(frozen=True, slots=True)
class ComparisonFigures:
    """How a model did on scans that it had not learned from. Each figure may be unknown."""

    at: str  # when
    n_healthy: int
    n_abnormal: int
    flagged: int | None  # of the healthy scans, by this threshold
    auroc_implanted: float | None
    auroc_abnormal: float | None


def last_comparisons(engine: Engine) -> dict[int, ComparisonFigures]:
    """The last comparison of each threshold, by its id; one of its model where it had none itself.

    Of another threshold of the model, the AUROC holds, but not which scans are flagged.
    """
    by_retraining = _compared(engine)
    found, of_model = dict[int, ComparisonFigures](), dict[int, ComparisonFigures]()
    every = [(each.id or 0, each) for each in thresholds(engine)]
    for threshold_id, threshold in every:
        own = by_retraining.get(threshold_id) or _trained(engine, threshold)
        if own is not None:
            found[threshold_id] = of_model[threshold.model_id] = own
    for threshold_id, threshold in every:
        if threshold_id not in found and threshold.model_id in of_model:
            found[threshold_id] = replace(of_model[threshold.model_id], flagged=None)
    return found


def not_compared(engine: Engine) -> dict[int, str]:
    """Why there are no figures of a threshold's model, by the threshold's id, in words.

    A training or retraining that ends early leaves a model that was calibrated and never compared.
    """
    tried = {
        threshold_id
        for each in comparisons(engine)
        for threshold_id in (each.current_threshold_id, each.candidate_threshold_id)
    }
    every, found = thresholds(engine), last_comparisons(engine)
    tried_models = {each.model_id for each in every if each.id in tried}
    return {
        each.id or 0: TOO_FEW
        if each.model_id in tried_models
        else _why_never(engine, each.model_id)
        for each in every
        if each.id not in found
    }


def _why_never(engine: Engine, model_id: int) -> str:
    run, end = run_by_id(engine, model_by_id(engine, model_id).run_id)
    return WHY_NEVER[None if end is None else end.status].format(run=run.id)


def _compared(engine: Engine) -> dict[int, ComparisonFigures]:
    """By retrainings: both thresholds of each, the last word on each."""
    found = {}
    for each in comparisons(engine):
        figures = json.loads(each.figures)
        if "false_positives" not in figures:
            continue  # there were too few scans to compare
        for side, threshold_id in (
            ("current", each.current_threshold_id),
            ("candidate", each.candidate_threshold_id),
        ):
            abnormal = figures.get("abnormal")
            found[threshold_id] = ComparisonFigures(
                at=each.created_at,
                n_healthy=figures["n_healthy"],
                n_abnormal=figures["n_abnormal"],
                flagged=figures["false_positives"][side],
                auroc_implanted=figures["implanted"][side],
                auroc_abnormal=abnormal and abnormal[side],
            )
    return found


def _trained(engine: Engine, threshold: Threshold) -> ComparisonFigures | None:
    """By the training that made both the model and this threshold, if it compared."""
    model = model_by_id(engine, threshold.model_id)
    if model.run_id != threshold.run_id:
        return None
    _, end = run_by_id(engine, model.run_id)
    counts: Mapping[str, Any] = {} if end is None else json.loads(end.counts)
    if "compared_n_healthy" not in counts or end is None:
        return None
    return ComparisonFigures(
        at=end.ended_at,
        n_healthy=counts["compared_n_healthy"],
        n_abnormal=counts["compared_n_abnormal"],
        flagged=counts["compared_flagged"],
        auroc_implanted=counts.get("compared_auroc_implanted"),
        auroc_abnormal=counts.get("compared_auroc_abnormal"),
    )

"""What came of a threshold's promise: of scans that people called healthy, how many it flags."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from db.entities import Threshold
from db.repository.intake.labels import healthy_pool
from db.repository.intake.scans import scans_by_id
from db.repository.reports.reviews import standing_reviews
from db.repository.scoring.scores import stored_scores
from db.repository.training.models import dataset_roles, lineage, model_by_id
from mriad_model.detection.decisions.thresholds import promised_rate
from mriad_model.detection.decisions.verdicts import is_not_scorable
from mriad_model.enums import LabelSource, ReviewVerdict
from mriad_model.reports.run_report import HealthyFlagged
from mriad_model.shares import with_interval


@dataclass(frozen=True, slots=True)
class _Called:
    """Scans that people called healthy, by who did."""

    by_import: list[int]
    by_reviewer: list[int]  # who see what was flagged, so of these more are


def healthy_flagged(engine: Engine, threshold: Threshold) -> HealthyFlagged:
    """How many scans that people called healthy lie above a threshold.

    Without those that its model learned from or that calibrate it. In the share a patient counts
    once, however many scans there are.
    """
    called = _called_healthy(engine, threshold)
    imported = _flagged(engine, threshold, called.by_import)
    reviewed = _flagged(engine, threshold, called.by_reviewer)
    return HealthyFlagged(
        n=len(imported),
        flagged=sum(value > threshold.value for value, _ in imported),
        share=_share(threshold, imported),
        n_reviewed=len(reviewed),
        flagged_reviewed=sum(value > threshold.value for value, _ in reviewed),
    )


def _called_healthy(engine: Engine, threshold: Threshold) -> _Called:
    rows = [model_by_id(engine, threshold.model_id), *lineage(engine, threshold.model_id)]
    datasets = {threshold.dataset_id, *(row.dataset_id for row in rows)}
    known = {i for each in datasets for i in dataset_roles(engine, each)}
    pool = [each for each in healthy_pool(engine) if each.id not in known]
    reviewed = {each.id for each in pool if each.label.source is LabelSource.REVIEWER}
    imported = {each.id for each in pool} - reviewed
    normal = {
        each.scan_id for each in standing_reviews(engine) if each.verdict is ReviewVerdict.NORMAL
    } - known
    return _Called(sorted(imported), sorted((reviewed | normal) - imported))


def _flagged(
    engine: Engine, threshold: Threshold, scan_ids: Sequence[int]
) -> list[tuple[float, str | int]]:
    """The scores of scans that are scorable, and whose they are."""
    scores = {
        i: each
        for i, each in stored_scores(engine, threshold.model_id, scan_ids).items()
        if not is_not_scorable(each.gate)
    }
    scans = scans_by_id(engine, scores)
    return [(each.value, scans[i].patient or i) for i, each in sorted(scores.items())]


def _share(threshold: Threshold, scores: Sequence[tuple[float, str | int]]) -> str | None:
    if not scores:
        return None
    numbers: dict[str | int, int] = {}
    groups = [numbers.setdefault(patient, len(numbers)) for _, patient in scores]
    values = [value for value, _ in scores]
    return with_interval(*promised_rate(values, threshold.value, groups, conformal=False))

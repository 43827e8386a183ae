"""The calibration scores that a threshold is drawn through, and how much each counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from db.repository.scoring.findings import finding_limit
from db.repository.scoring.scores import StoredScore, calibration_scores
from db.repository.training.models import dataset_groups, model_by_id
from mriad_model.detection.findings import FindingLimits
from mriad_model.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scores of healthy scans that a model did not learn from, by scan id."""

    scores: tuple[StoredScore, ...]
    groups: tuple[int, ...] | None  # of near-duplicates and patients; None: each scan counts

    @property
    def values(self) -> list[float]:
        """The scores themselves."""
        return [each.value for each in self.scores]


def calibration_of(engine: Engine, model_id: int, dataset_id: int) -> Calibration:
    """A model's scores of a dataset's calibration scans, counted as its recipe says."""
    scores = calibration_scores(engine, model_id, dataset_id)
    return counted(engine, model_id, scores, dataset_groups(engine, dataset_id))


def finding_limits_of(engine: Engine, model_id: int) -> FindingLimits | None:
    """A model's limits of findings; None for an older model, made before there were any."""
    drawn = finding_limit(engine, model_id)
    return None if drawn is None else FindingLimits(drawn.peak, drawn.edge, drawn.least)


def counted(
    engine: Engine, model_id: int, scores: Sequence[StoredScore], groups: dict[int, int]
) -> Calibration:
    """Scores of calibration scans in these groups, counted as the model's recipe says."""
    recipe = Recipe.from_json(model_by_id(engine, model_id).recipe)
    of_scores = tuple(groups[each.scan_id] for each in scores)
    return Calibration(tuple(scores), of_scores if recipe.calibrate_by_group else None)

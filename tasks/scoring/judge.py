"""Decisions from stored figures: a threshold, its calibration scores, what the recipe says."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from sqlalchemy import Engine

from db.entities import Scan, Threshold
from db.repository.training.models import model_by_id
from mriad_model.detection.decisions.thresholds import ThresholdFit, p_value
from mriad_model.detection.decisions.verdicts import (
    Evidence,
    Judgement,
    ThresholdBand,
    judge,
    threshold_band,
)
from mriad_model.enums import DecisionReason
from mriad_model.recipes.recipe import Recipe
from tasks.scoring.calibration_scores import Calibration, calibration_of


@dataclass(frozen=True)
class Judge:
    """A threshold with all that its decisions are based on."""

    recipe: Recipe
    threshold: Threshold | ThresholdFit
    healthy: Calibration

    @classmethod
    def of(cls, engine: Engine, threshold: Threshold) -> Self:
        """The judge of a recorded threshold."""
        recipe = Recipe.from_json(model_by_id(engine, threshold.model_id).recipe)
        healthy = calibration_of(engine, threshold.model_id, threshold.dataset_id)
        return cls(recipe, threshold, healthy)

    @cached_property
    def band(self) -> ThresholdBand:
        """The threshold and its sampling interval."""
        drawn, healthy = self.threshold, self.healthy
        return threshold_band(
            drawn.value,
            drawn.policy,
            drawn.k,
            healthy.values,
            healthy.groups,
            self.recipe.uncertain,
        )

    def verdicts(self, found: Sequence[Evidence]) -> list[Judgement]:
        """The verdict on each of these scans."""
        # What could be registered is a head, of another scanner or protocol.
        unlike = (
            DecisionReason.NEEDS_LOCAL_HEALTHY
            if self.recipe.in_frame
            else DecisionReason.UNLIKE_LEARNED
        )
        return [judge(each, self.band, self.recipe.uncertain, unlike) for each in found]

    def p_values(self, found: Sequence[Evidence]) -> list[float]:
        """How unusual each score is among the calibration scores."""
        scores = np.array([each.score for each in found])
        chances: list[float] = p_value(scores, self.healthy.values, self.healthy.groups).tolist()
        return chances

    def contrast_known(self, scan: Scan) -> bool:
        """Whether the scan's contrast is known, where the model is for scans of one."""
        return self.recipe.scans.contrast is None or scan.contrast is not None

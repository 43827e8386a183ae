"""A judge's word on what is beyond the gate's limit."""

import numpy as np
import pytest

from db.repository.scoring.scores import StoredScore
from mriad_model.detection.decisions.thresholds import ThresholdFit
from mriad_model.detection.decisions.verdicts import Evidence
from mriad_model.enums import DecisionReason, Policy, Verdict
from mriad_model.recipes.built_in_recipes import DEFAULT, VOLUME
from mriad_model.recipes.recipe import Recipe
from tasks.scoring.calibration_scores import Calibration
from tasks.scoring.judge import Judge


@pytest.mark.parametrize(
    ("recipe", "why"),
    [(VOLUME, DecisionReason.NEEDS_LOCAL_HEALTHY), (DEFAULT, DecisionReason.UNLIKE_LEARNED)],
)
def test_a_head_that_was_registered_needs_local_healthy_scans_a_picture_is_unlike_learned(
    recipe: Recipe, why: DecisionReason
) -> None:
    scores = np.linspace(0, 1, 40).tolist()
    healthy = Calibration(tuple(StoredScore(i, i, each) for i, each in enumerate(scores)), None)
    judge = Judge(recipe, ThresholdFit(Policy.SIGMAS, 0.5, 0.3, 40, 1.0, 0.8), healthy)
    beyond, unknown, near = judge.verdicts(
        [Evidence(0.1, 1.2), Evidence(0.1, 1.2, contrast_known=False), Evidence(0.1, 0.95)]
    )
    assert (beyond.verdict, beyond.reason) == (Verdict.NOT_SCORABLE, why)
    assert unknown.reason is DecisionReason.CONTRAST_UNKNOWN
    assert (near.verdict, near.reason) == (Verdict.UNCERTAIN, DecisionReason.NEAR_GATE)

"""The held-out protocol cross-fits inside its training part, and nothing else sees a scan twice."""

from dataclasses import replace

import numpy as np
import pytest

from mriad_model.detection.detectors import DETECTORS
from mriad_model.enums import LabelValue
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.protocol import EvaluationPlan, select, split
from mriad_model.recipes.built_in_recipes import SEED
from mriad_model.recipes.recipe import CrossFitting, DetectorRecipe
from tests.support.evaluations import HELDOUT, MEMORY, DrawnImage, gather
from tests.support.memory import KIND, SEEN, Memory

RECIPE = replace(SEED, detectors=(DetectorRecipe(KIND),), cross_fitting=CrossFitting(folds=3))
N_HEALTHY, N_ABNORMAL = 20, 6


def image(group: int, label: LabelValue) -> DrawnImage:
    """A picture whose first pixel names its group."""
    pixels = np.random.default_rng(group).integers(60, 240, (128, 128)).astype(np.uint8)
    pixels[0, 0] = 10 + 3 * group
    word = "no" if label is LabelValue.HEALTHY else "yes"
    return DrawnImage(f"{word}/{group:03}.png", label, group, 300, pixels)


@pytest.fixture(scope="module")
def data():
    images = [image(group, LabelValue.HEALTHY) for group in range(N_HEALTHY)]
    images += [image(N_HEALTHY + n, LabelValue.ABNORMAL) for n in range(N_ABNORMAL)]
    return gather(images, RECIPE)


def test_all_that_is_not_tested_trains_and_calibrates_out_of_fold(data, monkeypatch) -> None:
    monkeypatch.setitem(DETECTORS, KIND, Memory)
    plan = EvaluationPlan(HELDOUT)
    for at in plan.folds:
        result = run_fold(data, plan, at, RECIPE, "cpu")
        assert (result.n_train, result.n_validation, result.n_calibration) == (16, 0, 16)
        scores = result.rows[0].scores
        assert len(scores.healthy_scores) == 4
        # A score of a group that any member saw would be SEEN or more, a third of it in the mean.
        assert scores.threshold_value < SEEN / 3
        assert max(*scores.healthy_scores, *scores.abnormal_scores) < SEEN / 3
    assert {len(each) for each in (result.rows[0].scores.abnormal_scores,)} == {N_ABNORMAL}


def test_above_the_mark_and_by_the_seed_protocol_roles_are_split_as_ever(data) -> None:
    plan = EvaluationPlan(HELDOUT)
    chosen = select(data, HELDOUT)
    plain = split(data, chosen, plan, (0, 0))
    assert split(data, chosen, plan, (0, 0), CrossFitting(below=16)) == plain
    crossed = split(data, chosen, plan, (0, 0), CrossFitting(below=17))
    assert crossed.test == plain.test
    assert set(crossed.folds) == set(crossed.train) == set(crossed.calibration)
    assert set(crossed.train) == {*plain.train, *plain.validation, *plain.calibration}
    memory = EvaluationPlan(MEMORY)
    all_of_them = split(data, select(data, MEMORY), memory, (0, 0), CrossFitting())
    assert all_of_them.folds == {}

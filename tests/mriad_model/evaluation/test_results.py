"""The result of a fold as JSON."""

import pytest

from mriad_model.errors import (
    SettingsError,
)
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
)
from mriad_model.evaluation.results import FoldResult
from mriad_model.recipes.built_in_recipes import SEED
from tests.support.evaluations import HELDOUT, FakeFit, data_of


def test_a_fold_survives_its_journey_through_json_to_the_last_bit() -> None:
    result = run_fold(
        data_of(),
        EvaluationPlan(HELDOUT),
        (0, 1),
        SEED,
        "cpu",
        fit=FakeFit(),
        paint=lambda image, anomaly, model, caption: b"\x89PNG" + caption.encode(),
    )
    assert result.pictures
    assert FoldResult.from_json(result.to_json()) == result


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"protocol": "heldout"}'])
def test_what_is_no_fold_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="no result of a fold"):
        FoldResult.from_json(text)

"""A new model's figures beside the active one's, and why there are none."""

from mriad_model.errors import ThresholdUndefined
from tasks.promotion.candidate_figures import not_compared


def test_a_first_model_is_not_said_to_be_compared_with_an_active_one() -> None:
    error = ThresholdUndefined("1 calibration score(s): at least 2 healthy scans are needed")
    assert not_compared(False, "", error) == "no model was active to compare with"
    other = "not compared with the active model 1, which learned from these"
    assert not_compared(False, f"; {other}", error) == other
    assert not_compared(True, "", error) == (
        "not compared with the active model: each scan is judged by the others alone: "
        "1 calibration score(s): at least 2 healthy scans are needed"
    )

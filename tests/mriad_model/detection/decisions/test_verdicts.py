"""Verdict and reason from score, gate, spread and the threshold's interval."""

import math

import pytest

from mriad_model.detection.decisions.verdicts import Evidence, Judgement, ThresholdBand, judge
from mriad_model.enums import DecisionReason, Verdict
from mriad_model.recipes.decision_recipes import UncertainRecipe

HOW = UncertainRecipe(confidence=0.5, gate_edge=0.9, spreads=1.0)
THRESHOLD = ThresholdBand(10.0, (9.0, 11.0))


def why(**found: object) -> tuple[str, str]:
    result = judge(Evidence(**found), THRESHOLD, HOW)  # type: ignore[arg-type]
    return result.verdict.value, result.reason.value


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (9.0, ("normal", "not_above_threshold")),
        (9.5, ("uncertain", "near_threshold")),
        (11.0, ("uncertain", "near_threshold")),
        (11.1, ("suspicious", "above_threshold")),
    ],
)
def test_a_score_within_the_threshold_s_interval_is_uncertain(
    score: float, expected: tuple[str, str]
) -> None:
    assert why(score=score) == expected


@pytest.mark.parametrize("score", [0.0, 10.0, 1e9, math.inf])
@pytest.mark.parametrize("gate", [1.0001, math.inf, math.nan])
def test_above_the_gate_s_limit_no_score_makes_a_scan_normal_or_suspicious(
    score: float, gate: float
) -> None:
    assert why(score=score, gate=gate) == ("not_scorable", "unlike_learned")
    expected = ("not_scorable", "contrast_unknown")
    assert why(score=score, gate=gate, contrast_known=False) == expected


def test_an_unknown_contrast_alone_is_no_reason() -> None:
    assert why(score=1.0, gate=0.5, contrast_known=False) == ("normal", "not_above_threshold")


def test_near_the_gate_s_limit_nothing_is_normal_and_a_clear_lesion_stays_suspicious() -> None:
    assert why(score=1.0, gate=0.9) == ("normal", "not_above_threshold")
    assert why(score=1.0, gate=1.0) == ("uncertain", "near_gate")
    assert why(score=30.0, gate=1.0) == ("suspicious", "above_threshold")


def test_folds_that_lie_on_both_sides_make_a_scan_uncertain() -> None:
    assert why(score=14.0, spread=5.0) == ("uncertain", "folds_disagree")
    assert why(score=6.0, spread=5.0) == ("uncertain", "folds_disagree")
    assert why(score=16.0, spread=5.0) == ("suspicious", "above_threshold")


def test_a_recipe_of_before_knows_two_verdicts() -> None:
    plain = [judge(Evidence(score), ThresholdBand(10.0)) for score in (10.0, 10.1, math.nan)]
    assert plain == [
        Judgement(Verdict.NORMAL, DecisionReason.NOT_ABOVE_THRESHOLD),
        Judgement(Verdict.SUSPICIOUS, DecisionReason.ABOVE_THRESHOLD),
        Judgement(Verdict.SUSPICIOUS, DecisionReason.ABOVE_THRESHOLD),
    ]

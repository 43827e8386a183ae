import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mriad_model.detection.decisions.thresholds import fit_threshold
from mriad_model.enums import Policy
from mriad_model.errors import ThresholdUndefined
from mriad_model.promotion.comparison import (
    ModelScores,
    PromotionCriteria,
    compare,
    one_of_each,
    points,
    points_text,
    rate_upper_limit,
    verdicts_left_out,
)

TERMS = PromotionCriteria()


def side(
    rng: np.random.Generator, n: int, common: np.ndarray, skill: float, m: int = 0, shift: float = 0
) -> ModelScores:
    """A model that sees lesions by `skill` sd; scans are as hard for it as for others."""
    healthy = common[:n] + 0.5 * rng.normal(size=n)
    implanted = healthy[:, None] + rng.normal(skill, 1, (n, 3))
    limit = np.quantile(common, 0.84) - shift
    return ModelScores(
        healthy,
        implanted,
        rng.normal(skill, 1, m),
        flagged=healthy > limit,
        caught=implanted > limit,
    )


def outcome(seed: int, n: int, skill: float, m: int = 0, shift: float = 0):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=n)
    return compare(side(rng, n, common, 1.0, m), side(rng, n, common, skill, m, shift), TERMS)


def test_a_better_model_is_promoted_and_a_worse_one_not() -> None:
    better, worse = outcome(0, 80, 2.0, m=40), outcome(0, 80, 0.2, m=40)
    assert better.promoted
    assert better.figures["implanted"]["difference"] > 0
    assert "promoted: AUROC on implanted lesions" in better.reason
    assert not worse.promoted
    assert not worse.too_few
    assert "may be worse on implanted lesions" in worse.reason
    assert "abnormal scans" in worse.reason


def test_a_model_that_ranks_as_well_and_finds_fewer_by_its_threshold_is_not_promoted() -> None:
    found = outcome(2, 80, 1.0, shift=-1.0)
    assert found.figures["implanted"]["at_least"] > -TERMS.auroc_margin
    assert found.figures["false_positives"]["at_most"] < TERMS.rate_margin
    assert found.figures["caught"]["at_most"] < 0
    assert not found.promoted
    assert "not promoted: it finds significantly fewer implanted lesions" in found.reason
    assert "of the implanted lesions found against" in found.reason


def test_a_model_that_flags_more_healthy_scans_is_not_promoted_however_well_it_finds() -> None:
    found = outcome(1, 80, 2.0, shift=1.0)
    assert not found.promoted
    assert "may flag more healthy scans" in found.reason


def test_a_truly_worse_model_is_seldom_promoted() -> None:
    """The true AUROC is .05 lower: at 90 % confidence one in ten may pass."""
    rng = np.random.default_rng(5)
    passed, n, runs = 0, 60, 200
    for _ in range(runs):
        healthy = rng.normal(size=n)
        noise = rng.normal(size=(n, 1))
        old, new = (noise + rng.normal(skill, 1, (n, 1)) for skill in (1.45, 1.16))
        nobody = np.zeros(n, bool)
        sides = (ModelScores(healthy, x, np.empty(0), nobody, x > 9) for x in (old, new))
        passed += compare(*sides, TERMS).promoted
    assert passed / runs < 0.16  # 0.1 and three standard errors


def test_too_few_scans_are_said_to_be_too_few() -> None:
    assert TERMS.needed_scans == 15
    found = outcome(2, 14, 2.0)
    assert (found.promoted, found.too_few) == (False, True)
    assert "14 healthy scans that neither model learned from are too few" in found.reason


@pytest.mark.parametrize("counts", [(0, 0, 20), (3, 1, 40), (0, 4, 25), (7, 7, 60), (5, 0, 30)])
def test_the_rates_limit_solves_tangos_score_equation(counts: tuple[int, int, int]) -> None:
    """Against the likelihood itself, maximised by brute force."""
    b, c, n = counts
    z = 1.2816
    limit = rate_upper_limit((b, c), n, z)

    def unlikely(share: float) -> float:
        rest = 1 - 2 * share - limit
        if min(share, share + limit, rest) <= 0:
            return np.inf
        return -(b * np.log(share + limit) + c * np.log(share) + (n - b - c) * np.log(rest))

    found = minimize_scalar(
        unlikely,
        bounds=(max(0, -limit) + 1e-9, (1 - limit) / 2 - 1e-9),
        method="bounded",
        options={"xatol": 1e-12},
    )
    share = float(found.x)
    score = (b - c - n * limit) / np.sqrt(n * (2 * share + limit * (1 - limit)))
    assert score == pytest.approx(-z, abs=2e-3)


def test_the_rates_limit_is_above_the_truth_as_often_as_stated() -> None:
    rng = np.random.default_rng(0)
    n, runs, truth = 40, 3000, 0.10
    draws = rng.multinomial(n, [0.15, 0.05, 0.8], runs)
    above = [rate_upper_limit((b, c), n, TERMS.z) >= truth for b, c, _ in draws.tolist()]
    assert 0.87 < np.mean(above) < 0.94


def test_a_scan_is_not_judged_by_a_threshold_that_it_drew_itself() -> None:
    calibration = {1: 1.0, 2: 1.2, 3: 0.9, 4: 5.0, 5: 5.1}
    groups = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6}
    said = verdicts_left_out({5: 5.1, 6: 1.5}, calibration, groups, Policy.SIGMAS, 1.0)
    whole = fit_threshold(list(calibration.values()), Policy.SIGMAS, 1.0).value
    assert said == {5: True, 6: whole < 1.5}
    with_them = verdicts_left_out({5: 5.1}, calibration, groups | {5: 5}, Policy.SIGMAS, 5.0)
    assert with_them == {5: False}
    with pytest.raises(ThresholdUndefined):
        verdicts_left_out({1: 1.0}, {1: 1.0, 2: 2.0}, groups, Policy.SIGMAS, 1.0)


def test_a_group_counts_once_in_the_threshold_that_judges_the_others() -> None:
    calibration = {1: 1.0, 2: 1.2, 3: 5.0, 4: 5.0, 5: 5.0}
    groups = {1: 1, 2: 2, 3: 3, 4: 3, 5: 3, 6: 6}
    policy, scores = Policy.SIGMAS, {6: 5.0}
    assert verdicts_left_out(scores, calibration, groups, policy, 1.0) == {6: False}
    by_group = verdicts_left_out(scores, calibration, groups, policy, 1.0, counted=groups)
    one_each = fit_threshold([1.0, 1.2, 5.0], policy, 1.0).value
    assert by_group == {6: one_each < 5.0}
    assert by_group != {6: False}


def test_a_threshold_is_that_of_the_groups_it_was_drawn_with_whatever_joined_them_since() -> None:
    calibration = {1: 1.0, 2: 1.2, 3: 5.0}
    own, since = {1: 1, 2: 2, 3: 3}, {1: 1, 2: 1, 3: 3, 6: 6}
    value = fit_threshold([1.0, 1.2, 5.0], Policy.SIGMAS, 1.0, [1, 2, 3]).value
    joined = fit_threshold([1.0, 1.2, 5.0], Policy.SIGMAS, 1.0, [1, 1, 3]).value
    between = (value + joined) / 2
    assert value < between < joined
    found = verdicts_left_out({6: between}, calibration, since, Policy.SIGMAS, 1.0, counted=own)
    assert found == {6: True}


def test_one_scan_stands_for_a_group() -> None:
    assert one_of_each([0, 0, 1, 2], ["b", "a", "c", "d"], 10) == [1, 2, 3]
    assert one_of_each([0, 0, 1, 2], ["b", "a", "c", "d"], 2) == [1, 2]


def test_the_points_of_a_model_are_those_of_a_comparison() -> None:
    rng = np.random.default_rng(4)
    common = rng.normal(size=40)
    one, two = (side(rng, 40, common, skill, m=20) for skill in (1.0, 1.5))
    figures = compare(one, two, TERMS).figures
    for model, name in ((one, "current"), (two, "candidate")):
        found = points(model)
        assert found["auroc_implanted"] == pytest.approx(figures["implanted"][name])
        assert found["auroc_abnormal"] == pytest.approx(figures["abnormal"][name])
        assert found["flagged"] == figures["false_positives"][name]
    told = points_text(points(two), points(one))
    assert f"(active: {figures['implanted']['current']:.3f})" in told
    assert "too few" not in told


def test_the_points_of_a_scan_or_none_have_no_auroc() -> None:
    nothing = np.empty(0)
    for n in (0, 1):
        few = ModelScores(
            np.zeros(n), np.zeros((n, 3)), nothing, np.zeros(n, bool), np.zeros((n, 3)) > 1
        )
        assert points(few)["auroc_implanted"] is None
        assert points(few)["auroc_abnormal"] is None
        assert f"0 of {n} healthy scans flagged" in points_text(points(few), None)

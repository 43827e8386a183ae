"""Thresholds, p-values and what they promise."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control

from mriad_model.detection.decisions.thresholds import (
    Flips,
    ThresholdFit,
    calibration_needed,
    conformal_quantile,
    fit_threshold,
    flips,
    groups_needed,
    mean_and_sd,
    p_value,
    promised_rate,
    sampling_interval,
    standing_out,
    verdict,
)
from mriad_model.enums import Policy, Verdict
from mriad_model.errors import SettingsError, ThresholdUndefined

SCORES = st.lists(
    st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False), min_size=2, max_size=60
).filter(lambda scores: len(set(scores)) > 1)


def test_sigmas_are_the_mean_plus_k_population_standard_deviations() -> None:
    scores = np.random.default_rng(3).normal(5.0, 2.0, 91)
    fit = fit_threshold(scores, Policy.SIGMAS, 1.0)
    assert fit.value == pytest.approx(np.mean(scores) + np.std(scores), rel=1e-12)
    assert (fit.n, fit.k, fit.policy) == (91, 1.0, Policy.SIGMAS)


@given(scores=SCORES, seed=st.integers(0, 1000))
def test_the_order_of_stored_scores_never_changes_a_bit(scores: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(scores)
    assert fit_threshold(scores) == fit_threshold(shuffled)


@given(
    scores=SCORES,
    new=st.lists(st.floats(-1e6, 1e6), max_size=20),
    q=st.sampled_from([0.5, 0.7, 0.9, 0.07]),
)
def test_a_score_is_above_the_quantile_exactly_when_its_p_value_is_small(
    scores: list[float], new: list[float], q: float
) -> None:
    try:
        value = fit_threshold(scores, Policy.QUANTILE, q).value
    except ThresholdUndefined:
        assert len(scores) < q / (1 - q) + 1e-9
        return
    n = len(scores)
    for score in [*new, *scores]:
        count = round(p_value(score, scores) * (n + 1))  # 1 + #{calibration >= score}
        small = count * 100 <= round((1 - q) * 100) * (n + 1)  # in whole numbers
        assert (verdict(score, value) is Verdict.SUSPICIOUS) == small


def test_a_quantile_that_few_scores_cannot_hold_says_how_many_are_needed() -> None:
    with pytest.raises(ThresholdUndefined, match="at least 19 healthy scans"):
        conformal_quantile([1.0, 2.0, 3.0], 0.95)
    assert conformal_quantile(range(19), 0.95) == 18.0


@pytest.mark.parametrize("scores", [[], [1.0]])
def test_fewer_than_two_scores_give_no_threshold(scores: list[float]) -> None:
    with pytest.raises(ThresholdUndefined, match="at least 2 healthy scans"):
        fit_threshold(scores)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_give_no_threshold(broken: float) -> None:
    with pytest.raises(ThresholdUndefined, match="1 of 3 calibration scores are not finite"):
        fit_threshold([1.0, broken, 2.0])


@pytest.mark.parametrize("policy", list(Policy))
def test_scores_without_spread_give_no_threshold(policy: Policy) -> None:
    with pytest.raises(ThresholdUndefined, match="all 30 calibration scores"):
        fit_threshold([0.1] * 30, policy, 0.5)


@pytest.mark.parametrize(
    ("policy", "k"), [(Policy.SIGMAS, math.nan), (Policy.QUANTILE, 0.0), (Policy.QUANTILE, 1.0)]
)
def test_a_k_that_the_policy_cannot_use_is_a_settings_error(policy: Policy, k: float) -> None:
    with pytest.raises(SettingsError):
        fit_threshold([1.0, 2.0], policy, k)


def test_p_values_count_the_scores_at_or_above_and_the_scan_itself() -> None:
    calibration = [1.0, 2.0, 2.0, 3.0]
    assert p_value(2.0, calibration) == 4 / 5
    assert p_value([0.0, 2.5, 9.0], calibration).tolist() == [1.0, 2 / 5, 1 / 5]
    assert p_value(np.zeros(0), calibration).shape == (0,)


def test_p_values_of_exchangeable_scores_are_valid() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4000, 20))
    p = np.array([p_value(row[0], row[1:]) for row in draws])
    for alpha in (0.05, 0.2, 0.5):
        assert np.mean(p <= alpha) == pytest.approx(alpha, abs=0.03)


def test_one_scan_among_many_stands_out_only_with_enough_calibration() -> None:
    needed = calibration_needed(100, 0.1)
    assert needed == 999
    for n, stands_out in ((needed, True), (needed - 1, False)):
        p = np.array([1 / (n + 1)] + [1.0] * 99)
        assert (false_discovery_control(p)[0] <= 0.1) == stands_out


def test_a_score_at_the_threshold_is_normal_and_one_that_is_no_number_is_not() -> None:
    assert verdict(1.0, 1.0) is Verdict.NORMAL
    assert verdict(math.nextafter(1.0, 2.0), 1.0) is Verdict.SUSPICIOUS
    assert verdict(math.nan, 1.0) is Verdict.SUSPICIOUS
    assert p_value(math.nan, [1.0, 2.0]) == 1 / 3


def test_flips_count_each_way() -> None:
    n, s = Verdict.NORMAL, Verdict.SUSPICIOUS
    assert flips([n, n, s, s, n], [s, n, n, s, s]) == Flips(to_suspicious=2, to_normal=1)


def test_verdicts_of_different_scans_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        flips([Verdict.NORMAL, Verdict.NORMAL], [Verdict.NORMAL])


def test_a_fit_is_made_of_plain_numbers_that_json_can_hold() -> None:
    fit = fit_threshold(np.array([1, 2, 4], dtype=np.float32))
    assert type(fit.value) is float
    rate = (fit.rate, fit.rate_low, fit.rate_high)
    assert {type(each) for each in rate} == {float}
    assert fit == ThresholdFit(Policy.SIGMAS, fit.mean, fit.sd, 3, 1.0, fit.mean + fit.sd, 3, *rate)


def test_importing_thresholds_loads_neither_torch_nor_scipy() -> None:
    code = (
        "import sys, mriad_model.detection.decisions.thresholds; "
        "print({'torch', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


TWINS = [1.0, 3.0, 3.0, 3.0, 8.0]
GROUPS = [7, 2, 2, 2, 5]


def test_a_group_counts_once_however_many_scans_it_has():
    alone = [1.0, 3.0, 8.0]
    assert mean_and_sd(TWINS, GROUPS) == pytest.approx(mean_and_sd(alone))
    for policy, k in ((Policy.SIGMAS, 1.0), (Policy.QUANTILE, 0.5)):
        many, few = fit_threshold(TWINS, policy, k, GROUPS), fit_threshold(alone, policy, k)
        assert many.value == pytest.approx(few.value)
        assert many.n == 5
    for score in (0.0, 1.0, 2.0, 3.0, 5.0, 9.0):
        assert p_value(score, TWINS, GROUPS) == pytest.approx(p_value(score, alone))


def test_groups_of_one_scan_each_change_no_bit():
    scores = np.random.default_rng(0).normal(size=37)
    groups = list(range(37))
    for policy, k in ((Policy.SIGMAS, 1.3), (Policy.QUANTILE, 0.9)):
        assert fit_threshold(scores, policy, k, groups) == fit_threshold(scores, policy, k)
    given = np.random.default_rng(1).normal(size=50)
    np.testing.assert_array_equal(p_value(given, scores, groups), p_value(given, scores))


def test_a_score_lies_above_a_grouped_quantile_exactly_where_its_p_value_is_small():
    rng = np.random.default_rng(3)
    scores, groups = rng.normal(size=60).round(1), rng.integers(0, 25, 60).tolist()
    value = conformal_quantile(scores, 0.9, groups)
    for score in np.unique(scores):
        assert (score > value) == (p_value(float(score), scores, groups) <= 0.1 + 1e-12)


def test_too_few_groups_cannot_hold_a_quantile():
    with pytest.raises(ThresholdUndefined, match="30 calibration scores of 3 groups"):
        conformal_quantile(np.arange(30), 0.9, [0, 1, 2] * 10)


def test_of_many_scans_of_few_patients_it_is_patients_that_are_asked_for():
    with pytest.raises(ThresholdUndefined, match="at least 19 such groups of healthy scans"):
        conformal_quantile(range(200), 0.95, [i % 5 for i in range(200)])


def test_a_rate_is_the_quantile_that_leaves_so_much_above():
    scores = np.random.default_rng(4).normal(size=60)
    for rate, quantile in ((0.05, 0.95), (0.07, 0.93), (0.3, 0.7)):
        of_rate = fit_threshold(scores, Policy.RATE, rate)
        assert of_rate.value == fit_threshold(scores, Policy.QUANTILE, quantile).value
        assert (of_rate.policy, of_rate.k) == (Policy.RATE, rate)
        assert of_rate.rate is not None
        assert of_rate.rate <= rate


@pytest.mark.parametrize("k", [0.0, 1.0, math.nan])
def test_a_rate_that_is_no_share_is_a_settings_error(k: float) -> None:
    with pytest.raises(SettingsError, match="between 0 and 1"):
        fit_threshold(range(30), Policy.RATE, k)


def test_too_few_groups_to_keep_a_rate_say_how_many_can():
    assert (groups_needed(0.05), groups_needed(0.1), groups_needed(0.07)) == (19, 9, 14)
    with pytest.raises(ThresholdUndefined, match=r"0\.05 takes 19 healthy .* and there are 18"):
        fit_threshold(range(180), Policy.RATE, 0.05, [i % 18 for i in range(180)])
    kept = fit_threshold(range(190), Policy.RATE, 0.05, [i % 19 for i in range(190)])
    assert kept.n_groups == 19


@pytest.mark.parametrize("n", [39, 72])
def test_the_rate_of_a_conformal_threshold_falls_into_its_interval_as_often_as_said(n: int) -> None:
    rng = np.random.default_rng(5)
    rates, inside = [], []
    for _ in range(2000):
        fit = fit_threshold(rng.uniform(size=n), Policy.RATE, 0.1)
        truth = 1 - fit.value  # of uniform scores
        rates.append(truth)
        assert fit.rate is not None
        assert fit.rate_low is not None
        assert fit.rate_high is not None
        inside.append(fit.rate_low <= truth <= fit.rate_high)
    assert np.mean(rates) == pytest.approx(fit.rate, abs=0.004)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_the_rate_of_sigmas_is_the_share_above_with_an_exact_interval():
    scores = np.random.default_rng(6).normal(size=50)
    fit = fit_threshold(scores)
    above = int((scores > fit.value).sum())
    exact = binomtest(above, 50).proportion_ci(0.95, method="exact")
    assert fit.rate == pytest.approx(above / 50)
    assert (fit.rate_low, fit.rate_high) == pytest.approx((exact.low, exact.high))
    none, all_of_them = (promised_rate(scores, value, conformal=False) for value in (9.0, -9.0))
    assert none[:2] == (0.0, 0.0)
    assert all_of_them[0] == all_of_them[2] == 1.0


def test_scans_of_one_patient_count_once_in_the_rate_and_its_interval():
    scores = np.random.default_rng(7).normal(size=40)
    many, groups = np.repeat(scores, 5), [i for i in range(40) for _ in range(5)]
    for policy, k in ((Policy.RATE, 0.1), (Policy.SIGMAS, 1.0)):
        once, often = fit_threshold(scores, policy, k), fit_threshold(many, policy, k, groups)
        for name in ("n_groups", "rate", "rate_low", "rate_high"):
            assert getattr(once, name) == pytest.approx(getattr(often, name))
        assert (once.n, often.n) == (40, 200)


def test_what_stands_out_is_what_the_procedure_of_benjamini_and_hochberg_finds():
    rng = np.random.default_rng(8)
    for n_ill in (0, 3, 30):
        p = np.concatenate([rng.uniform(size=60), rng.uniform(0, 0.01, n_ill)])
        np.testing.assert_array_equal(standing_out(p), false_discovery_control(p) <= 0.1)
    assert standing_out([]).shape == (0,)


def test_of_the_scans_that_stand_out_no_more_are_healthy_than_said():
    rng = np.random.default_rng(9)
    shares = []
    for _ in range(300):
        calibration = rng.normal(size=400)
        scores = np.concatenate([rng.normal(size=30), rng.normal(4, 1, 10)])
        found = standing_out(p_value(scores, calibration))
        shares.append(found[:30].sum() / max(1, found.sum()))
    assert np.mean(shares) <= 0.1


@pytest.mark.parametrize(
    ("policy", "k"), [(Policy.SIGMAS, 1.0), (Policy.SIGMAS, 2.0), (Policy.QUANTILE, 0.84)]
)
def test_a_threshold_drawn_anew_lies_in_the_interval_as_often_as_it_says(
    policy: Policy, k: float
) -> None:
    """Scores of skewed groups of one to three; around the threshold of very many."""
    rng = np.random.default_rng(3)
    true = fit_threshold(rng.gamma(4, size=200_000), policy, k).value
    inside = 0
    for _ in range(400):
        sizes = rng.integers(1, 4, 60)
        groups = np.repeat(np.arange(60), sizes).tolist()
        scores = np.repeat(rng.gamma(4, size=60), sizes)  # twins score alike
        low, high = sampling_interval(scores, policy, k, 0.8, groups)
        inside += low <= true <= high
    assert 0.7 <= inside / 400 <= 0.9


def test_the_interval_does_not_depend_on_the_order_of_scores() -> None:
    rng = np.random.default_rng(0)
    scores, groups = rng.normal(size=40), rng.integers(0, 20, 40).tolist()
    order = rng.permutation(40)
    mixed = scores[order], [groups[i] for i in order]
    for policy, k in ((Policy.SIGMAS, 1.0), (Policy.QUANTILE, 0.9)):
        found = sampling_interval(scores, policy, k, 0.5, groups)
        assert sampling_interval(mixed[0], policy, k, 0.5, mixed[1]) == pytest.approx(found)
        value = fit_threshold(scores, policy, k, groups).value
        assert found[0] <= value <= found[1]


def test_a_score_above_all_calibration_scores_is_outside_the_interval_of_a_quantile() -> None:
    scores = np.arange(30.0)
    _, high = sampling_interval(scores, Policy.QUANTILE, 0.95, 0.99)
    assert high <= scores.max()


def test_one_group_tells_no_interval() -> None:
    found = sampling_interval([1.0, 2.0], Policy.SIGMAS, 1.0, 0.5, [7, 7])
    assert found == (-math.inf, math.inf)

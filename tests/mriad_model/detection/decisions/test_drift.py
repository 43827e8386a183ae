import numpy as np
import pytest
from scipy.stats import binomtest, cramervonmises_2samp

from mriad_model.detection.decisions.drift import PERMUTATIONS, binomial_tail, drift, holm
from mriad_model.errors import SettingsError


def share_found(alpha: float, runs: int, *, m: int = 60, n: int = 40, shift: float = 0.0) -> float:
    rng = np.random.default_rng(1)
    found = [
        drift(rng.gamma(4, size=m) + shift, rng.gamma(4, size=n), seed).p <= alpha
        for seed in range(runs)
    ]
    return float(np.mean(found))


@pytest.mark.timeout(60)
def test_what_has_not_drifted_is_called_drifted_as_often_as_stated() -> None:
    assert 0.02 < share_found(0.05, 300) < 0.085  # .05 and 2.7 standard errors


def test_a_shift_of_an_sd_is_found() -> None:
    assert share_found(0.001, 40, shift=2.0) > 0.8


def test_a_change_of_spread_alone_is_found() -> None:
    rng = np.random.default_rng(2)
    assert drift(rng.normal(0, 2.5, 200), rng.normal(0, 1, 100)).p < 0.001


def test_p_agrees_with_the_exact_one() -> None:
    rng = np.random.default_rng(3)
    new, old = rng.normal(0.9, 1, 7), rng.normal(0, 1, 6)
    exact = cramervonmises_2samp(new, old, method="exact").pvalue
    assert drift(new, old).p == pytest.approx(exact, abs=0.02)


def test_ties_are_no_drift_and_one_monstrous_score_neither() -> None:
    assert drift([1.0] * 50, [1.0] * 50).p == 1.0
    rng = np.random.default_rng(4)
    assert drift([*rng.normal(size=60), 1e9], rng.normal(size=60)).p > 0.01


def test_the_smallest_p_and_the_direction() -> None:
    found = drift(np.arange(100) + 1000, np.arange(100))
    assert found.p == 1 / (PERMUTATIONS + 1)
    assert found.higher
    assert not drift(np.arange(100), np.arange(100) + 1000).higher


def test_holm_is_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize("recent", [[], [np.nan, 1.0]])
def test_no_scores_and_scores_that_are_no_numbers_are_refused(recent: list[float]) -> None:
    with pytest.raises(SettingsError, match="finite scores"):
        drift(recent, [1.0, 2.0])


@pytest.mark.parametrize("of", [1, 5, 30, 200])
def test_the_tail_of_a_binomial_is_as_scipy_has_it(of: int) -> None:
    for n in range(of + 1):
        known = binomtest(n, of, 0.05, alternative="greater").pvalue
        assert binomial_tail(n, of, 0.05) == pytest.approx(known, rel=1e-12)

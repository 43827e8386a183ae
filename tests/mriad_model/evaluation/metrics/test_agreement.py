"""Cohen's kappa: against scikit-learn, its interval against resampling."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from mriad_model.evaluation.metrics.agreement import FEWEST, cohens_kappa


def answers(n: int, seed: int) -> tuple[list[bool], list[bool]]:
    """Two readers who often agree, the second of whom says yes less often."""
    rng = np.random.default_rng(seed)
    first = rng.random(n) < 0.4
    second = np.where(rng.random(n) < 0.8, first, rng.random(n) < 0.2)
    return first.tolist(), second.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed: int) -> None:
    first, second = answers(60, seed)
    found = cohens_kappa(first, second)
    assert found is not None
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    assert found.n == 60


def test_the_interval_is_as_wide_as_resampling_says() -> None:
    first, second = (np.array(each) for each in answers(400, 1))
    found = cohens_kappa(first.tolist(), second.tolist())
    assert found is not None
    rng = np.random.default_rng(2)
    drawn = [
        cohen_kappa_score(first[which], second[which])
        for which in (rng.integers(0, 400, 400) for _ in range(400))
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_where_kappa_says_nothing_there_is_none() -> None:
    assert cohens_kappa([True, False] * 9, [True, False] * 9) is None  # too few
    assert cohens_kappa([True] * FEWEST, [True] * FEWEST) is None  # never anything else


@pytest.mark.parametrize("answer", [True, False])
def test_readers_who_always_say_one_word_have_no_kappa_at_any_number(answer: bool) -> None:
    for n in range(FEWEST, 201):
        assert cohens_kappa([answer] * n, [answer] * n) is None, n


@pytest.mark.parametrize("n", range(FEWEST, 201, 30))
def test_one_reader_who_always_says_one_word_agrees_as_by_chance(n: int) -> None:
    found = cohens_kappa([True] * n, [True] * (n - 1) + [False])
    assert found is not None
    assert found.value == pytest.approx(0.0, abs=1e-12)


def test_always_the_same_and_never_the_same() -> None:
    first = [True, False] * FEWEST
    always, never = cohens_kappa(first, first), cohens_kappa(first, [not each for each in first])
    assert always is not None
    assert never is not None
    assert (always.value, always.low, always.high) == pytest.approx((1.0, 1.0, 1.0))
    assert never.value == pytest.approx(-1.0)

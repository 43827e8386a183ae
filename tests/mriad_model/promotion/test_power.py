"""Power: the share of implants found, its interval, and when a detector is silent."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mriad_model.promotion.power import (
    METRIC,
    PLANS,
    SIZES,
    ImplantScore,
    from_metrics,
    planned,
    power,
    power_of,
    share_found,
    to_metric,
)


def implants(scores: np.ndarray, millimetres: float = 30.0) -> list[ImplantScore]:
    """Of groups (m, k), in scans that score 0."""
    return [
        ImplantScore(group, "mass", millimetres, float(score), 0.0)
        for group, row in enumerate(scores)
        for score in row
    ]


def test_every_kind_and_size_is_implanted_equally_often() -> None:
    for n_scans in (5, 12, 36, 48):
        counts = Counter(plan for scan in range(n_scans) for plan in planned(scan, n_scans))
        assert counts.keys() == set(PLANS)
        assert max(counts.values()) - min(counts.values()) <= 1
        assert sum(counts.values()) == min(144, 12 * n_scans)


def test_another_threshold_finds_another_share_of_the_stored_scores() -> None:
    stored = [*implants(np.array([[1.0, 3.0], [2.0, 5.0]])), *implants(np.array([[9.0]]), 5.0)]
    metrics = json.dumps({"epochs": 3, METRIC: to_metric(stored)})
    assert from_metrics(metrics) == stored
    low, high = power_of(metrics, 1.5), power_of(metrics, 4.0)
    assert low is not None
    assert high is not None
    assert (low.found.share, high.found.share) == (pytest.approx(0.8), pytest.approx(0.4))
    assert {name: each.share for name, each in high.by_size.items()} == {"small": 1, "large": 0.25}
    assert "25 % over 24 mm" in high.text
    assert power_of('{"epochs": 3}', 1.0) is None  # of a model of before


def test_what_is_not_scorable_counts_as_not_found_and_is_told() -> None:
    found = implants(np.full((8, 2), 7.0))
    lost = [replace(each, score=None, why_not_scorable="unregistered") for each in found[:4]]
    told = power([*lost, *found[4:]], 1.0)
    assert told is not None
    assert told.found.share == told.moved == 0.75
    assert told.not_scorable == 0.25
    assert "25 % not scorable, counted as not found" in told.text
    stored = to_metric(lost)
    assert stored[0]["refused"] == "unregistered"  # the key in records of earlier versions
    assert from_metrics(json.dumps({METRIC: stored})) == lost


@pytest.mark.parametrize("alike", [False, True])
def test_the_interval_holds_the_truth_also_where_implants_of_a_scan_are_alike(alike: bool) -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        scores = rng.uniform(size=(30, 1 if alike else 4)) * np.ones((1, 4))
        found = share_found(implants(scores), 0.7)
        held.append(found.low <= 0.3 <= found.high)
    assert np.mean(held) > 0.92
    widths = share_found(implants(np.repeat([[1.0], [0.0]], 15, axis=0) * np.ones((1, 4))), 0.5)
    single = share_found(implants(np.array([[1.0], [0.0]] * 60)), 0.5)
    assert widths.high - widths.low > 1.7 * (single.high - single.low)


def test_none_found_of_few_groups_is_not_called_certain() -> None:
    none = share_found(implants(np.zeros((4, 30))), 0.5)
    assert none.low == none.share == 0
    assert none.high > 0.4


def test_a_detector_that_finds_few_large_lesions_is_silent() -> None:
    scores = np.full((10, 4), 2.0)
    seeing = power(implants(scores), 1.0)
    assert seeing is not None
    assert seeing.silence is None
    missing = power(implants(scores), 3.0)
    assert missing is not None
    assert "of 40 implanted lesions over 24 mm across it finds 0 %" in (missing.silence or "")
    few = power(implants(scores[:1]), 3.0)
    assert few is not None
    assert few.silence is None  # too few to say


def test_small_implants_that_leave_the_highest_value_where_it_is_are_no_silence() -> None:
    small = [replace(each, healthy=7.0) for each in implants(np.full((10, 4), 6.9), 9.0)]
    told = power([*small, *implants(np.full((10, 1), 9.0))], 8.0)
    assert told is not None
    assert told.silence is None
    assert power(small, 8.0).silence is None  # type: ignore[union-attr]


def test_a_detector_whose_scores_do_not_move_is_silent_whatever_it_flags() -> None:
    stuck = power([replace(each, healthy=7.0) for each in implants(np.full((10, 4), 7.0))], 1.0)
    assert stuck is not None
    assert stuck.found.share == stuck.by_size[SIZES[-1]].share == stuck.flagged == 1.0
    assert "raises its score in 0 % of 40 cases" in (stuck.silence or "")

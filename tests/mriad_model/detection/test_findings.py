import numpy as np
import pytest

from mriad_model.detection.findings import (
    EDGE,
    FindingLimits,
    counts_of,
    draw_limits,
    map_parts,
    peaks_tried,
    rises_above,
)

VOXEL_ML = 0.01
LIMITS = FindingLimits(peak=4.0, edge=2.0, least=0.15)


def empty() -> np.ndarray:
    return np.zeros((20, 40, 50), np.float32)


def test_an_empty_map_has_no_finding():
    assert map_parts(empty(), VOXEL_ML, LIMITS) == ()


def test_a_part_is_measured_and_placed():
    anomaly = empty()
    anomaly[5:9, 10:14, 20:24] = 3.0
    anomaly[6, 11, 22] = 6.0

    (found,) = map_parts(anomaly, VOXEL_ML, LIMITS)

    assert found.size == pytest.approx(64 * VOXEL_ML)
    assert found.peak == 6.0
    assert found.place == (6, 11, 22)
    np.testing.assert_array_equal(found.mask, anomaly > 0)


def test_what_never_rises_above_the_peak_is_left_out():
    anomaly = empty()
    anomaly[5:9, 10:14, 20:24] = 3.0
    assert map_parts(anomaly, VOXEL_ML, LIMITS) == ()


@pytest.mark.parametrize("peak", [3.9, 4.0, float(np.float32(4.1))])
def test_a_map_that_does_not_rise_above_the_peak_is_known_to_have_no_finding(peak):
    anomaly = empty()
    anomaly[0, 0, 0] = np.nan
    anomaly[5:9, 10:14, 20:24] = 4.1
    limits = FindingLimits(peak, 2.0, 0.15)
    assert rises_above(anomaly, peak) == bool(map_parts(anomaly, VOXEL_ML, limits))
    assert not rises_above(anomaly, 4.2)


def test_what_is_too_small_is_left_out():
    anomaly = empty()
    anomaly[5:7, 10:12, 20:23] = 9.0  # 0.12 ml
    assert map_parts(anomaly, VOXEL_ML, LIMITS) == ()
    assert len(map_parts(anomaly, VOXEL_ML, FindingLimits(4.0, 2.0, 0.1))) == 1


def test_parts_that_hang_together_by_their_edges_are_one():
    anomaly = empty()
    anomaly[5:9, 10:14, 10:30] = 2.5
    anomaly[6:8, 11:13, 11:13] = anomaly[6:8, 11:13, 27:29] = 5.0
    assert len(map_parts(anomaly, VOXEL_ML, LIMITS)) == 1
    assert len(map_parts(anomaly, VOXEL_ML, FindingLimits(4.0, 3.0, 0.05))) == 2


def test_the_highest_comes_first():
    anomaly = empty()
    anomaly[5:9, 10:14, 10:14] = 5.0
    anomaly[5:9, 10:14, 34:38] = 8.0
    assert [each.peak for each in map_parts(anomaly, VOXEL_ML, LIMITS)] == [8.0, 5.0]


def test_an_edge_above_the_peak_is_refused():
    with pytest.raises(ValueError, match="above"):
        FindingLimits(2.0, 4.0, 0.15)


def noisy(seed: int, scale: float = 1.0) -> np.ndarray:
    coarse = np.random.default_rng(seed).gamma(2.0, scale, (5, 8, 10))
    return coarse.repeat(4, 0).repeat(5, 1).repeat(5, 2).astype(np.float32)


def test_findings_are_counted_as_they_are_told():
    peaks = peaks_tried(1.0, 3.0)
    counts = counts_of(noisy(1), VOXEL_ML, 0.15, peaks)
    for peak, n in zip(peaks, counts, strict=True):
        limits = FindingLimits(float(peak), EDGE * float(peak), 0.15)
        assert len(map_parts(noisy(1), VOXEL_ML, limits)) == n
    assert counts.max() > 1
    assert counts[-1] < counts.max()


def test_limits_leave_a_healthy_scan_one_finding_at_most():
    peaks = peaks_tried(1.0, 3.0)
    counts = [counts_of(noisy(seed), VOXEL_ML, 0.15, peaks) for seed in range(6)]
    drawn = draw_limits(counts, peaks, 0.15)
    found = [len(map_parts(noisy(seed), VOXEL_ML, drawn.limits)) for seed in range(6)]
    assert drawn.n == 6
    assert drawn.rate == pytest.approx(np.mean(found))
    assert 0 < drawn.rate <= 1
    lower = float(peaks[np.flatnonzero(peaks == drawn.limits.peak)[0] - 1])
    more = FindingLimits(lower, EDGE * lower, 0.15)
    assert np.mean([len(map_parts(noisy(seed), VOXEL_ML, more)) for seed in range(6)]) > 1


def test_a_group_counts_as_one_scan():
    counts = [np.array([4, 2, 0]), np.array([4, 2, 0]), np.array([2, 0, 0])]
    drawn = draw_limits(counts, np.array([1.0, 2.0, 3.0]), 0.15, groups=[7, 7, 8])
    assert (drawn.limits.peak, drawn.rate) == (2.0, 1.0)
    assert draw_limits(counts, np.array([1.0, 2.0, 3.0]), 0.15).limits.peak == 3.0


def test_without_a_healthy_scan_there_are_no_limits():
    with pytest.raises(ValueError, match="healthy"):
        draw_limits([], peaks_tried(1.0, 3.0), 0.15)

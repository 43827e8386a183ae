import numpy as np
import pytest

from mriad_model.detection.findings import findings

AFFINE = np.array([[-2.0, 0, 0, 60], [0, -2.0, 0, 50], [0, 0, 2.5, -40], [0, 0, 0, 1]])
VOXEL_ML = 0.01


def empty() -> np.ndarray:
    return np.zeros((20, 40, 50), np.float32)


def test_an_empty_map_has_no_finding():
    assert findings(empty(), AFFINE, 4.0, 2.0) == ()


def test_a_part_is_measured_and_placed():
    anomaly = empty()
    anomaly[5:9, 10:14, 20:24] = 3.0
    anomaly[6, 11, 22] = 6.0

    (found,) = findings(anomaly, AFFINE, 4.0, 2.0)

    assert found.millilitres == pytest.approx(64 * VOXEL_ML)
    assert found.peak == 6.0
    assert found.place == pytest.approx((60 - 44, 50 - 22, -40 + 15))
    assert found.middle == pytest.approx((60 - 43, 50 - 23, -40 + 16.25))


def test_what_never_rises_above_the_seed_is_left_out():
    anomaly = empty()
    anomaly[5:9, 10:14, 20:24] = 3.0
    assert findings(anomaly, AFFINE, 4.0, 2.0) == ()


def test_what_is_too_small_is_left_out():
    anomaly = empty()
    anomaly[5:7, 10:12, 20:23] = 9.0  # 0.12 ml
    assert findings(anomaly, AFFINE, 4.0, 2.0) == ()
    assert len(findings(anomaly, AFFINE, 4.0, 2.0, least_ml=0.1)) == 1


def test_parts_that_hang_together_by_their_edges_are_one():
    anomaly = empty()
    anomaly[5:9, 10:14, 10:30] = 2.5
    anomaly[6:8, 11:13, 11:13] = anomaly[6:8, 11:13, 27:29] = 5.0
    assert len(findings(anomaly, AFFINE, 4.0, 2.0)) == 1
    assert len(findings(anomaly, AFFINE, 4.0, 3.0, least_ml=0.05)) == 2


def test_the_highest_comes_first():
    anomaly = empty()
    anomaly[5:9, 10:14, 10:14] = 5.0
    anomaly[5:9, 10:14, 34:38] = 8.0
    first, second = findings(anomaly, AFFINE, 4.0, 2.0)
    assert (first.peak, second.peak) == (8.0, 5.0)
    assert first.place[0] < 0 < second.place[0]


def test_an_edge_above_the_seed_is_refused():
    with pytest.raises(ValueError, match="above"):
        findings(empty(), AFFINE, 2.0, 4.0)

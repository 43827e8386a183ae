"""The gate of heads in the frame: what it learns from healthy ones, what it keeps."""

import numpy as np
import pytest

from mriad_model.detection.decisions.head_gate import FEWEST, HeadGate

HEALTHY = np.array([0.86, 0.87, 0.88, 0.88, 0.89, 0.89, 0.90, 0.90, 0.91, 0.91])
LIMIT = 4.0


def learned(healthy: np.ndarray = HEALTHY) -> HeadGate:
    found = HeadGate.fit(healthy, range(len(healthy)), LIMIT)
    assert found is not None
    return found


def test_healthy_heads_pass_and_those_that_are_far_less_like_the_mean_do_not() -> None:
    gate = learned()
    assert (gate.values(HEALTHY) < 0.5).all()
    assert gate.values(np.array([0.97]))[0] == 0
    far = gate.values(np.array([0.6, 0.4, 0.0, -0.5]))
    assert (far > 1).all()
    assert (np.diff(far) > 0).all()


def test_one_stray_healthy_head_widens_the_limit_little() -> None:
    stray = learned(np.append(np.tile(HEALTHY, 2), 0.3))
    assert stray.values(np.array([0.5]))[0] > 1


def test_scans_of_one_patient_count_once() -> None:
    assert HeadGate.fit(HEALTHY, [0] * 5 + list(range(5)), LIMIT) is None
    few = HeadGate.fit(np.tile(HEALTHY, 2), [*range(10), *range(10)], LIMIT)
    many = HeadGate.fit(np.tile(HEALTHY, 2), range(20), LIMIT)
    assert few is not None
    assert many is not None
    assert few.limit == learned().limit > many.limit > LIMIT


def test_too_few_heads_give_no_gate() -> None:
    assert HeadGate.fit(HEALTHY[: FEWEST - 1], range(FEWEST - 1), LIMIT) is None


def test_a_stored_gate_is_the_same_and_no_other_is_read() -> None:
    gate = learned()
    assert HeadGate.restore(gate.about()) == gate
    for wrong in (
        {"spread": 0.0},
        {"limit": -1.0},
        {"usual": "0"},
        {"usual": float("nan")},
        {"x": 1},
    ):
        with pytest.raises(ValueError, match="gate"):
            HeadGate.restore(gate.about() | wrong)
    with pytest.raises(ValueError, match="gate"):
        HeadGate.restore({})

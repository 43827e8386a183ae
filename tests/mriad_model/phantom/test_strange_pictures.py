"""Drawn pictures that show no MR of a head."""

import numpy as np
import pytest

from mriad_model.phantom.strange_pictures import SIZE, head_ct, strange_picture


@pytest.mark.parametrize("draw", [strange_picture, head_ct])
def test_a_seed_is_a_picture(draw) -> None:
    drawn = [draw(seed) for seed in range(8)]
    assert all(each.shape == (SIZE, SIZE) and each.dtype == np.uint8 for each in drawn)
    assert all(each.std() > 5 for each in drawn)
    assert np.array_equal(draw(3), drawn[3])
    assert len({each.tobytes() for each in drawn}) == 8


def test_in_a_head_ct_bone_is_white_and_air_black() -> None:
    picture = head_ct(1)
    assert (picture == 255).mean() > 0.02
    assert picture[:10].max() == 0

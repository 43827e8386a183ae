import numpy as np
import pytest

from mriad_model.implants.acquisition import (
    another_contrast,
    another_pose,
    another_scanner,
    rescaled,
)
from mriad_model.implants.place import SIDE
from tests.support.scans.drawn_slices import ellipses


@pytest.fixture(scope="module")
def healthy():
    return ellipses(1, SIDE)


def test_a_pose_moves_the_head_with_its_mask_and_keeps_its_size(healthy):
    image, mask = healthy.images[0], healthy.masks[0]
    for seed in range(20):
        moved, head = another_pose(np.random.default_rng(seed), image, mask)
        assert 0.75 < head.sum() / mask.sum() < 1.3
        assert np.mean(moved[head] > 0) > 0.95
        assert np.mean(moved[~head] > 0) < 0.05


def test_a_contrast_keeps_black_black_and_the_range(healthy):
    for seed in range(20):
        found = another_contrast(np.random.default_rng(seed), healthy.images[0])
        assert not found[healthy.images[0] == 0].any()
        assert 0 <= found.min() <= found.max() <= 1


def test_a_scanner_changes_grey_values_and_not_the_anatomy(healthy):
    image, mask = healthy.images[0], healthy.masks[0]
    for seed in range(20):
        found = another_scanner(np.random.default_rng(seed), image)
        assert np.isfinite(found).all()
        assert np.corrcoef(found[mask], image[mask])[0, 1] > 0.6


def test_grey_values_fill_the_range_inside_the_head(healthy):
    image, mask = healthy.images[0], healthy.masks[0]
    found = rescaled(0.2 * image + 0.3, mask)
    assert (found.min(), found.max()) == (0, 1)
    assert not found[~mask].any()

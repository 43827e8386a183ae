"""Slices looked at closely: dim ground is left out, and cut-off pictures and CT stand out."""

import numpy as np

from mriad_model.detection.decisions.close_descriptions import (
    CLOSE_WIDTHS,
    OUTLINE,
    RING,
    described_closely,
    tightened,
)
from mriad_model.phantom.render import phantom_slice
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.strange_pictures import head_ct
from mriad_model.preprocessing.slices import PreparedSlice, SliceBatch, prepare, stack
from mriad_model.recipes.built_in_recipes import DEFAULT


def head(seed: int = 0) -> PreparedSlice:
    return prepare(phantom_slice(seed, Contrast.FLAIR, None, 160).pixels, DEFAULT.preprocessing)


def test_a_head_in_air_is_looked_at_as_it_was_prepared() -> None:
    own = head()
    image, mask = tightened(own.image, own.mask)
    assert image is own.image
    assert mask is own.mask


def test_dim_ground_beside_the_head_is_left_out() -> None:
    own = head()
    ground = np.pad(own.image, 40)
    ground[ground == 0] = 0.1
    framed = prepare((ground * 255).astype(np.uint8), DEFAULT.preprocessing)
    small = np.where(framed.image > 0, framed.image, np.float32(0.1))
    _, mask = tightened(small, np.ones_like(framed.mask))
    assert (mask & own.mask).sum() / (mask | own.mask).sum() > 0.9


def test_a_picture_that_is_cut_off_is_straight_and_a_head_is_like_an_ellipse() -> None:
    filled = np.pad(np.ones((120, 120), np.bool_), 4)[None]
    square = SliceBatch(filled.astype(np.float32), filled)
    straight = described_closely(square)[OUTLINE][0]
    rounded = described_closely(stack([head(i) for i in range(8)]))[OUTLINE]
    assert straight[0] > 1.3 * rounded[:, 0].max()
    assert straight[2] > rounded[:, 2].max()
    assert straight[3] < 0.9 < rounded[:, 3].min()


def test_the_skull_of_a_head_ct_is_a_bright_ring_and_that_of_mr_is_none() -> None:
    ct = described_closely(stack([prepare(head_ct(i), DEFAULT.preprocessing) for i in range(6)]))
    mr = described_closely(stack([head(i) for i in range(6)]))
    assert ct[RING][:, 3].min() > mr[RING][:, 3].max()
    assert ct[RING][:, 6].min() > mr[RING][:, 6].max()


def test_empty_and_small_slices_are_described() -> None:
    blank = SliceBatch(np.zeros((2, 128, 128), np.float32), np.zeros((2, 128, 128), np.bool_))
    small = SliceBatch(np.ones((1, 8, 8), np.float32), np.ones((1, 8, 8), np.bool_))
    for slices in (blank, small):
        found = described_closely(slices)
        assert all(np.isfinite(each).all() for each in found.values())
        assert {name: found[name].shape[1] for name in CLOSE_WIDTHS} == CLOSE_WIDTHS

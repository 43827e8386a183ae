import cv2
import numpy as np
import pytest

from mriad_model.errors import NoScans, SettingsError
from mriad_model.preprocessing.slices import (
    SliceBatch,
    joined,
    prepare,
    restore,
    shrunk,
    stack,
)
from mriad_model.recipes.built_in_recipes import AUTOENCODER, SEED

HEAD = AUTOENCODER.preprocessing
WHOLE = SEED.preprocessing


def drawn_head(height=300, width=260, centre=(130, 150), axes=(70, 95), dtype=np.uint8):
    """A bright textured ellipse on black."""
    pixels = np.zeros((height, width), np.float32)
    cv2.ellipse(pixels, centre, axes, 0, 0, 360, 140.0, cv2.FILLED)
    noise = np.random.default_rng(0).normal(0, 12, pixels.shape)
    pixels[pixels > 0] += noise[pixels > 0]
    scale = 1 if dtype == np.uint8 else 257
    return (pixels.clip(0, 255) * scale).astype(dtype)


def test_the_seed_recipe_resizes_the_stored_integers_and_divides():
    pixels = drawn_head()

    prepared = prepare(pixels, WHOLE)

    np.testing.assert_array_equal(
        prepared.image, cv2.resize(pixels, (128, 128)).astype(np.float32) / np.float32(255)
    )
    assert prepared.mask.all()


def test_sixteen_bit_slices_fill_the_same_range_as_eight_bit_ones():
    eight, sixteen = (prepare(drawn_head(dtype=d), WHOLE).image for d in (np.uint8, np.uint16))

    assert np.abs(eight - sixteen).max() < 2 / 255


def test_the_head_is_framed_wherever_it_stands():
    here = prepare(drawn_head(centre=(130, 150)), HEAD)
    there = prepare(drawn_head(centre=(90, 110)), HEAD)

    overlap = (here.mask & there.mask).sum() / (here.mask | there.mask).sum()
    assert overlap > 0.97


def test_text_and_a_bright_frame_are_left_out_of_the_foreground():
    plain = drawn_head()
    marked = plain.copy()
    cv2.putText(marked, "R 12", (5, 290), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    cv2.rectangle(marked, (0, 0), (259, 299), 255, 2)

    without, with_marks = prepare(plain, HEAD), prepare(marked, HEAD)

    overlap = (without.mask & with_marks.mask).sum() / (without.mask | with_marks.mask).sum()
    assert overlap > 0.97


def test_nothing_remains_outside_the_head():
    prepared = prepare(drawn_head(), HEAD)

    assert not prepared.image[~prepared.mask].any()
    assert prepared.image.min() == 0.0
    assert prepared.image.max() == 1.0


def test_brightness_and_contrast_do_not_change_the_prepared_head():
    pixels = drawn_head(dtype=np.uint16)
    darker = (pixels // 2).astype(np.uint16)

    assert np.abs(prepare(pixels, HEAD).image - prepare(darker, HEAD).image).max() < 0.01


@pytest.mark.parametrize("recipe", [WHOLE, HEAD], ids=["whole", "head"])
@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((40, 50), np.uint8),
        np.full((40, 50), 255, np.uint8),
        np.full((1, 1), 9, np.uint8),
        np.eye(16, dtype=np.uint16) * 65535,
        np.random.default_rng(0).integers(0, 255, (2000, 3), np.uint8),
    ],
    ids=["black", "white", "one pixel", "a thin line", "a strip"],
)
def test_degenerate_slices_are_prepared_without_nan_and_with_a_foreground(pixels, recipe):
    prepared = prepare(pixels, recipe)

    assert prepared.image.shape == prepared.mask.shape == (recipe.size, recipe.size)
    assert prepared.image.dtype == np.float32
    assert np.isfinite(prepared.image).all()
    assert 0 <= prepared.image.min() <= prepared.image.max() <= 1
    assert prepared.mask.any()
    assert restore(prepared.image, prepared.placement).shape == pixels.shape


@pytest.mark.parametrize("recipe", [WHOLE, HEAD], ids=["whole", "head"])
@pytest.mark.parametrize("factor", [1, 4], ids=["small", "large"])
def test_a_map_is_laid_back_where_its_slice_came_from(recipe, factor):
    pixels = drawn_head(300 * factor, 260 * factor, (110 * factor, 160 * factor), (60, 80))
    spot = np.zeros_like(pixels)
    cv2.circle(spot, (125 * factor, 140 * factor), 8 * factor, 255, cv2.FILLED)
    cv2.ellipse(pixels, (110 * factor, 160 * factor), (60 * factor, 80 * factor), 0, 0, 360, 90, -1)
    pixels[spot > 0] = 255

    prepared = prepare(pixels, recipe)
    restored = restore((prepared.image > 0.9).astype(np.float32), prepared.placement)

    found = np.argwhere(restored > 0.5).mean(axis=0)
    assert np.abs(found - [140 * factor, 125 * factor]).max() < 1.5 * factor


def test_an_empty_stack_is_refused():
    with pytest.raises(NoScans):
        stack([])


def test_a_batch_can_be_taken_apart():
    one, two = prepare(drawn_head(), HEAD), prepare(drawn_head(axes=(50, 60)), HEAD)
    batch = stack([one, two])

    assert len(batch) == 2
    np.testing.assert_array_equal(batch.take([1]).images[0], two.image)


def test_batches_are_joined_in_their_order_with_their_levels_and_poses():
    one, two = (stack([prepare(drawn_head(width=side), HEAD)]) for side in (240, 300))
    levels = np.array([3.5], np.float32)
    poses = np.arange(15.0)[None]
    batch = joined([SliceBatch(each.images, each.masks, levels, poses) for each in (one, two)])

    np.testing.assert_array_equal(batch.images, np.concatenate([one.images, two.images]))
    assert batch.take([1]).levels.tolist() == [3.5]
    assert batch.take([1]).poses.tolist() == poses.tolist()
    assert joined([one, two]).levels is None
    assert joined([one, two]).poses is None
    with pytest.raises(NoScans):
        joined([])


def test_slices_are_shrunk_to_the_means_of_their_blocks():
    images = np.arange(2 * 8 * 8, dtype=np.float32).reshape(2, 8, 8)
    masks = images > 60

    small = shrunk(SliceBatch(images, masks, np.array([1, 2], np.float32)), 4)

    assert small.images[0, 0, 0] == images[0, :2, :2].mean()
    np.testing.assert_array_equal(small.masks, masks[:, ::2, ::2])
    np.testing.assert_array_equal(small.levels, [1, 2])


def test_slices_of_the_size_asked_for_are_left_alone():
    batch = SliceBatch(np.zeros((1, 8, 8), np.float32), np.ones((1, 8, 8), np.bool_))
    assert shrunk(batch, 8) is batch


@pytest.mark.parametrize("size", [3, 16])
def test_slices_are_not_shrunk_to_a_size_that_is_no_whole_part(size):
    batch = SliceBatch(np.zeros((1, 8, 8), np.float32), np.ones((1, 8, 8), np.bool_))
    with pytest.raises(SettingsError, match=f"8 pixels cannot be shrunk to {size}"):
        shrunk(batch, size)

import numpy as np
import pytest

from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.preprocessing.windowing import windowed, windowed_images
from mriad_model.recipes.windows import DeepWindow

Y, X = np.mgrid[0:128, 0:128].astype(np.float32)
FROM_CENTRE = np.hypot(Y - 64, X - 64)
HEAD = FROM_CENTRE < 60
FAT = HEAD & (FROM_CENTRE > 52)
LESION = np.hypot(Y - 64, X - 80) < 8


def head(fat=1.0, lesion=0.04):
    """A brain of 0.30 to 0.36 with a faint lesion, under fat."""
    brain = 0.33 + 0.03 * np.sin(X / 3)
    image = np.where(FAT, fat, brain + lesion * LESION) * HEAD
    return image.astype(np.float32)


def contrast(image):
    """How much brighter the lesion is than the brain around it."""
    around = (np.hypot(Y - 64, X - 80) < 16) & ~LESION
    return float(image[LESION].mean() - image[around].mean())


def test_a_faint_lesion_stands_out_once_fat_no_longer_takes_the_range():
    before, after = head(), windowed(head(), HEAD, DeepWindow())
    assert contrast(before) < 0.08
    assert contrast(after) > 6 * contrast(before)


def test_how_bright_the_fat_is_makes_no_difference():
    faint, bright = (windowed(head(fat), HEAD, DeepWindow()) for fat in (0.6, 1.0))
    np.testing.assert_array_equal(faint, bright)


def test_the_percentiles_of_what_lies_deep_become_0_and_1():
    after = windowed(head(), HEAD, DeepWindow(deep=0.5, low_percentile=10, high_percentile=90))
    deep = after[FROM_CENTRE < 28]
    assert (deep == 0).mean() == pytest.approx(0.1, abs=0.03)
    assert (deep == 1).mean() == pytest.approx(0.1, abs=0.03)
    assert (after[~HEAD] == 0).all()
    assert after.dtype == np.float32


def test_noise_alone_is_not_stretched_over_the_whole_range():
    rng = np.random.default_rng(0)
    flat = ((0.5 + 0.001 * rng.standard_normal((128, 128))) * HEAD).astype(np.float32)
    inside = windowed(flat, HEAD, DeepWindow())[FROM_CENTRE < 50]
    assert inside.max() - inside.min() < 0.2


@pytest.mark.parametrize("grey", [0.0, 1.0])
@pytest.mark.parametrize("where", [HEAD, np.ones_like(HEAD), np.zeros_like(HEAD)])
def test_a_constant_slice_or_one_without_a_head_gives_finite_values(grey, where):
    after = windowed(np.full((128, 128), grey, np.float32), where, DeepWindow())
    assert np.isfinite(after).all()
    assert after.min() >= 0
    assert after.max() <= 1


def test_a_head_of_a_few_pixels_is_left_as_it_is():
    few = np.zeros_like(HEAD)
    few[60:63, 60:63] = True
    np.testing.assert_array_equal(windowed(head(), few, DeepWindow()), head())


def test_each_slice_has_its_own_window_and_without_one_none_changes():
    pair = SliceBatch(np.stack([head(), head(fat=0.5)]), np.stack([HEAD, HEAD]))
    together = windowed_images(pair, DeepWindow())
    alone = windowed_images(pair.take([1]), DeepWindow())
    np.testing.assert_array_equal(together[1], alone[0])
    assert windowed_images(pair, None) is pair.images

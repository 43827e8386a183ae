import numpy as np
import pytest
import torch

from mriad_model.detection.detectors.reconstruction import Reconstruction
from mriad_model.detection.networks.batches import BATCH
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.recipe import DetectorRecipe, Residual

KIND = "asymmetry"
ALL = np.ones((1, 32, 32), np.bool_)


class Flat(Reconstruction):
    """Expects a flat grey slice."""

    def expected(self, images):
        return images * 0 + 0.5


def spotted(size=32, at=(10, 20), value=1.0):
    images = np.full((1, size, size), 0.5, np.float32)
    images[0, at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3] = value
    return images


def maps_of(detector, part, images, inside):
    masks = np.ones(images.shape, np.bool_)
    return detector.maps(part, SliceBatch(images, masks), inside, torch.device("cpu"))


@pytest.mark.parametrize("value", [0.0, 1.0], ids=["dark", "bright"])
def test_a_map_peaks_on_what_was_not_expected(value):
    part = DetectorRecipe(KIND, smoothing=1.0, gathering=2.0)

    maps = maps_of(Flat(), part, spotted(value=value), ALL)

    assert np.unravel_index(maps[0].argmax(), (32, 32)) == (10, 20)
    assert maps.min() >= 0


def test_a_squared_residual_without_blur_is_the_squared_error():
    part = DetectorRecipe(KIND, residual=Residual.SQUARED)

    maps = maps_of(Flat(), part, spotted(), ALL)

    np.testing.assert_array_equal(maps, (spotted() - 0.5) ** 2)


def test_a_structure_a_little_off_its_place_is_tolerated():
    class Shifted(Flat):
        def expected(self, images):
            return images.roll(2, dims=2)

    strict, tolerant = DetectorRecipe(KIND), DetectorRecipe(KIND, tolerance=2)

    assert maps_of(Shifted(), strict, spotted(), ALL).any()
    assert not maps_of(Shifted(), tolerant, spotted(), ALL).any()


def test_nothing_is_found_outside_the_interior():
    inside = ALL.copy()
    inside[0, :16] = False

    maps = maps_of(Flat(), DetectorRecipe(KIND, gathering=3.0), spotted(), inside)

    assert not maps[~inside].any()


def test_maps_may_be_smaller_than_slices():
    small = np.ones((1, 16, 16), np.bool_)

    maps = maps_of(Flat(), DetectorRecipe(KIND), spotted(), small)

    assert maps.shape == (1, 16, 16)
    assert (maps[0, 5, 10], maps[0, 0, 0]) == (0.5, 0)


def test_a_slice_has_the_same_map_in_any_company():
    many = np.random.default_rng(0).random((BATCH + 3, 32, 32), np.float32)
    inside = np.repeat(ALL, len(many), axis=0)
    part = DetectorRecipe(KIND, smoothing=1.0, tolerance=1, gathering=2.0)

    together = maps_of(Flat(), part, many, inside)

    np.testing.assert_array_equal(together[[-1]], maps_of(Flat(), part, many[[-1]], ALL))

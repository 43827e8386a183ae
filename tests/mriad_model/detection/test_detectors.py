from dataclasses import replace

import numpy as np
import pytest
import torch

from mriad_model.detection.detectors import DETECTORS, detector_of
from mriad_model.detection.detectors.detector import Detector
from mriad_model.detection.model import FittedModel, fit
from mriad_model.errors import SettingsError
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from mriad_model.recipes.recipe import DetectorRecipe, NetworkShape, Recipe
from tests.support.scans.drawn_slices import drawn_slices


class Darkness(Detector):
    """Paints how much darker a place is than the darkest of the slices that it was fitted to."""

    def __init__(self, level):
        self.level = level

    def maps(self, part, slices, inside, device):
        return np.maximum(float(self.level) - slices.images, 0) * inside

    def tensors(self):
        return {"level": self.level}

    @classmethod
    def fit(cls, part, healthy):
        return cls(torch.tensor([float(healthy.train.images.min())])), None

    @classmethod
    def restore(cls, recipe, part, tensors, device):
        return cls(tensors["level"])

    @classmethod
    def shapes(cls, recipe, part):
        return {"level": (1,)}


def with_detectors(*parts):
    return replace(AUTOENCODER, detectors=parts).with_training(max_epochs=1)


def test_a_line_in_the_registry_is_enough_for_a_third_detector(monkeypatch):
    monkeypatch.setitem(DETECTORS, "darkness", Darkness)
    recipe = Recipe.from_json(with_detectors(DetectorRecipe("darkness", gathering=1.0)).to_json())
    slices, unseen = drawn_slices(4, recipe), drawn_slices(3, recipe, seed=5)

    model = fit(slices, slices, recipe, device="cpu")

    restored = FittedModel.from_bytes(model.to_bytes(), device="cpu")
    assert isinstance(restored.detectors["darkness"], Darkness)
    assert (restored.score(unseen).scores == model.score(unseen).scores).all()
    assert list(model.score(unseen).parts) == ["darkness"]


@pytest.mark.parametrize("network", [None, NetworkShape((4,), 8)])
def test_a_detector_that_is_not_registered_is_refused_by_name(network):
    recipe = with_detectors(DetectorRecipe("telepathy", network=network))
    slices = drawn_slices(2, recipe)

    with pytest.raises(SettingsError, match=r"'telepathy'.*'autoencoder', 'asymmetry', 'implants'"):
        fit(slices, slices, recipe, device="cpu")


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (DetectorRecipe("autoencoder"), "needs a network"),
        (DetectorRecipe("autoencoder", network=NetworkShape((4,) * 11, 8)), "1 to 10"),
        (DetectorRecipe("asymmetry", network=NetworkShape((4,), 8)), "has no network"),
    ],
)
def test_a_part_that_its_detector_cannot_follow_is_refused(part, what):
    with pytest.raises(SettingsError, match=what):
        detector_of(part)

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mriad_model.detection.detectors.implants import Implants
from mriad_model.detection.model import FittedModel, fit
from mriad_model.detection.networks.implant_network import MAP_SIDE
from mriad_model.detection.training.pretraining import pretrained_network
from mriad_model.errors import SettingsError
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.built_in_recipes import DEFAULT, of_epochs
from mriad_model.recipes.recipe import DetectorRecipe, ImplantTraining
from mriad_model.recipes.windows import DeepWindow
from tests.support.scans.drawn_slices import drawn_slices

QUICK = replace(
    DEFAULT.with_training(max_epochs=1),
    training=replace(
        DEFAULT.training, max_epochs=1, batch_size=2, implants=ImplantTraining(drawn_heads=1)
    ),
)


@pytest.fixture(scope="module")
def model():
    return fit(drawn_slices(6, QUICK), drawn_slices(4, QUICK, seed=1), QUICK, device="cpu")


def test_a_bright_spot_is_what_stands_out(model):
    """Even after ten steps: the pretrained weights know."""
    slices = drawn_slices(6, QUICK, seed=3)
    images = slices.images.copy()
    images[:, 50:64, 80:94] = 1.0

    before = model.score(slices)
    after = model.score(SliceBatch(images, slices.masks))

    assert (after.parts["implants"] > before.parts["implants"]).mean() > 0.8
    rows, columns = np.unravel_index(after.maps.reshape(6, -1).argmax(1), (MAP_SIDE, MAP_SIDE))
    assert np.median(np.hypot(rows - 28, columns - 43)) < 6


def test_the_network_alone_scores_and_all_paint(model):
    scored = model.score(drawn_slices(5, QUICK, seed=2))
    assert list(scored.parts) == ["implants", "asymmetry"]
    assert scored.maps.shape == (5, MAP_SIDE, MAP_SIDE)
    assert np.corrcoef(scored.scores, scored.parts["implants"])[0, 1] == pytest.approx(1)
    assert np.isfinite(scored.maps).all()


def test_a_slice_scores_the_same_to_the_last_bit_in_any_company(model):
    batch = drawn_slices(19, QUICK)
    together, alone = model.score(batch), model.score(batch.take([18]))
    np.testing.assert_array_equal(alone.maps[0], together.maps[18])
    assert alone.scores[0] == together.scores[18]


def test_a_stored_model_scores_as_before(model):
    data, batch = model.to_bytes(), drawn_slices(3, QUICK, seed=5)
    restored = FittedModel.from_bytes(data, device="cpu")
    np.testing.assert_array_equal(restored.score(batch).maps, model.score(batch).maps)
    assert restored.to_bytes() == data


def test_training_again_gives_the_same_model(model):
    again = fit(drawn_slices(6, QUICK), drawn_slices(4, QUICK, seed=1), QUICK, device="cpu")
    assert again.to_bytes() == model.to_bytes()


def test_training_begins_with_the_weights_of_the_model_to_adapt(model):
    slices = drawn_slices(6, QUICK, seed=7), drawn_slices(4, QUICK, seed=8)
    before = model.to_bytes()
    none = replace(QUICK, training=replace(QUICK.training, learning_rate=1e-9))
    kept, anew = (fit(*slices, none, device="cpu", start=start) for start in (model, None))
    own, same, other = (
        each.detectors["implants"].tensors()["out.weight"] for each in (model, kept, anew)
    )
    assert abs(same - own).max() < 1e-6 < abs(other - own).max()
    adapted = [fit(*slices, QUICK, device="cpu", start=model).to_bytes() for _ in range(2)]
    assert adapted[0] == adapted[1] != fit(*slices, QUICK, device="cpu").to_bytes()
    assert model.to_bytes() == before  # which is left as it was


def test_rounds_are_told_as_epochs_and_the_held_out_loss_is_that_of_implants(model):
    told = model.training
    assert (told.epochs, told.best_epoch, told.n_train, told.n_validation) == (1, 1, 6, 4)
    assert told.validation_loss > 0


def test_few_slices_are_trained_on_for_fewer_steps():
    few = replace(QUICK.training, max_epochs=2, implants=ImplantTraining(1, few=99, few_steps=0.1))
    recipe = replace(QUICK, training=few)
    told = []
    fit(drawn_slices(6, recipe), None, recipe, device="cpu", progress=told.append)
    assert [(epoch.number, epoch.max_epochs) for epoch in told] == [(1, 1)]
    told.clear()
    fit(drawn_slices(6, recipe), None, of_epochs(recipe, 2), device="cpu", progress=told.append)
    assert [(epoch.number, epoch.max_epochs) for epoch in told] == [(1, 2), (2, 2)]


def test_slices_of_another_size_are_refused():
    recipe = replace(QUICK, scoring=replace(QUICK.scoring, size=None))
    with pytest.raises(SettingsError, match="128 pixels and paints maps of 64"):
        fit(drawn_slices(2, recipe), None, recipe, device="cpu")


def test_degenerate_slices_score_a_finite_number(model):
    blank = np.zeros((2, 128, 128), np.float32)
    blank[1] = 1
    scored = model.score(SliceBatch(blank, blank.astype(np.bool_)))
    assert np.isfinite(scored.scores).all()
    assert np.isfinite(scored.maps).all()


def test_several_networks_paint_together_what_each_paints_alone(model):
    part, slices = QUICK.detectors[0], drawn_slices(19, QUICK, seed=4)
    inside = np.ones((19, MAP_SIDE, MAP_SIDE), np.bool_)
    detectors = [model.detectors["implants"], Implants(pretrained_network())]

    together = Implants.maps_of_several(detectors, part, slices, inside, model.device)

    alone = [each.maps(part, slices, inside, model.device) for each in detectors]
    np.testing.assert_array_equal(together, alone)
    assert not np.array_equal(*alone)


def test_in_a_window_the_network_does_not_see_how_bright_the_fat_is(model):
    windowed, as_prepared = (
        replace(QUICK.detectors[0], window=window) for window in (DeepWindow(), None)
    )
    slices = drawn_slices(4, QUICK, seed=6)
    brain = 0.4 * slices.images
    distance = np.stack([cv2.distanceTransform(m.view(np.uint8), 2, 3) for m in slices.masks])
    fat = slices.masks & (distance < 5)
    dim, bright = (
        SliceBatch(np.where(fat, np.float32(grey), brain), slices.masks) for grey in (0.7, 1.0)
    )
    inside = np.ones((4, MAP_SIDE, MAP_SIDE), np.bool_)

    def maps(part, batch):
        return model.detectors["implants"].maps(part, batch, inside, model.device)

    np.testing.assert_array_equal(maps(windowed, dim), maps(windowed, bright))
    assert not np.array_equal(maps(as_prepared, dim), maps(as_prepared, bright))


def test_the_network_learns_in_the_window_that_it_scores_in():
    """A part that had no window at training, and one at scoring, would be another detector."""
    recipe = in_window(QUICK, DeepWindow())
    slices = drawn_slices(6, recipe), drawn_slices(4, recipe, seed=1)
    found = [fit(*slices, each, device="cpu") for each in (recipe, recipe, in_window(QUICK, None))]
    same, again, other = (each.detectors["implants"].tensors()["out.weight"] for each in found)
    assert (same == again).all()
    assert (same != other).any()
    stored = FittedModel.from_bytes(found[0].to_bytes(), device="cpu")
    assert stored.recipe == recipe
    batch = drawn_slices(3, recipe, seed=5)
    np.testing.assert_array_equal(stored.score(batch).maps, found[0].score(batch).maps)


def test_a_detector_without_a_network_of_implants_refuses_a_window():
    asymmetry = DetectorRecipe("asymmetry", window=DeepWindow())
    with pytest.raises(SettingsError, match="'asymmetry' has no window"):
        fit(drawn_slices(2, QUICK), None, replace(QUICK, detectors=(asymmetry,)), device="cpu")


def in_window(recipe, window):
    network, *others = recipe.detectors
    return replace(recipe, detectors=(replace(network, window=window), *others))

import math

import numpy as np
import pytest
import torch

from mriad_model.detection.training.autoencoder_training import train_autoencoder
from mriad_model.errors import TrainingDiverged
from mriad_model.preprocessing.augmentation import augment
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.built_in_recipes import SEED
from mriad_model.recipes.recipe import (
    Augmentation,
    DetectorRecipe,
    Framing,
    Intensity,
    NetworkShape,
    Preprocessing,
    Recipe,
    Scoring,
    SliceScoreMethod,
    Training,
)

LIVELY = Augmentation(flip=True, degrees=10, scale=0.1, shift=0.05, gamma=0.3)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """So small a network is slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_recipe(**training):
    part = DetectorRecipe("autoencoder", network=NetworkShape((4, 8), 8))
    return Recipe(
        name="small",
        preprocessing=Preprocessing(16, Framing.WHOLE, Intensity.FULL_RANGE),
        detectors=(part,),
        training=Training(**{"max_epochs": 4, "augmentation": LIVELY} | training),
        scoring=Scoring(SliceScoreMethod.MEAN, erosion=0, standardise=False),
    )


def drawn_slices(n, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0, 1, (n, 1, 1)) * np.linspace(0, 1, 16)[:, None] * np.ones((1, 1, 16))
    return SliceBatch(rows.astype(np.float32), np.ones((n, 16, 16), np.bool_))


def train(recipe, n=10, validation=True, progress=None, slices=None):
    return train_autoencoder(
        recipe,
        recipe.detectors[0],
        slices if slices is not None else drawn_slices(n),
        drawn_slices(4, seed=1) if validation else None,
        device=torch.device("cpu"),
        progress=progress,
    )


def weights(network):
    return torch.cat([tensor.flatten() for tensor in network.state_dict().values()])


def test_the_same_seed_gives_the_same_weights_whatever_the_global_generator_does():
    torch.manual_seed(1)
    one, _ = train(small_recipe(seed=7))
    torch.manual_seed(2)
    other, _ = train(small_recipe(seed=7))

    assert torch.equal(weights(one), weights(other))


def test_another_seed_gives_other_weights():
    one, _ = train(small_recipe(seed=7))
    other, _ = train(small_recipe(seed=8))

    assert not torch.equal(weights(one), weights(other))


def test_training_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()

    train(small_recipe())

    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_best_weights_are_kept_and_training_stops_early():
    seen = []
    recipe = small_recipe(max_epochs=200, patience=3, learning_rate=0.05)

    network, summary = train(recipe, progress=seen.append)

    losses = [epoch.validation_loss for epoch in seen]
    assert summary.validation_loss == min(losses)
    assert summary.best_epoch == 1 + losses.index(min(losses))
    assert summary.epochs == len(seen) == min(summary.best_epoch + 3, 200)
    held_out = torch.from_numpy(drawn_slices(4, seed=1).images)[:, None]
    with torch.no_grad():
        loss = torch.nn.functional.mse_loss(network.eval()(held_out), held_out).item()
    assert loss == pytest.approx(summary.validation_loss, rel=1e-5)


def test_without_held_out_slices_every_epoch_is_run():
    seen = []

    _, summary = train(small_recipe(max_epochs=5), validation=False, progress=seen.append)

    assert [epoch.number for epoch in seen] == [1, 2, 3, 4, 5]
    assert (summary.epochs, summary.best_epoch, summary.validation_loss) == (5, 5, None)
    assert (summary.n_train, summary.n_validation) == (10, 0)


def test_training_learns():
    seen = []

    recipe = small_recipe(max_epochs=25, learning_rate=0.02, augmentation=Augmentation())
    train(recipe, validation=False, progress=seen.append)

    assert seen[-1].train_loss < 0.8 * seen[0].train_loss


def test_a_loss_that_is_no_number_is_named():
    slices = drawn_slices(3)
    slices.images[0] = math.nan

    with pytest.raises(TrainingDiverged, match="epoch 1"):
        train(small_recipe(), slices=slices)


def test_augmented_slices_stay_in_range_and_differ():
    images = torch.from_numpy(drawn_slices(6).images)[:, None]

    changed = augment(images, LIVELY, torch.Generator().manual_seed(0))

    assert changed.shape == images.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert not torch.equal(changed, images)


def test_no_augmentation_changes_nothing():
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    assert augment(images, SEED.training.augmentation, torch.Generator()) is images


def test_a_flip_alone_mirrors_left_and_right():
    images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    changed = augment(images, Augmentation(flip=True), torch.Generator().manual_seed(1))

    mirrored = [
        torch.allclose(c, i.flip(-1), atol=1e-6) for c, i in zip(changed, images, strict=True)
    ]
    kept = [torch.allclose(c, i, atol=1e-6) for c, i in zip(changed, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 0 < sum(mirrored) < 20

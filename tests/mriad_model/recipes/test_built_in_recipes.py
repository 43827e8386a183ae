import pytest

from mriad_model.errors import SettingsError
from mriad_model.recipes.built_in_recipes import (
    AUTOENCODER,
    BUILT_IN,
    DEFAULT,
    SEED,
    VOLUME,
    VOLUME_AUTOENCODER,
    VOLUME_NETWORK,
    of_epochs,
    recipe_named,
)


def test_recipes_are_found_by_name():
    assert recipe_named("seed") is SEED
    assert recipe_named("autoencoder") is AUTOENCODER
    assert recipe_named("default") is DEFAULT
    assert recipe_named("volume") is VOLUME
    assert recipe_named("volume-autoencoder") is VOLUME_AUTOENCODER
    assert recipe_named("volume-network") is VOLUME_NETWORK


def test_a_recipe_is_found_by_the_name_that_it_had():
    assert recipe_named("volume-normative") is VOLUME


def test_recipes_are_cross_fitted_where_that_was_measured():
    found = {each.name for each in BUILT_IN if each.cross_fitting is not None}
    assert found == {"default", "volume"}


def test_an_unknown_recipe_is_refused_by_name():
    with pytest.raises(SettingsError, match="'best'"):
        recipe_named("best")


def test_so_many_epochs_are_trained_as_are_asked_for_however_few_the_slices():
    asked = of_epochs(DEFAULT, 5)
    assert asked.training.max_epochs == 5
    assert asked.training.implants.few_steps == 1.0
    assert asked.training.implants.few == DEFAULT.training.implants.few
    assert of_epochs(DEFAULT, None) == DEFAULT
    assert of_epochs(SEED, 7) == SEED.with_training(max_epochs=7)
    with pytest.raises(SettingsError, match="at least 1"):
        of_epochs(DEFAULT, 0)

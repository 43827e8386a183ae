import pytest

from mriad_model.built_in_recipes import (
    AUTOENCODER,
    DEFAULT,
    SEED,
    VOLUME,
    VOLUME_AUTOENCODER,
    VOLUME_NETWORK,
    recipe_named,
)
from mriad_model.errors import SettingsError


def test_recipes_are_found_by_name():
    assert recipe_named("seed") is SEED
    assert recipe_named("autoencoder") is AUTOENCODER
    assert recipe_named("default") is DEFAULT
    assert recipe_named("volume") is VOLUME
    assert recipe_named("volume-autoencoder") is VOLUME_AUTOENCODER
    assert recipe_named("volume-network") is VOLUME_NETWORK


def test_a_recipe_is_found_by_the_name_that_it_had():
    assert recipe_named("volume-normative") is VOLUME


def test_an_unknown_recipe_is_refused_by_name():
    with pytest.raises(SettingsError, match="'best'"):
        recipe_named("best")

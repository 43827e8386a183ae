import pytest

from mriad_model.detection.training.adaptation import ROUNDS, adapted
from mriad_model.errors import SettingsError
from mriad_model.recipes.built_in_recipes import AUTOENCODER, DEFAULT, SEED, VOLUME


def test_the_implant_network_is_fine_tuned_in_fewer_steps():
    assert adapted(DEFAULT) == DEFAULT.with_training(max_epochs=ROUNDS)
    assert adapted(adapted(DEFAULT)) == adapted(DEFAULT)
    assert adapted(DEFAULT, 3).training.max_epochs == 3
    assert DEFAULT.training.max_epochs > ROUNDS


def test_a_normative_recipe_measures_mean_and_spread_anew():
    assert adapted(VOLUME) == VOLUME


@pytest.mark.parametrize("recipe", [SEED, AUTOENCODER])
def test_what_cannot_be_adapted_is_refused(recipe):
    with pytest.raises(SettingsError, match=f"{recipe.name!r} cannot be adapted"):
        adapted(recipe)

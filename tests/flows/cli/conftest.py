"""Commands with settings of the test alone, and a Prefect server that they find."""

import os
from dataclasses import replace

import pytest

from mriad_model.recipes import built_in_recipes
from mriad_model.recipes.built_in_recipes import BUILT_IN, DEFAULT


@pytest.fixture(autouse=True)
def _settings_of_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MRIAD_")]:
        monkeypatch.delenv(name)
    mask = os.umask(0)
    os.umask(mask)
    monkeypatch.setattr(os, "umask", lambda _: mask)


@pytest.fixture
def served(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the session's Prefect server."""
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("MRIAD_PREFECT_API_URL", str(PREFECT_API_URL.value()))
    monkeypatch.setenv("MRIAD_OWN_PREFECT", "true")


@pytest.fixture
def quick_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe `default` takes two samples a step and two drawn heads: it learns little, soon."""
    implants = DEFAULT.training.implants
    assert implants is not None
    training = replace(DEFAULT.training, batch_size=2, implants=replace(implants, drawn_heads=2))
    quick = replace(DEFAULT, training=training)
    recipes = tuple(quick if each is DEFAULT else each for each in BUILT_IN)
    monkeypatch.setattr(built_in_recipes, "BUILT_IN", recipes)

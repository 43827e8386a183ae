import json
from dataclasses import is_dataclass, replace
from typing import get_args, get_type_hints

import pytest

from mriad_model.errors import SettingsError
from mriad_model.recipes import recipe as recipes
from mriad_model.recipes.built_in_recipes import (
    AUTOENCODER,
    BUILT_IN,
    DEFAULT,
    SEED,
    VOLUME,
    VOLUME_AUTOENCODER,
)
from mriad_model.recipes.decision_recipes import GateRecipe
from mriad_model.recipes.recipe import Recipe
from mriad_model.recipes.windows import DeepWindow


@pytest.mark.parametrize("recipe", [*BUILT_IN, VOLUME_AUTOENCODER.with_contrast(["T1w"])])
def test_a_recipe_survives_its_own_json(recipe):
    text = recipe.to_json()

    assert Recipe.from_json(text) == recipe
    assert Recipe.from_json(text).to_json() == text


def test_the_json_of_a_recipe_is_canonical():
    text = AUTOENCODER.to_json()

    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"name": "x"}', SEED.to_json()[:-3]])
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(SettingsError):
        Recipe.from_json(text)


def test_every_number_of_a_recipe_has_its_limits():
    parts = [p for p in vars(recipes).values() if isinstance(p, type) and is_dataclass(p)]
    numbers = [
        (part, name)
        for part in parts
        for name, hint in get_type_hints(part).items()
        if {int, float} & {hint, *get_args(hint)}
    ]
    assert len(numbers) == 52
    for part, name in numbers:
        limits = repr(get_type_hints(part, include_extras=True)[name])
        assert "Ge(ge=" in limits, (part, name)
        assert "Le(le=" in limits, (part, name)


@pytest.mark.parametrize(
    ("part", "change", "wrong"),
    [
        ("preprocessing", {"low_percentile": 99.5}, "low_percentile must lie below"),
        ("scoring", {"standardise": False}, "standardise must be true"),
        ("scoring", {"colour": 1}, "scoring.colour: unexpected"),
        ("scoring", {"size": 48}, "scoring.size must be a whole part"),
        ("scoring", {"scored_by": "telepathy"}, "scored_by must be one of the detectors"),
        ("name", "x" * 201, "name: string should have at most 200"),
        ("name", "a\nb", "name: must be printable"),
        ("detectors", [], "one detector or more"),
    ],
)
def test_values_that_no_recipe_can_mean_are_refused_by_name(part, change, wrong):
    fields = json.loads(VOLUME_AUTOENCODER.to_json())
    changed = fields[part] | change if isinstance(change, dict) else change
    with pytest.raises(SettingsError, match=f"^this is no recipe: .*{wrong}"):
        Recipe.from_json(json.dumps(fields | {part: changed}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 10**400, "4", True, None, []])
def test_a_number_that_no_recipe_can_mean_is_refused_by_name(value):
    fields = json.loads(VOLUME_AUTOENCODER.to_json())
    for part, name in (("training", "batch_size"), ("scoring", "usual_sigma")):
        with pytest.raises(SettingsError, match=f"{part}.{name}"):
            Recipe.from_json(json.dumps(fields | {part: fields[part] | {name: value}}))


def test_training_can_be_lengthened_and_reseeded_without_touching_the_rest():
    changed = SEED.with_training(max_epochs=600, seed=3)

    assert (changed.training.max_epochs, changed.training.seed) == (600, 3)
    assert changed.with_training(max_epochs=50, seed=0) == SEED


def test_no_epochs_are_refused():
    with pytest.raises(SettingsError, match="at least 1"):
        SEED.with_training(max_epochs=0)


BEFORE = """{"detectors":[{"gathering":0.0,"kind":"autoencoder","network":{"channels":[32,64,128],
"latent":256},"residual":"squared","smoothing":0.0,"tolerance":0}],"heatmap":{"high_factor":4.0,
"low_percentile":98.0},"name":"seed","preprocessing":{"framing":"whole","high_percentile":99.5,
"intensity":"full_range","low_percentile":0.5,"size":128},"scoring":{"erosion":0,"score":"mean",
"standardise":false,"usual_floor":0.5,"usual_sigma":3.0},"training":{"augmentation":{"degrees":0.0,
"flip":false,"gamma":0.0,"scale":0.0,"shift":0.0},"batch_size":32,"learning_rate":0.001,
"max_epochs":50,"patience":10,"seed":0}}""".replace("\n", "")


def test_a_recipe_written_before_is_read_and_written_as_it_was():
    """Its text is part of a model's file, whose hash names the model."""
    assert Recipe.from_json(BEFORE) == SEED
    assert Recipe.from_json(BEFORE).to_json() == BEFORE


DEFAULT_BEFORE = """{"calibrate_by_group":true,"cross_fitting":{"below":200,"epochs":1.0,"folds":3,
"held_out":0.16666666666666666},"detectors":[{"gathering":1.0,"kind":"implants","network":null,
"residual":"absolute","smoothing":0.0,"tolerance":0},{"gathering":2.5,"kind":"asymmetry",
"network":null,"residual":"absolute","smoothing":1.0,"tolerance":2}],"gate":{"limit":5.0},
"heatmap":{"high_factor":4.0,"low_percentile":98.0},"name":"default",
"preprocessing":{"framing":"foreground","high_percentile":99.5,"intensity":"percentiles",
"low_percentile":0.5,"size":128},"scoring":{"erosion":2,"score":"max","scored_by":"implants",
"size":64,"standardise":true,"usual_floor":0.5,"usual_sigma":3.0},
"training":{"augmentation":{"degrees":0.0,"flip":false,"gamma":0.0,"scale":0.0,"shift":0.0},
"batch_size":16,"implants":{"drawn_heads":24,"drawn_share":0.1,"few":120,"few_drawn_share":0.3,
"few_largest":36.0,"few_steps":0.75,"largest":28.0},"learning_rate":0.002,"max_epochs":50,
"patience":10,"seed":0},"uncertain":{"confidence":0.5,"gate_edge":0.9,"spreads":1.0}}""".replace(
    "\n", ""
)


def test_the_default_recipe_of_before_there_were_windows_is_read_and_written_as_it_was():
    before = Recipe.from_json(DEFAULT_BEFORE)
    assert before.to_json() == DEFAULT_BEFORE
    assert [part.window for part in before.detectors] == [None, None]
    assert [part.window for part in DEFAULT.detectors] == [DeepWindow(), None]


def test_a_gate_of_before_there_were_strangers_is_read_and_written_as_it_was():
    before = Recipe.from_json(DEFAULT_BEFORE)
    assert before.gate == GateRecipe(strangers=False)
    assert DEFAULT.gate == GateRecipe(strangers=True)
    assert json.loads(DEFAULT.to_json())["gate"] == {"limit": 5.0, "strangers": True}


def test_strangers_are_of_pictures_alone():
    with pytest.raises(SettingsError, match=r"gate\.strangers is for pictures"):
        Recipe.from_json(replace(VOLUME, gate=GateRecipe(strangers=True)).to_json())


def test_a_window_goes_into_the_json_where_there_is_one():
    network, asymmetry = DEFAULT.detectors
    recipe = replace(DEFAULT, detectors=(replace(network, window=DeepWindow(0.3)), asymmetry))
    assert Recipe.from_json(recipe.to_json()) == recipe
    kinds = json.loads(recipe.to_json())["detectors"]
    assert [each.get("window", {}).get("deep") for each in kinds] == [0.3, None]


def test_a_window_that_no_recipe_can_mean_is_refused_by_name():
    network, asymmetry = DEFAULT.detectors
    upside_down = replace(network, window=DeepWindow(low_percentile=99, high_percentile=5))
    text = replace(DEFAULT, detectors=(upside_down, asymmetry)).to_json()
    with pytest.raises(SettingsError, match=r"implants.window.low_percentile must lie below"):
        Recipe.from_json(text)


@pytest.mark.parametrize("recipe", [SEED, AUTOENCODER, DEFAULT])
def test_a_recipe_for_pictures_is_stored_as_before_there_were_volumes(recipe):
    assert "volumes" not in json.loads(recipe.to_json())
    assert recipe.with_contrast(["T1w"]) == recipe


def test_a_volume_recipe_takes_the_contrast_that_its_scans_have_in_common():
    assert VOLUME_AUTOENCODER.with_contrast(["T1w", None, "T1w"]).volumes.contrast == "T1w"
    assert VOLUME_AUTOENCODER.with_contrast(["T1w", "FLAIR"]).volumes.contrast is None
    assert VOLUME_AUTOENCODER.with_contrast([None]).volumes.contrast is None


def test_a_recipe_with_an_unknown_plane_is_refused():
    with pytest.raises(SettingsError, match="diagonal"):
        Recipe.from_json(VOLUME_AUTOENCODER.to_json().replace('"axial"', '"diagonal"'))


def test_the_normative_detector_needs_axial_slices_of_volumes_with_an_even_side():
    fields = json.loads(VOLUME.to_json())
    pictures = {name: each for name, each in fields.items() if name != "volumes"}
    coronal = json.loads(VOLUME.to_json().replace('"axial"', '"coronal"'))
    odd = json.loads(VOLUME.to_json())
    odd["preprocessing"]["size"] = 63
    del odd["scoring"]["size"]
    for wrong, why in ((pictures, "axial"), (coronal, "axial"), (odd, "even")):
        with pytest.raises(SettingsError, match=why):
            Recipe.from_json(json.dumps(wrong))

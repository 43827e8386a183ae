import json
import math
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from mriad_model.detection.model import FittedModel, fit
from mriad_model.detection.model_file import LARGEST_HEADER
from mriad_model.errors import ModelFileError, SettingsError, TooFewScans
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.built_in_recipes import AUTOENCODER, SEED, VOLUME_AUTOENCODER
from mriad_model.recipes.recipe import SliceScoreMethod
from tests.support.scans.drawn_slices import drawn_slices


@pytest.fixture(scope="module", params=[SEED, AUTOENCODER], ids=lambda recipe: recipe.name)
def model(request):
    recipe = request.param.with_training(max_epochs=1)
    return fit(drawn_slices(4, recipe), drawn_slices(4, recipe, seed=1), recipe, device="cpu")


def same(one, other):
    return (
        np.array_equal(one.scores, other.scores)
        and np.array_equal(one.maps, other.maps)
        and all(np.array_equal(one.parts[name], other.parts[name]) for name in one.parts)
    )


def test_a_slice_scores_the_same_to_the_last_bit_in_any_company(model):
    batch = drawn_slices(41, model.recipe)
    order = np.random.default_rng(2).permutation(41)
    together = model.score(batch)

    shuffled = model.score(batch.take(order))

    assert np.array_equal(shuffled.scores, together.scores[order])
    assert np.array_equal(shuffled.maps, together.maps[order])
    for i in (0, 17, 40):
        alone = model.score(batch.take([i]))
        assert alone.scores[0] == together.scores[i]
        assert np.array_equal(alone.maps[0], together.maps[i])
        assert all(alone.parts[name][0] == together.parts[name][i] for name in alone.parts)


def with_threads(number, work):
    threads = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        found = work()
        assert torch.get_num_threads() == number  # put back
    finally:
        torch.set_num_threads(threads)
    return found


def test_any_number_of_torch_threads_gives_the_same_bits(model):
    batch = drawn_slices(5, model.recipe)
    alone, *others = (with_threads(n, lambda: model.score(batch)) for n in (1, 2, 3, 5))
    assert all(same(alone, other) for other in others)


def test_any_number_of_torch_threads_trains_the_same_model():
    recipe = AUTOENCODER.with_training(max_epochs=2)
    batch = drawn_slices(6, recipe)
    one, two = (with_threads(n, lambda: fit(batch, batch, recipe, "cpu")) for n in (1, 2))
    weights = [model.detectors["autoencoder"].tensors() for model in (one, two)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_two_threads_may_score_on_one_model(model):
    batch = drawn_slices(40, model.recipe)
    expected = model.score(batch)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(model.score, [batch] * 6))

    assert all(same(scored, expected) for scored in found)


def test_an_empty_batch_has_no_scores(model):
    scored = model.score(drawn_slices(3, model.recipe).take([]))

    assert scored.scores.shape == (0,)
    assert len(scored.maps) == 0
    assert all(part.shape == (0,) for part in scored.parts.values())


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("area", [0.0, 0.0003, 0.002, 1.0])
def test_degenerate_slices_score_a_finite_number(model, value, area):
    size = model.recipe.preprocessing.size
    mask = (np.arange(size**2) < area * size**2).reshape(1, size, size)

    scored = model.score(SliceBatch(np.full((1, size, size), value, np.float32), mask))

    assert np.isfinite(scored.scores).all()
    assert np.isfinite(scored.maps).all()


def test_a_stored_model_scores_as_before(model):
    data = model.to_bytes()
    batch = drawn_slices(3, model.recipe, seed=5)

    restored = FittedModel.from_bytes(data, device="cpu")

    assert same(restored.score(batch), model.score(batch))
    assert restored.recipe == model.recipe
    assert replace(restored.training, seconds=model.training.seconds) == model.training
    assert (restored.colour_low, restored.colour_high) == (model.colour_low, model.colour_high)
    assert restored.to_bytes() == data


def test_how_long_it_took_is_no_part_of_a_model(model):
    """So that training that was killed and done again gives the same file."""
    slower = replace(model, training=replace(model.training, seconds=1e6))
    assert slower.to_bytes() == model.to_bytes()


def test_the_colour_scale_rises(model):
    assert 0 <= model.colour_low < model.colour_high


def test_the_parts_are_named_after_the_detectors(model):
    names = [part.kind for part in model.recipe.detectors]

    assert list(model.score(drawn_slices(2, model.recipe)).parts) == names


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:4],
        lambda data: data[:2000],
        lambda data: data[:-1],
        lambda data: b"PK" + data,
        lambda data: struct.pack("<Q", 2**60) + data[8:],
        lambda data: data.replace(b"__metadata__", b"__metadat___", 1),
        lambda data: data.replace(b'\\"format\\":', b'\\"formal\\":', 1),
        lambda data: re.sub(rb'(latent\\":)\d', rb"\g<1>9", data, count=1),
        lambda data: data.replace(b'\\"low\\":', b'\\"lag\\":', 1),
        lambda data: data.replace(b'\\"standards\\":{', b'\\"standards\\":0,', 1),
        lambda data: data.replace(b'\\"size\\":', b'\\"size\\":-', 1),
        lambda data: data.replace(b'"channels\\":[', b'"channels\\":[-', 1),
        lambda data: data.replace(b"encoder.0.weight", b"encoder.9.weight", 1),
    ],
)
def test_a_damaged_model_file_is_refused(model, damage):
    data = model.to_bytes()
    assert damage(data) != data

    with pytest.raises(ModelFileError):
        FittedModel.from_bytes(damage(data), device="cpu")


def test_a_model_of_another_format_is_refused(model):
    data = model.to_bytes().replace(b'\\"format\\":1', b'\\"format\\":3', 1)

    with pytest.raises(ModelFileError, match="format 3"):
        FittedModel.from_bytes(data, device="cpu")


def about_of(data):
    """A model's file taken apart: what it says of the model, and its tensors."""
    (length,) = struct.unpack("<Q", data[:8])
    about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["mriad"])
    return about, safetensors.torch.load(data)


def rebuilt(data, change):
    """A well-formed file by hand, from a model's with something changed."""
    about, tensors = about_of(data)
    change(about, tensors)
    return safetensors.torch.save(tensors, {"mriad": json.dumps(about)})


def one_value(name, value):
    def change(_, tensors):
        tensors[name].view(-1)[3] = value

    return change


def put(*path):
    """Set what lies under these keys to the last of them."""

    def change(about, _):
        *keys, last, value = path
        for key in keys:
            about = about[key]
        about[last] = value

    return change


WEIGHT, USUAL = "autoencoder.encoder.0.weight", "usual.autoencoder"
BAD_FILES = {
    "a weight that is NaN": (one_value(WEIGHT, math.nan), WEIGHT),
    "a weight without end": (one_value(WEIGHT, math.inf), WEIGHT),
    "a usual map that is NaN": (one_value(USUAL, math.nan), USUAL),
    "a usual map with a 0": (one_value(USUAL, 0.0), "not above 0"),
    "a usual map below 0": (one_value(USUAL, -1.0), "not above 0"),
    "a tensor too many": (lambda _, t: t.update(more=torch.zeros(2)), "no place for .* 'more'"),
    "a tensor too few": (lambda _, t: t.pop(WEIGHT), f"lacks the tensor '{WEIGHT}'"),
    "a tensor cut short": (
        lambda _, t: t.update({WEIGHT: torch.ones(16, 1, 3, 2)}),
        "shape",
    ),
    "a tensor of float64": (lambda _, t: t.update({WEIGHT: t[WEIGHT].double()}), "float32"),
    "a tensor of whole numbers": (lambda _, t: t.update({WEIGHT: t[WEIGHT].int()}), "float32"),
    "colours that fall": (put("colour", {"low": 2.0, "high": 1.0}), "must rise"),
    "colours that are one": (put("colour", {"low": 1.0, "high": 1.0}), "must rise"),
    "a colour that is NaN": (put("colour", "high", math.nan), "no finite number"),
    "a colour without end": (put("colour", "low", -math.inf), "no finite number"),
    "a colour that is text": (put("colour", "low", "1"), "no finite number"),
    "a third colour": (put("colour", "middle", 1.5), "colour scale"),
    "a spread of 0": (put("standards", "asymmetry", 0.0), "not above 0"),
    "a spread below 0": (put("standards", "asymmetry", -1.0), "not above 0"),
    "a spread that is NaN": (put("standards", "asymmetry", math.nan), "no finite number"),
    "a spread that is true": (put("standards", "asymmetry", True), "no finite number"),
    "a standard too few": (lambda a, _: a["standards"].pop("asymmetry"), "standards"),
    "a standard too many": (put("standards", "telepathy", 1.0), "standards"),
    "a detector too few": (lambda a, _: a["recipe"]["detectors"].pop(), "no place for"),
    "a detector twice": (
        lambda a, _: a["recipe"]["detectors"].append(a["recipe"]["detectors"][0]),
        "each kind once",
    ),
    "an unknown detector": (put("recipe", "detectors", 0, "kind", "telepathy"), "telepathy"),
    "no detector": (put("recipe", "detectors", []), "one detector or more"),
    "another recipe's standards": (put("recipe", "scoring", "standardise", False), "standardise"),
    "a recipe that means more": (put("recipe", "mood", 1), "mood"),
    "a part that means more": (put("recipe", "scoring", "mood", 1), "mood"),
    "a network that means more": (put("recipe", "detectors", 0, "network", "mood", 1), "mood"),
    "a blur that is NaN": (put("recipe", "scoring", "usual_sigma", math.nan), "usual_sigma"),
    "a blur too wide": (put("recipe", "detectors", 0, "gathering", 1e9), "gathering"),
    "a size too large": (put("recipe", "preprocessing", "size", 2**20), "size"),
    "a size that is true": (put("recipe", "preprocessing", "size", True), "size"),
    "an erosion below 0": (put("recipe", "scoring", "erosion", -1), "erosion"),
    "percentiles that fall": (put("recipe", "preprocessing", "low_percentile", 99.9), "below"),
    "a name without end": (put("recipe", "name", "x" * 10_000), "name"),
    "a part too many": (put("mood", 1), "nothing else"),
    "a training told otherwise": (put("training", "epochs", -1), "epochs"),
    "a loss that is NaN": (put("training", "validation_loss", math.nan), "validation loss"),
}


@pytest.fixture(scope="module")
def default_file():
    recipe = AUTOENCODER.with_training(max_epochs=1)
    batches = drawn_slices(4, recipe), drawn_slices(4, recipe, seed=1)
    return fit(*batches, recipe, device="cpu").to_bytes()


def test_a_file_taken_apart_and_put_together_is_the_model(default_file):
    data = rebuilt(default_file, lambda about, tensors: None)
    assert FittedModel.from_bytes(data, "cpu").to_bytes() == default_file


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_well_formed_file_that_is_no_model_is_refused_with_the_reason(default_file, kind):
    change, reason = BAD_FILES[kind]
    with pytest.raises(ModelFileError, match=reason) as refused:
        FittedModel.from_bytes(rebuilt(default_file, change), "cpu")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_header_that_says_something_twice_is_refused(default_file):
    data = default_file.replace(b'\\"format\\":1', b'\\"format\\":1,\\"format\\":1', 1)
    (length,) = struct.unpack("<Q", data[:8])
    with pytest.raises(ModelFileError, match="twice"):
        FittedModel.from_bytes(
            struct.pack("<Q", length + len(data) - len(default_file)) + data[8:], "cpu"
        )


def test_the_header_and_the_file_have_a_largest_size(default_file, monkeypatch):
    padded = rebuilt(default_file, put("recipe", "name", "x" * LARGEST_HEADER))
    with pytest.raises(ModelFileError, match="header"):
        FittedModel.from_bytes(padded, "cpu")
    monkeypatch.setattr("mriad_model.detection.model_file.LARGEST", len(default_file) - 1)
    with pytest.raises(ModelFileError, match="at most"):
        FittedModel.from_bytes(default_file, "cpu")


def test_a_model_that_tells_how_long_it_took_is_read(default_file):
    """As files of before do."""
    data = rebuilt(default_file, put("training", "seconds", 4.5))
    assert FittedModel.from_bytes(data, "cpu").training.seconds == 4.5


def test_training_on_nothing_is_refused():
    with pytest.raises(TooFewScans):
        fit(drawn_slices(1, SEED).take([]), None, SEED, device="cpu")
    with pytest.raises(TooFewScans):
        fit(drawn_slices(1, SEED), drawn_slices(1, SEED).take([]), SEED, device="cpu")


def test_one_healthy_slice_is_enough_to_scale_by():
    recipe = replace(AUTOENCODER, detectors=AUTOENCODER.detectors[1:])

    model = fit(drawn_slices(1, recipe), None, recipe, device="cpu")

    assert np.isfinite(model.score(drawn_slices(2, model.recipe)).scores).all()


@pytest.mark.parametrize("device", ["tpu!", "cuda:99", "CPU "])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(SettingsError, match="device"):
        fit(drawn_slices(1, SEED), None, SEED, device=device)


def test_one_detector_may_score_while_all_paint():
    recipe = AUTOENCODER.with_training(max_epochs=1)
    alone = replace(recipe.scoring, scored_by="autoencoder", size=32, score=SliceScoreMethod.MAX)
    recipe = replace(recipe, scoring=alone)
    slices = drawn_slices(6, recipe)

    scored = fit(slices, slices, recipe, device="cpu").score(drawn_slices(5, recipe, seed=1))

    own = scored.parts["autoencoder"]
    assert np.corrcoef(scored.scores, own)[0, 1] == pytest.approx(1)
    assert scored.maps.shape == (5, 32, 32)


def test_of_a_volume_the_score_of_one_detector_is_a_value_of_the_map():
    recipe = VOLUME_AUTOENCODER.with_training(max_epochs=1)
    alone = replace(recipe.scoring, scored_by="autoencoder", score=SliceScoreMethod.MAX)
    recipe = replace(recipe, scoring=alone)
    slices = drawn_slices(6, recipe)
    slices = replace(slices, levels=np.linspace(0, 60, 6, dtype=np.float32))

    scored = fit(slices, slices, recipe, device="cpu").score(slices)

    np.testing.assert_array_equal(scored.scores, scored.maps.max(axis=(1, 2)))
    own = scored.parts["autoencoder"]
    assert np.corrcoef(scored.scores, own)[0, 1] == pytest.approx(1)


def test_a_volume_recipe_does_not_learn_from_pictures():
    batch = drawn_slices(3, VOLUME_AUTOENCODER)
    with pytest.raises(SettingsError, match="slices of volumes"):
        fit(batch, batch, VOLUME_AUTOENCODER.with_training(max_epochs=1), "cpu")

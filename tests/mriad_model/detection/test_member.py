"""Cross-fitted models: members that each learned without a fold."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch

from mriad_model.detection.detectors import DETECTORS
from mriad_model.detection.model import FittedModel, fit, fit_folds
from mriad_model.detection.scan_scores import score_scans
from mriad_model.errors import ModelFileError, SettingsError
from mriad_model.preprocessing.slices import PreparedScan, SliceBatch
from mriad_model.recipes.built_in_recipes import AUTOENCODER, SEED, VOLUME
from mriad_model.recipes.recipe import CrossFitting, DetectorRecipe, Recipe, SliceScoreMethod
from tests.support.memory import KIND, SEEN, Memory, named
from tests.support.scans.drawn_slices import drawn_slices

PICTURES = replace(
    AUTOENCODER.with_training(max_epochs=4), cross_fitting=CrossFitting(epochs=0.5, below=50)
)


def folds_of(recipe, n=4):
    return [
        (drawn_slices(n, recipe, seed=2 * i), drawn_slices(3, recipe, seed=2 * i + 1))
        for i in range(3)
    ]


@pytest.fixture(scope="module")
def model():
    return fit_folds(folds_of(PICTURES), PICTURES, device="cpu")


def test_a_new_scan_gets_the_mean_of_the_members_and_their_spread(model):
    batch = drawn_slices(5, PICTURES, seed=9)
    together, alone = model.score(batch), [model.score(batch, fold) for fold in range(3)]
    scores = np.stack([each.scores for each in alone])
    np.testing.assert_allclose(together.scores, scores.mean(0))
    np.testing.assert_allclose(together.spread, scores.std(0, ddof=1))
    np.testing.assert_allclose(together.maps, np.mean([e.maps for e in alone], 0), atol=1e-5)
    for kind, part in together.parts.items():
        np.testing.assert_allclose(part, np.mean([each.parts[kind] for each in alone], 0))
    assert len({float(each) for each in scores[:, 0]}) == 3  # members differ
    assert all(each.spread is None for each in alone)


def test_a_slice_scores_the_same_to_the_last_bit_in_any_company(model):
    batch = drawn_slices(9, PICTURES, seed=9)
    together = model.score(batch)
    for i in (0, 4, 8):
        alone = model.score(batch.take([i]))
        assert alone.scores[0] == together.scores[i]
        assert alone.spread[0] == together.spread[i]
        assert np.array_equal(alone.maps[0], together.maps[i])


def test_a_member_is_the_model_of_its_slices_by_a_seed_of_its_own(model):
    for fold, slices in enumerate(folds_of(PICTURES)):
        plain = fit(*slices, PICTURES.with_training(seed=fold, max_epochs=2), device="cpu")
        batch = drawn_slices(4, PICTURES, seed=9)
        np.testing.assert_array_equal(plain.score(batch).scores, model.score(batch, fold).scores)


def test_a_stored_cross_fitted_model_scores_as_before_and_has_the_same_bytes(model):
    data = model.to_bytes()
    restored = FittedModel.from_bytes(data, device="cpu")
    batch = drawn_slices(3, PICTURES, seed=9)
    for fold in (None, 0, 1, 2):
        one, other = model.score(batch, fold), restored.score(batch, fold)
        assert np.array_equal(one.scores, other.scores)
        assert np.array_equal(one.maps, other.maps)
    assert restored.to_bytes() == data
    assert fit_folds(folds_of(PICTURES), PICTURES, device="cpu").to_bytes() == data


def test_where_one_detector_scores_all_members_share_its_unit():
    alone = replace(PICTURES.scoring, scored_by="autoencoder", score=SliceScoreMethod.MAX)
    recipe = replace(PICTURES, scoring=alone)
    fitted = fit_folds(folds_of(recipe), recipe, device="cpu")
    own = [
        fit(*slices, recipe.with_training(seed=i, max_epochs=2), device="cpu").members[0]
        for i, slices in enumerate(folds_of(recipe))
    ]
    spreads = [each.standards["autoencoder"].sd for each in own]
    assert len(set(spreads)) == 3
    for each in fitted.members:
        assert each.standards["autoencoder"].sd == pytest.approx(
            np.sqrt(np.mean(np.square(spreads)))
        )
    asymmetry = [each.standards["asymmetry"].sd for each in fitted.members]
    assert asymmetry == [each.standards["asymmetry"].sd for each in own]


def test_progress_counts_the_epochs_of_all_members():
    told = []
    fit_folds(folds_of(PICTURES), PICTURES, "cpu", told.append)
    assert [each.number for each in told] == [1, 2, 3, 4, 5, 6]
    assert {each.max_epochs for each in told} == {6}


def test_a_recipe_may_be_cross_fitted_and_its_json_is_as_it_was_without():
    assert "cross_fitting" not in AUTOENCODER.to_json()
    volumes = replace(VOLUME, cross_fitting=CrossFitting())
    for each in (PICTURES, volumes):
        assert Recipe.from_json(each.to_json()) == each
    with pytest.raises(SettingsError, match="not cross-fitted in 2 folds"):
        fit_folds(folds_of(PICTURES)[:2], PICTURES, device="cpu")
    with pytest.raises(SettingsError, match="not cross-fitted in 3 folds"):
        fit_folds(folds_of(AUTOENCODER), AUTOENCODER, device="cpu")


def rebuilt(model, change):
    data = model.to_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["mriad"])
    tensors = safetensors.torch.load(data)
    change(about, tensors)
    return safetensors.torch.save(tensors, {"mriad": json.dumps(about)})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda about, _: about.update(format=1), "lacks the tensor|no place for the tensor"),
        (lambda about, _: about["standards"].pop(), "standards of 3 members"),
        (lambda about, _: about.update(standards=about["standards"][0]), "standards of 3 members"),
        (lambda about, _: about["recipe"].pop("cross_fitting"), "not cross-fitted"),
        (lambda about, _: about["recipe"]["cross_fitting"].update(folds=4), "lacks the tensor"),
        (lambda about, _: about["standards"][1].update(asymmetry=0.0), "not above 0"),
        (lambda _, tensors: tensors.pop("member2.usual.asymmetry"), "lacks the tensor 'member2"),
        (
            lambda _, tensors: tensors["member1.usual.asymmetry"].view(-1)[3:4].fill_(np.nan),
            "no finite number",
        ),
    ],
)
def test_a_file_that_does_not_hold_all_members_is_refused(model, change, reason):
    with pytest.raises(ModelFileError, match=reason):
        FittedModel.from_bytes(rebuilt(model, change), "cpu")


def test_scans_of_a_fold_are_scored_by_the_member_that_did_not_learn_it(monkeypatch):
    monkeypatch.setitem(DETECTORS, KIND, Memory)
    recipe = replace(SEED, detectors=(DetectorRecipe(KIND),), cross_fitting=CrossFitting())
    size = recipe.preprocessing.size
    masks = np.ones((1, size, size), np.bool_)

    def scan(group, number=0):
        batch = SliceBatch(named(group, size, number=number)[None], masks)
        return PreparedScan(batch, [], (0,), 1)

    def slices(groups):
        scans = [scan(group) for group in groups]
        return SliceBatch(
            np.concatenate([each.batch.images for each in scans]),
            np.repeat(masks, len(groups), axis=0),
        )

    fold_of = [i % 3 for i in range(12)]
    parts = []
    for fold in range(3):
        others = [group for group in range(12) if fold_of[group] != fold]
        parts.append((slices(others[2:]), slices(others[:2])))
    fitted = FittedModel.from_bytes(fit_folds(parts, recipe, "cpu").to_bytes(), "cpu")
    known = [scan(group, number) for group in range(12) for number in (0, 1)]
    folds = [fold_of[group] for group in range(12) for _ in (0, 1)]
    out_of_fold = score_scans(fitted, known, folds)
    assert max(each.score for each in out_of_fold) < SEEN / 3
    assert all(each.spread is None for each in out_of_fold)
    by_all = score_scans(fitted, known)
    assert min(each.score for each in by_all) > SEEN / 2  # two of three members saw each
    wrong = score_scans(fitted, known, [(fold + 1) % 3 for fold in folds])
    assert min(each.score for each in wrong) >= SEEN
    (new,) = score_scans(fitted, [scan(20)], [None])
    assert new.score < SEEN / 3
    assert new.spread is not None

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from mriad_model.datasets.roles import fold_parts
from mriad_model.detection.detectors import site_frame
from mriad_model.detection.detectors.normative import NormativeAsymmetry
from mriad_model.detection.model import FittedModel, fit, fit_folds
from mriad_model.detection.scan_scores import score_scans
from mriad_model.detection.training.fit_progress import HeadsLaid
from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import ModelFileError, RejectedFile, SettingsError
from mriad_model.normative.framed_head import framed_head
from mriad_model.normative.norm import norm_of
from mriad_model.normative.registration.affine import refine
from mriad_model.normative.registration.poses import placed_heads
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.scanner import Tissue
from mriad_model.phantom.write import phantom_affine
from mriad_model.preprocessing import volumes
from mriad_model.preprocessing.prepared_file import from_arrays, to_arrays
from mriad_model.preprocessing.scan_slices import prepare_scan, training_slices
from mriad_model.preprocessing.slices import joined, restore
from mriad_model.preprocessing.slicing import onto_volume
from mriad_model.readers.volume.volumes import Origin, Volume, volume_of
from mriad_model.recipes.built_in_recipes import VOLUME, VOLUME_NETWORK
from mriad_model.recipes.recipe import (
    NORMATIVE_ASYMMETRY,
    CrossFitting,
    Plane,
)
from tests.support.scans.drawn_slices import drawn_slices
from tests.support.scans.laid_heads import laying, remembering
from tests.support.scans.prepared_heads import BRIGHTNESS_ALONE, as_volume, head, prepared_head

N_HEALTHY = 7


@pytest.fixture(scope="module")
def healthy():
    return [training_slices(prepared_head(n, VOLUME), VOLUME) for n in range(N_HEALTHY)]


RECIPES = [VOLUME, VOLUME_NETWORK, BRIGHTNESS_ALONE]


@pytest.fixture(scope="module")
def laid_once():
    return {"refine": remembering(refine), "framed_head": remembering(framed_head)}


@pytest.fixture(scope="module")
def fit_by(healthy, laid_once):
    """The model that a recipe makes of the healthy heads, fitted once."""

    @cache
    def made(recipe) -> FittedModel:
        with laying(laid_once):
            return fit(joined(healthy[:-1]), healthy[-1], recipe, "cpu")

    return made


@pytest.fixture(scope="module", params=RECIPES, ids=lambda r: r.name)
def fitted(fit_by, request) -> FittedModel:
    return fit_by(request.param)


def scored(fitted: FittedModel, volume: Volume):
    return scored_prepared(fitted, volume, prepare_scan(volume, fitted.recipe))


def scored_prepared(fitted: FittedModel, volume: Volume, prepared):
    (found,) = score_scans(fitted, [prepared])
    maps = {
        position: restore(each, placement)
        for position, each, placement in zip(
            found.positions, found.maps, prepared.placements, strict=True
        )
    }
    return found.score, onto_volume(maps, volume, Plane.AXIAL)


def test_an_infarct_scores_higher_than_its_head_and_the_map_shows_where(fitted):
    ill = head(20, Lesion.INFARCT)
    (healthy,) = score_scans(fitted, [prepared_head(20, fitted.recipe)])

    prepared = prepared_head(20, fitted.recipe, Lesion.INFARCT)
    score, anomaly = scored_prepared(fitted, as_volume(ill), prepared)

    assert score > healthy.score + 1
    brightest = anomaly >= np.quantile(anomaly, 1 - ill.lesion_mask.mean() / 4)
    assert (brightest & ill.lesion_mask).sum() > 0.5 * brightest.sum()


def test_a_volume_stored_another_way_round_has_the_same_score_and_map(fit_by):
    """By one recipe: the head is turned before any detector sees it."""
    fitted = fit_by(VOLUME)
    ill = head(21, Lesion.INFARCT)
    score, anomaly = scored(fitted, as_volume(ill))
    affine = phantom_affine(ill)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    flip[:2, 3] = ill.voxels.shape[2] - 1, ill.voxels.shape[1] - 1
    turned = replace(
        as_volume(ill), voxels=np.ascontiguousarray(ill.voxels[:, ::-1, ::-1]), affine=affine @ flip
    )
    sagittal = replace(
        as_volume(ill),
        voxels=np.ascontiguousarray(ill.voxels.transpose(2, 0, 1)),
        affine=affine[:, [1, 2, 0, 3]],
    )

    for other, back in ((turned, lambda v: v[:, ::-1, ::-1]), (sagittal, _from_sagittal)):
        again, there = scored(fitted, other)
        assert again == pytest.approx(score, abs=1e-6)
        assert np.allclose(back(there), anomaly, atol=1e-5)


def _from_sagittal(voxels: np.ndarray) -> np.ndarray:
    return voxels.transpose(1, 2, 0)


def test_a_scan_has_the_same_bits_alone_and_among_others(fitted):
    prepared = [prepared_head(n, fitted.recipe) for n in (22, 23)]
    together = score_scans(fitted, prepared)
    for one, each in zip(prepared, together, strict=True):
        (alone,) = score_scans(fitted, [one])
        assert alone.score == each.score
        assert np.array_equal(alone.maps, each.maps)


def test_a_stored_model_gives_the_same_bits(fitted):
    prepared = prepared_head(22, fitted.recipe)
    again = FittedModel.from_bytes(fitted.to_bytes(), "cpu")
    (one,), (other,) = score_scans(fitted, [prepared]), score_scans(again, [prepared])
    assert one.score == other.score
    assert np.array_equal(one.maps, other.maps)
    assert again.to_bytes() == fitted.to_bytes()


def test_maps_are_not_negative_and_nothing_outside_the_head(fitted):
    prepared = prepared_head(22, fitted.recipe)
    (found,) = score_scans(fitted, [prepared])
    assert found.maps.shape == (len(prepared), 64, 64)
    assert found.maps.min() == 0
    assert found.score == found.maps.max()
    outside = ~prepared.batch.masks[:, ::2, ::2]
    assert not found.maps[outside].any()


def test_prepared_scans_keep_their_poses_in_a_file(fitted):
    prepared = [prepared_head(n, fitted.recipe) for n in (22, 23)]
    for one, again in zip(prepared, from_arrays(*to_arrays(prepared)), strict=True):
        assert np.array_equal(one.batch.poses, again.batch.poses)


def test_a_training_tells_of_each_head_that_it_lays_upon_the_mean(healthy, laid_once):
    """Seven are told as seven, though three members do not divide them."""
    told = []
    with laying(laid_once):
        fit_folds(in_folds(healthy, [*FOLDS, 0]), CROSS_FITTED, "cpu", told.append)
    assert told == [HeadsLaid(i + 1, 7) for i in range(7)]


def test_the_fit_of_each_scan_is_kept(fitted):
    prepared = prepared_head(23, fitted.recipe)
    (placed,) = placed_heads(prepared.batch.images, prepared.batch.poses)
    assert 0.7 < placed.registration.fit <= 1


TOP = "top is not in the picture"


@pytest.mark.parametrize(
    ("kept", "reason", "why"),
    [
        (slice(0, 14), RejectionReason.INCOMPLETE, TOP),
        (slice(20, 21), RejectionReason.INCOMPLETE, TOP),
        (slice(28, 40), RejectionReason.UNREGISTERED, "fit"),
    ],
)
def test_a_head_of_which_too_little_is_shown_is_rejected_with_a_reason(kept, reason, why):
    drawn = head(26)
    voxels = np.zeros_like(drawn.voxels)
    voxels[kept] = drawn.voxels[kept]
    part = volume_of(voxels, phantom_affine(drawn), Origin(ScanKind.NIFTI))

    with pytest.raises(RejectedFile, match=why) as rejection:
        prepare_scan(part, VOLUME)

    assert rejection.value.reason is reason


def test_a_head_that_goes_astray_on_the_sites_mean_stays_as_on_the_drawn_one(fitted, monkeypatch):
    (placed,) = placed_heads(*_placed(prepared_head(23, fitted.recipe)))
    (detector,) = fitted.detectors.values()
    kept = site_frame.refined(placed, detector.template, cap=False)
    assert kept is not placed.registration

    lost = replace(kept, fit=0.0)
    monkeypatch.setattr(site_frame, "refine", lambda *_: lost)
    assert site_frame.refined(placed, detector.template, cap=False) is placed.registration


def turned(drawn, name):
    front = {"back to front": np.s_[:, ::-1], "as it is": np.s_[:]}
    if name in front:
        return np.ascontiguousarray(drawn.voxels[front[name]])
    z, y, x = (np.linspace(-1, 1, n) for n in drawn.voxels.shape)
    away = np.sqrt((z[:, None, None] / 0.8) ** 2 + (y[:, None] / 0.7) ** 2 + (x / 0.7) ** 2)
    return ((away < 1) * 600 + (np.abs(away - 0.95) < 0.05) * 400).astype(np.uint16)


@pytest.mark.parametrize("name", ["back to front", "ball"])
def test_what_is_no_head_as_the_site_has_them_is_told(fit_by, name, monkeypatch):
    fitted = fit_by(VOLUME)
    drawn = head(28, Lesion.INFARCT)
    whole = prepared_head(28, VOLUME, Lesion.INFARCT)
    assert fitted.misplaced(whole.batch) is None
    monkeypatch.setattr(volumes, "LEAST_FIT", 0.0)  # as of one that the first measure lets pass
    other = replace(as_volume(drawn), voxels=turned(drawn, name))
    prepared = prepare_scan(other, VOLUME)
    assert "site's mean head" in str(fitted.misplaced(prepared.batch))


def test_a_head_is_found_under_fat_that_is_brighter_than_all_else():
    drawn = head(29)
    bright = drawn.voxels.astype(np.float64)
    rows = np.linspace(0, 1, bright.shape[1])[:, None]
    fat = np.isin(drawn.labels, [int(Tissue.FAT)])
    bright[fat] *= np.broadcast_to(1 + 5 * rows, bright.shape)[fat]  # a coil behind the head
    lit = replace(as_volume(drawn), voxels=bright.clip(0, 60_000).astype(np.uint16))
    plain, capped = (
        registration_of(prepare_scan(lit, each)).fit for each in (BRIGHTNESS_ALONE, VOLUME)
    )
    assert capped > 0.7
    assert capped > plain


def registration_of(prepared):
    (placed,) = placed_heads(*_placed(prepared))
    return placed.registration


def _placed(prepared):
    return prepared.batch.images, prepared.batch.poses


def test_slices_that_were_not_registered_are_refused():
    batch = drawn_slices(3, VOLUME)
    with pytest.raises(SettingsError, match="registered"):
        fit(batch, batch, VOLUME, "cpu")


def test_the_shapes_of_stored_tensors_are_told_before_they_are_read(fitted):
    (part,) = fitted.recipe.detectors
    detector = fitted.detectors[part.kind]
    stored = detector.tensors()
    assert {name: tuple(each.shape) for name, each in stored.items()} == type(detector).shapes(
        fitted.recipe, part
    )
    assert all(each.dtype is torch.float32 for each in stored.values())


CROSS_FITTED = replace(VOLUME, name="folds", cross_fitting=CrossFitting(folds=3))
FOLDS = [0, 1, 2, 0, 1, 2]  # of six healthy heads


def in_folds(healthy, folds):
    """What each member learns of so many heads, and the heads of its fold."""
    ids = range(len(folds))
    places = [fold_parts(ids, folds, fold, CROSS_FITTED, [*map(str, ids)]) for fold in range(3)]
    return [tuple(joined([healthy[i] for i in own]) for own in part) for part in places]


@pytest.fixture(scope="module")
def six(healthy):
    return in_folds(healthy, FOLDS)


@pytest.fixture(scope="module")
def folded_and_asked(six, laid_once) -> tuple[FittedModel, int]:
    """The model of three members, and how often a head was registered for it."""
    asked = []

    def counted(*given):
        asked.append(given)
        return laid_once["refine"](*given)

    with laying({**laid_once, "refine": counted}):
        return fit_folds(six, CROSS_FITTED, "cpu"), len(asked)


@pytest.fixture(scope="module")
def folded(folded_and_asked) -> FittedModel:
    return folded_and_asked[0]


def detectors_of(fitted: FittedModel) -> list[NormativeAsymmetry]:
    found = [each.detectors[NORMATIVE_ASYMMETRY] for each in fitted.members]
    assert all(isinstance(each, NormativeAsymmetry) for each in found)
    return found


def test_members_share_the_mean_head_of_all_and_know_no_head_of_their_fold(
    folded, healthy, laid_once
):
    detectors = detectors_of(folded)
    template = detectors[0].template
    assert all(each.frame is detectors[0].frame for each in detectors)
    heads = [_one(each) for each in healthy[:6]]
    with laying(laid_once):
        of_all = site_frame.site_template(heads, None, cap=True)
    assert np.array_equal(template.mean, of_all.mean)
    for fold, each in enumerate(detectors):
        others = [heads[i] for i in range(6) if FOLDS[i] != fold]
        assert len(others) == 4
        grey = [each.frame.of(other)[0].grey for other in others]
        norm = norm_of(grey, template.brain > 0.5)
        assert np.array_equal(each.norm.mean, norm.mean)
        assert np.array_equal(each.norm.spread, norm.spread)


def _one(batch):
    (found,) = placed_heads(batch.images, batch.poses)
    return found


def test_a_head_is_registered_once_for_all_that_is_asked_of_it(folded_and_asked, monkeypatch):
    fitted, asked = folded_and_asked
    assert asked == 2 * 6  # upon the drawn mean head, and upon the site's
    calls = []

    def counted(*given):
        calls.append(given)
        return refine(*given)

    monkeypatch.setattr(site_frame, "refine", counted)
    prepared = prepared_head(30, VOLUME)
    assert fitted.misplaced(prepared.batch) is None
    score_scans(fitted, [prepared])
    for fold in range(3):
        score_scans(fitted, [prepared], [fold])
    assert len(calls) == 1


def test_a_new_head_has_the_score_of_the_mean_map_and_the_spread_of_its_members(folded):
    prepared = prepared_head(31, VOLUME, Lesion.INFARCT)
    (found,) = score_scans(folded, [prepared])
    alone = [score_scans(folded, [prepared], [fold])[0] for fold in range(3)]
    assert np.allclose(found.maps, np.mean([each.maps for each in alone], 0), atol=1e-5)
    assert found.score == found.maps.max()  # so the threshold applies to voxels
    scores = [each.score for each in alone]
    assert len(set(scores)) == 3
    assert found.spread == pytest.approx(np.std(scores, ddof=1))
    assert all(each.spread is None for each in alone)
    for fold, each in enumerate(alone):
        (same,) = score_scans(replace(folded, members=folded.members[fold : fold + 1]), [prepared])
        assert same.score == each.score
    (among, _) = score_scans(folded, [prepared, prepared_head(30, VOLUME)])
    assert (among.score, among.spread) == (found.score, found.spread)
    assert np.array_equal(among.maps, found.maps)


def test_a_stored_model_of_several_members_gives_the_same_bits_and_shares_its_mean_head(folded):
    data = folded.to_bytes()
    again = FittedModel.from_bytes(data, "cpu")
    assert again.to_bytes() == data
    assert len({id(each.frame) for each in detectors_of(again)}) == 1
    prepared = prepared_head(31, VOLUME, Lesion.INFARCT)
    for fold in (None, 0, 1, 2):
        (one,), (other,) = (score_scans(each, [prepared], [fold]) for each in (folded, again))
        assert (one.score, one.spread) == (other.score, other.spread)
        assert np.array_equal(one.maps, other.maps)


def test_a_file_whose_members_have_different_mean_heads_is_refused(folded):
    others = [NormativeAsymmetry(each.template, each.norm) for each in detectors_of(folded)]
    last = others[-1].template
    others[-1] = NormativeAsymmetry(replace(last, mean=last.mean + 1), others[-1].norm)
    members = tuple(
        replace(each, detectors={NORMATIVE_ASYMMETRY: other})
        for each, other in zip(folded.members, others, strict=True)
    )
    with pytest.raises(ModelFileError, match="share one mean head"):
        FittedModel.from_bytes(replace(folded, members=members).to_bytes(), "cpu")

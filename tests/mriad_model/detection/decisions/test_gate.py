"""The gate: heads like those that were learned pass, with lesions too; what is none does not."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from mriad_model.detection.decisions import gate as gates
from mriad_model.detection.decisions.descriptions import described
from mriad_model.detection.decisions.gate import FEWEST, Gate, fit_gate
from mriad_model.detection.model import FittedModel, fit
from mriad_model.detection.scan_scores import score_scans
from mriad_model.errors import ModelFileError
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_slice
from mriad_model.phantom.scanner import Contrast
from mriad_model.preprocessing.slices import PreparedScan, SliceBatch, joined, prepare, stack
from mriad_model.recipes.built_in_recipes import DEFAULT, SEED
from tests.support.scans.drawn_slices import drawn_slices

LIMIT = 5.0


@cache
def heads(
    n: int, seed: int = 0, contrast: Contrast = Contrast.FLAIR, lesion: Lesion | None = None
) -> SliceBatch:
    drawn = [phantom_slice(seed + i, contrast, lesion, 128).pixels for i in range(n)]
    return stack([prepare(each, DEFAULT.preprocessing) for each in drawn])


def pictures(*pixels: np.ndarray) -> SliceBatch:
    return stack([prepare(each.astype(np.uint8), DEFAULT.preprocessing) for each in pixels])


@pytest.fixture(scope="module")
def learned() -> Gate:
    found = fit_gate(heads(30), list(range(30)), LIMIT)
    assert found is not None
    return found


def test_a_head_like_those_that_were_learned_passes_and_one_with_a_lesion_too(
    learned: Gate,
) -> None:
    assert (learned.values(heads(10, seed=500)) > 1).mean() <= 0.1
    for lesion in (Lesion.INFARCT, Lesion.MASS):
        assert (learned.values(heads(5, 700, lesion=lesion)) > 1).mean() <= 0.2


def test_noise_and_patterns_do_not_pass(learned: Gate) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    noise = [rng.random((160, 160)) * 255 for _ in range(5)]
    clouds = [cv2.GaussianBlur(rng.random((160, 160)), (0, 0), s) for s in (2, 4, 8)]
    clouds = [255 * (c - c.min()) / np.ptp(c) for c in clouds]
    drawn = [255 * (np.sin(f * x * 9) > 0) for f in (1, 3)]
    drawn += [127 * (1 + x), 200 * (np.hypot(x, y) < 0.6)]
    assert (learned.values(pictures(*noise, *clouds, *drawn)) > 1).all()


def test_a_slice_s_value_has_the_same_bits_in_any_company(learned: Gate) -> None:
    batch = heads(10, seed=500)
    together = learned.values(batch)
    for i in (0, 7, 9):
        assert learned.values(batch.take([i]))[0] == together[i]
    assert np.array_equal(learned.values(batch.take([3, 1, 2])), together[[3, 1, 2]])


def test_scans_of_one_group_are_no_neighbours_of_each_other() -> None:
    """Ten copies of each head would make every other head look odd."""
    few = heads(12)
    copies = few.take(np.repeat(np.arange(12), 10))
    grouped = fit_gate(copies, np.repeat(np.arange(12), 10).tolist(), LIMIT)
    apart = fit_gate(copies, list(range(120)), LIMIT)
    assert grouped is not None
    assert apart is not None
    new = heads(10, seed=500)
    assert np.median(grouped.values(new)) < 0.75
    assert np.median(apart.values(new)) > 1


def test_too_few_groups_have_no_gate() -> None:
    assert fit_gate(heads(12), [i % (FEWEST - 1) for i in range(12)], LIMIT) is None


def test_the_shrunk_covariance_is_scikit_learns() -> None:
    values = np.random.default_rng(0).gamma(2, size=(30, 12))
    expected = LedoitWolf().fit(values).covariance_
    assert np.allclose(gates._covariance(values, len(values)), expected)


def test_empty_slices_are_described() -> None:
    blank = SliceBatch(np.zeros((2, 128, 128), np.float32), np.zeros((2, 128, 128), np.bool_))
    assert all(np.isfinite(each).all() for each in described(blank).values())


@pytest.fixture(scope="module")
def model(learned: Gate) -> FittedModel:
    recipe = SEED.with_training(max_epochs=1)
    fitted = fit(drawn_slices(4, recipe), drawn_slices(4, recipe, seed=1), recipe, device="cpu")
    return replace(fitted, gate=learned)


def test_a_model_keeps_its_gate_to_the_last_bit(model: FittedModel) -> None:
    read = FittedModel.from_bytes(model.to_bytes(), "cpu")
    assert read.to_bytes() == model.to_bytes()
    assert read.gate is not None
    assert model.gate is not None
    batch = heads(10, seed=500)
    assert np.array_equal(read.gate.values(batch), model.gate.values(batch))
    scans = [PreparedScan(batch.take([i]), [], (0,), 1) for i in (0, 1)]
    found = score_scans(read, scans)
    assert [each.gate for each in found] == model.gate.values(batch.take([0, 1])).tolist()
    assert [each.gate for each in score_scans(replace(read, gate=None), scans)] == [None, None]


@pytest.mark.parametrize(
    "change",
    [
        {"limit": 0.0},
        {"limit": float("nan")},
        {"usual": {}},
        {"more": 1.0},
    ],
)
def test_a_gate_that_is_none_is_refused(model: FittedModel, change: dict[str, object]) -> None:
    class Other(Gate):
        def about(self) -> dict[str, object]:
            return super().about() | change

    assert model.gate is not None
    wrong = replace(model, gate=Other(model.gate.blocks, model.gate.limit))
    with pytest.raises(ModelFileError):
        FittedModel.from_bytes(wrong.to_bytes(), "cpu")


def test_a_learned_slice_is_judged_by_those_of_other_folds(learned: Gate) -> None:
    """It is its own nearest neighbour, so nothing else could be odd about it."""
    rng = np.random.default_rng(1)
    noise = prepare((rng.random((128, 128)) * 255).astype(np.uint8), DEFAULT.preprocessing)
    known = heads(30)
    batch = SliceBatch(
        np.concatenate([known.images, noise.image[None]]),
        np.concatenate([known.masks, noise.mask[None]]),
    )
    folds = [i % 3 for i in range(31)]
    fitted = fit_gate(batch, list(range(31)), LIMIT, folds)
    assert fitted is not None
    out_of_fold = [fitted.values(batch.take([i]), folds[i])[0] for i in range(31)]
    assert out_of_fold[30] > max(out_of_fold[:30])
    assert np.mean(np.array(out_of_fold[:30]) > 1) <= 0.1
    assert np.median(out_of_fold[:30]) > np.median(fitted.values(known))


def test_a_learned_slice_is_judged_beside_other_groups_as_if_its_own_had_not_been_learned() -> None:
    rng = np.random.default_rng(1)
    noise = pictures(*(rng.random((160, 160)) * 255 for _ in range(4)))
    slices = joined([heads(40), noise])
    groups = [*range(40), 40, 40, 40, 40]  # four pictures of one patient, near each other
    found = fit_gate(slices, groups, LIMIT)
    assert found is not None
    among, plain = found.values_among(slices, groups), found.values(slices)
    assert (among >= plain).all()  # others are no nearer than what was learned of itself
    assert (plain[40:] < among[40:]).all()
    assert among[40:].min() > np.quantile(among[:40], 0.9)
    assert (among[:40] > 1).mean() <= 0.1

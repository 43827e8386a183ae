"""What is air and what is padding: values that no scanner measures change no verdict."""

import numpy as np
import pytest

from mriad_model.phantom.lesions import Lesion
from mriad_model.preprocessing.air import without_padding
from mriad_model.preprocessing.volumes import prepare_volume
from mriad_model.readers.volume.volumes import volume_of
from tests.support.scans.cases import RECIPE, flair_head, series_in

CLOSE = 0.01  # of the score


def ellipsoid(shape=(20, 60, 50)):
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return x**2 + y**2 + z**2


@pytest.fixture(scope="module")
def infarct():
    return flair_head(3, Lesion.INFARCT)


@pytest.fixture(scope="module")
def plain(flair_judge, infarct):
    """The scores of the head without padding."""
    return flair_judge.scored(infarct)


def corners(shape):
    _, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return x**2 + y**2 > 1


def border(shape, wide=3):
    mask = np.ones(shape, np.bool_)
    mask[:, wide:-wide, wide:-wide] = False
    return mask


def slices(shape, n):
    mask = np.zeros(shape, np.bool_)
    mask[-n:] = True  # above the head
    return mask


PLACES = {
    "corners": corners,
    "border": border,
    "one slice": lambda shape: slices(shape, 1),
    "four slices": lambda shape: slices(shape, 4),
}


def filled(voxels, where, padding):
    values = voxels.astype(np.float32)
    n = np.count_nonzero(where)
    if padding == "gradient":
        values[where] = np.linspace(-2000, -3500, n)
    elif padding == "noise":
        values[where] = np.random.default_rng(0).normal(-2000, 100, n)
    else:
        values[where] = padding
    return values


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("padding", [-150, -1024, -2000, -32768, "gradient", "noise"])
def test_padding_changes_neither_positions_nor_score(flair_judge, infarct, plain, place, padding):
    where = PLACES[place](infarct.voxels.shape)
    padded = volume_of(filled(infarct.voxels, where, padding), infarct.affine, infarct.origin)
    found = flair_judge.scored(padded)
    assert found.positions == plain.positions
    assert found.score == pytest.approx(plain.score, rel=CLOSE)


@pytest.mark.parametrize("case", ["neg2000", "neg32768"])
def test_a_padded_series_is_judged_as_the_one_without(cases, flair_judge, case):
    (plain,) = series_in(cases / "03-padding/none")
    (padded,) = series_in(cases / "03-padding" / case)
    one, other = flair_judge.scored(plain), flair_judge.scored(padded)
    assert one.score > flair_judge.threshold.value
    assert other.positions == one.positions
    assert other.score == pytest.approx(one.score, rel=CLOSE)


def test_padding_with_interpolated_edges_is_taken_off_with_them():
    radius = ellipsoid()
    values = np.where(radius < 0.5, 1000.0, 20.0 + 5 * np.sin(900 * radius))
    edge = (radius > 1.3) & (radius <= 1.35)
    values[edge] = np.linspace(-1800, -200, np.count_nonzero(edge))
    values[radius > 1.35] = -2000
    assert without_padding(values).min() > 0


class TestNoPadding:
    """What is judged as it always was: the very same sample comes back."""

    def test_a_volume_without_negative_values(self, infarct):
        assert without_padding(infarct.voxels) is infarct.voxels

    def test_small_negative_values_of_interpolation(self):
        noise = np.random.default_rng(1).normal(0, 12, (20, 60, 50))
        values = np.where(ellipsoid() < 0.5, 1000.0, 0) + noise
        assert without_padding(values) is values

    def test_few_values_far_below(self, infarct):
        values = infarct.voxels.astype(np.float32)
        values[0, 0, :40] = -5000
        assert without_padding(values) is values

    def test_a_brain_without_its_skull_on_a_negative_background(self):
        rng = np.random.default_rng(2)
        brain = rng.normal(600, 120, (20, 60, 50))
        values = np.where(ellipsoid() < 0.8, brain, -1024)
        assert without_padding(values) is values

    def test_a_head_scaled_to_mean_0(self, infarct):
        values = infarct.voxels.astype(np.float32)
        values = (values - values.mean()) / values.std()
        assert without_padding(values) is values


def test_the_air_is_that_of_the_plain_head(infarct):
    where = corners(infarct.voxels.shape)
    padded = volume_of(filled(infarct.voxels, where, -32768), infarct.affine, infarct.origin)
    plain, found = (prepare_volume(each, RECIPE).grey for each in (infarct, padded))
    assert found[0] == pytest.approx(plain[0], abs=0.01 * (plain[1] - plain[0]))

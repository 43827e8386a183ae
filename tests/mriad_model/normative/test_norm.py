import numpy as np
import pytest

from mriad_model.normative.norm import FEATURES, MOST, OF_NETWORK, features, norm_of
from mriad_model.normative.registration.frame import SHAPE

BRAIN = np.zeros(SHAPE, np.bool_)
BRAIN[10:45, 14:52, 14:50] = True


def heads(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [(0.5 + 0.05 * rng.standard_normal(SHAPE)).astype(np.float32) for _ in range(n)]


@pytest.fixture(scope="module")
def norm():
    return norm_of(heads(12), BRAIN)


def test_left_and_right_are_alike(norm):
    assert np.allclose(norm.mean, norm.mean[..., ::-1], atol=1e-6)
    assert np.allclose(norm.spread, norm.spread[..., ::-1], atol=1e-6)


def test_a_healthy_head_lies_within_a_few_spreads(norm):
    z = 3 * norm.z_maps(heads(13)[-1])
    assert z.shape == (len(FEATURES), *SHAPE)
    assert np.abs(z[0][BRAIN]).mean() < 1.2


def test_a_dark_place_is_far_below_and_lacks_its_mirror_image(norm):
    head = heads(13)[-1]
    head[24:30, 30:36, 20:26] = 0.1

    z = norm.z_maps(head)

    assert z[0][27, 33, 23] < -1
    assert z[1][27, 33, 23] < -1
    assert z[1][27, 33, SHAPE[2] - 1 - 23] > -0.5  # on the other side, by its neighbours, little


def test_z_maps_are_cut_off(norm):
    assert np.abs(norm.z_maps(np.full(SHAPE, 1e4, np.float32))).max() == MOST


def test_one_head_alone_has_a_spread():
    lonely = norm_of([np.full(SHAPE, 0.5, np.float32)], BRAIN)
    assert (lonely.spread > 0).all()
    assert np.isfinite(lonely.z_maps(heads(1)[0])).all()


def test_a_small_change_stands_out_where_healthy_heads_hardly_differ():
    rng = np.random.default_rng(6)
    usual = np.full(SHAPE, 0.05, np.float32)
    quiet = slice(20, 36), slice(24, 42), slice(18, 46)  # left and right alike
    usual[quiet] = 0.005
    seen = [0.5 + usual * rng.standard_normal(SHAPE).astype(np.float32) for _ in range(12)]
    ill = np.full(SHAPE, 0.5, np.float32)
    ill[26:30, 31:35, 25:29] += 0.02

    sharp, steadied = (norm_of(seen, BRAIN, *how).z_maps(ill)[0] for how in ((), (OF_NETWORK,)))

    assert 3 * sharp[28, 33, 27] > 5
    assert sharp[28, 33, 27] > 2 * steadied[28, 33, 27]


def test_no_head_is_no_norm():
    with pytest.raises(ValueError, match="needs a healthy head"):
        norm_of([], BRAIN)


def test_asymmetry_forgives_a_structure_that_lies_near_its_place():
    head = np.full(SHAPE, 0.5, np.float32)
    head[26:30, 30:34, 20:24] = 0.8
    head[26:30, 31:35, 39:43] = 0.8  # mirrored, a voxel or so off

    lopsided = np.full(SHAPE, 0.5, np.float32)
    lopsided[26:30, 30:34, 20:24] = 0.8

    assert features(head)[1].max() < 0.3 * features(lopsided)[1].max()

import numpy as np
import pytest

from mriad_model.normative.framed_head import depth_in_head, head_in_frame
from mriad_model.normative.registration.mean_heads import T1, drawn_template
from mriad_model.normative.z_maps.implanted_lesions import (
    SIZES,
    LesionKind,
    cavity,
    foreign,
    greys_of,
    implant,
    ring,
    scale,
    shift,
    solid,
    spots,
)
from mriad_model.normative.z_maps.implanted_lesions import _site as site_of

HEAD = drawn_template(T1).mean
DEPTH = depth_in_head(head_in_frame(HEAD))
GREYS = greys_of(HEAD, DEPTH)


def put(seed: int):
    head = HEAD.copy()
    rng = np.random.default_rng(seed)
    return head, *implant(rng, head, DEPTH, lambda: HEAD[:, :, ::-1], GREYS)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_changes_outside_the_box_nor_outside_the_head(seed):
    head, _, box, share = put(seed)
    changed = head != HEAD
    outside = np.ones(HEAD.shape, np.bool_)
    outside[box] = False
    assert not changed[outside].any()
    assert not changed[DEPTH == 0].any()
    assert share.shape == HEAD[box].shape
    assert share.min() >= 0
    assert share.max() <= 1


def test_the_same_seed_gives_the_same_bits():
    first, again = put(5), put(5)
    assert first[1:3] == again[1:3]
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[3], again[3])


def test_every_kind_comes_and_most_are_plain_to_see():
    kinds, seen = set(), 0
    for seed in range(80):
        head, kind, _, share = put(seed)
        kinds.add(kind)
        seen += bool((np.abs(head - HEAD) > 0.1).sum() > 5 and (share > 0.5).any())
    assert kinds == set(LesionKind)
    assert seen > 50


def site(seed: int = 3):
    return site_of(np.random.default_rng(seed), HEAD.copy(), DEPTH, GREYS)


def test_a_cavity_is_as_dark_as_fluid():
    values, share = cavity(np.random.default_rng(1), site())
    core = share > 0.9
    assert np.median(values[core]) < GREYS.fluid + 0.6 * GREYS.reach
    assert np.median(values[core]) < np.median(site().values[core])


@pytest.mark.parametrize("fill", [solid, shift, scale, ring, spots])
def test_what_fills_a_lesion_lies_where_its_share_says(fill):
    for seed in range(4):
        place = site(seed)
        values, share = fill(np.random.default_rng(seed), place)
        change = np.abs(values - place.values)
        assert change[share == 0].max(initial=0) < 1e-6
        assert change[share > 0.9].mean() > 0.02


def test_foreign_tissue_is_another_heads():
    place = site()
    values, share = foreign(np.random.default_rng(0), place, np.full(HEAD.shape, 0.9, np.float32))
    core = (share > 0.99) & (place.values < 0.8)
    assert (values[core] > place.values[core]).all()


def test_sizes_reach_from_lacunes_to_territories():
    sizes = [site(seed).size for seed in range(40)]
    assert min(sizes) < 9
    assert max(sizes) > 25
    assert all(SIZES[0] <= each <= SIZES[1] for each in sizes)


def test_a_head_of_which_nothing_lies_deep_gets_usual_greys():
    assert greys_of(HEAD, np.zeros_like(DEPTH)).middle == 0.5

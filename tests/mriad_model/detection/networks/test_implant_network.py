import numpy as np
import pytest
import torch

from mriad_model.detection.networks.implant_network import (
    HEALTHY,
    INPUTS,
    SIDE,
    bare_network,
    inputs_of_both,
    new_network,
    places_of,
    stored_network,
)
from tests.support.scans.drawn_slices import ellipses


def fresh(seed=0):
    return new_network(torch.Generator().manual_seed(seed)).eval()


def test_it_has_as_many_weights_as_it_says():
    assert sum(weight.numel() for weight in bare_network().parameters()) == 275_140


def test_the_weights_come_from_the_generator_alone():
    torch.manual_seed(1)
    one = fresh().state_dict()
    torch.manual_seed(2)
    two, other = fresh().state_dict(), fresh(seed=1).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["stem.weight"], other["stem.weight"])
    assert all(weight.isfinite().all() for weight in one.values())


def test_an_untrained_network_calls_everything_healthy():
    heads = ellipses(2, SIDE)
    found = fresh()(torch.from_numpy(heads.images), torch.from_numpy(places_of(heads.masks)))
    assert found.shape == (2, 1, 64, 64)
    assert (found == HEALTHY).all()


def test_weights_of_another_shape_are_refused():
    weights = fresh().state_dict()
    weights["stem.weight"] = torch.zeros(3)
    with pytest.raises(RuntimeError):
        stored_network(weights)


def test_places_tell_depth_row_and_distance_from_the_midline():
    mask = np.zeros((1, SIDE, SIDE), np.bool_)
    mask[0, 20:108, 34:94] = True

    depth, row, aside = places_of(mask)[0]

    assert depth.max() == depth[32, 32] == 1
    assert (row[10, 32], row[53, 32]) == (pytest.approx(-1, abs=0.05), pytest.approx(1, abs=0.05))
    np.testing.assert_array_equal(aside, aside[:, ::-1])
    assert aside[32, 17] > aside[32, 31] > 0
    assert not places_of(~mask & False).any()


def test_a_slice_and_its_mirror_image_are_laid_out_as_each_by_itself():
    heads = ellipses(3, SIDE)
    images = torch.from_numpy(heads.images) * torch.rand(SIDE, generator=torch.manual_seed(3))
    places = torch.from_numpy(places_of(heads.masks))

    plain, mirrored = inputs_of_both(images, places)
    again, back = inputs_of_both(images.flip(-1), places.flip(-1))

    assert plain.shape == (3, INPUTS, 64, 64)
    assert torch.equal(mirrored, again)
    assert torch.equal(plain, back)
    assert not torch.equal(plain, mirrored)

import numpy as np
import pytest
import torch

from mriad_model.normative.framed_head import head_in_frame
from mriad_model.normative.registration.frame import SHAPE
from mriad_model.normative.registration.mean_heads import T1, drawn_template
from mriad_model.normative.z_maps.network import (
    NOWHERE,
    PLANES,
    RARE,
    drawn_network,
    fresh_network,
    logits,
    plane_channels,
    stored_network,
)

CPU = torch.device("cpu")
INSIDE = head_in_frame(drawn_template(T1).mean)
QUIET = np.zeros((3, *SHAPE), np.float32)


def infarct() -> np.ndarray:
    """z-maps of a dark place that the other side lacks."""
    z = QUIET.copy()
    z[:, 24:31, 28:35, 40:46] = -2.5
    return z


def test_a_fresh_network_finds_nothing_and_repeats_by_seed():
    first, again = (fresh_network(torch.Generator().manual_seed(1)) for _ in range(2))
    shown = torch.from_numpy(plane_channels(infarct(), INSIDE, [26, 27]))
    assert torch.allclose(first(shown), torch.full((2, 1, 64, 64), RARE))
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_shipped_network_finds_a_dark_place_and_its_side():
    found = logits(drawn_network(), infarct(), INSIDE, CPU)
    plane, row, column = np.unravel_index(found.argmax(), SHAPE)
    assert found.max() > 0
    assert 22 <= plane <= 32
    assert 26 <= row <= 37
    assert 38 <= column <= 48
    mirrored = found[24:31, 28:35, 64 - 46 : 64 - 40]
    assert mirrored.mean() < found[24:31, 28:35, 40:46].mean() - 2


def test_the_shipped_network_finds_nothing_in_a_mean_head():
    assert logits(drawn_network(), QUIET, INSIDE, CPU)[INSIDE].max() < 0


def test_a_mirrored_head_has_the_mirrored_map():
    z = infarct()
    found = logits(drawn_network(), z, INSIDE, CPU)
    turned = logits(
        drawn_network(), np.ascontiguousarray(z[..., ::-1]), INSIDE[..., ::-1].copy(), CPU
    )
    assert np.allclose(turned[..., ::-1], found, atol=1e-4)


def test_outside_the_head_and_beyond_the_planes_there_is_nothing():
    found = logits(drawn_network(), infarct(), INSIDE, CPU)
    assert (found[~INSIDE] == NOWHERE).all()
    assert (found[: PLANES.start] == NOWHERE).all()
    assert (found[PLANES.stop :] == NOWHERE).all()


def test_channels_tell_place_and_both_sides():
    z = infarct()
    (shown,) = plane_channels(z, INSIDE, [27])
    assert np.array_equal(shown[5], shown[4][:, ::-1])
    assert np.array_equal(shown[6], z[1, 27] / 2)
    assert shown[0].max() == 1
    assert shown[2, 32, 31] < shown[2, 32, 10]


def test_weights_of_another_shape_are_refused():
    weights = dict(drawn_network().state_dict())
    weights["stem.weight"] = weights["stem.weight"][:, :4]
    with pytest.raises(RuntimeError, match=r"stem\.weight"):
        stored_network(weights)

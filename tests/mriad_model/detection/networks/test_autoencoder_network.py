import pytest
import torch

from mriad_model.detection.networks.autoencoder_network import (
    BlockedLinear,
    ConvAutoencoder,
    build_network,
)
from mriad_model.errors import SettingsError
from mriad_model.recipes.built_in_recipes import SEED
from mriad_model.recipes.recipe import NetworkShape

PUBLISHED = SEED.detectors[0].network


def test_the_seed_network_has_the_published_layers():
    shapes = {
        name: tuple(t.shape) for name, t in ConvAutoencoder(PUBLISHED, 128).named_parameters()
    }

    assert [s for name, s in shapes.items() if name.endswith("weight")] == [
        (32, 1, 3, 3),
        (64, 32, 3, 3),
        (128, 64, 3, 3),
        (256, 32768),
        (32768, 256),
        (128, 64, 3, 3),
        (64, 32, 3, 3),
        (32, 1, 3, 3),
    ]
    kinds = [type(module).__name__ for module in ConvAutoencoder(PUBLISHED, 128).decoder]
    assert kinds == [
        "Linear",
        "ReLU",
        "Unflatten",
        "ConvTranspose2d",
        "ReLU",
        "ConvTranspose2d",
        "ReLU",
        "ConvTranspose2d",
        "Sigmoid",
    ]


@pytest.mark.parametrize(("channels", "size"), [((4,), 8), ((4, 8, 8), 32), ((2, 2, 2, 2), 16)])
def test_a_reconstruction_has_the_shape_and_range_of_its_slice(channels, size):
    network = build_network(NetworkShape(channels, 5), size, torch.Generator().manual_seed(0))

    with torch.no_grad():
        found = network(torch.rand(3, 1, size, size))

    assert found.shape == (3, 1, size, size)
    assert 0 < found.min() < found.max() < 1


def test_the_dense_layer_gives_the_same_in_blocks_as_at_once():
    generator = torch.Generator().manual_seed(0)
    layer, inputs = BlockedLinear(96, 5), torch.rand(7, 96, generator=generator)

    with torch.no_grad():
        layer.weight.uniform_(-1, 1, generator=generator)
        at_once, in_blocks = layer.train()(inputs), layer.eval()(inputs)

    torch.testing.assert_close(in_blocks, at_once)


def test_a_size_that_cannot_be_halved_often_enough_is_refused():
    with pytest.raises(SettingsError, match="halved"):
        ConvAutoencoder(PUBLISHED, 100)


def test_fresh_weights_follow_torchs_own_distribution():
    ours = build_network(NetworkShape((8, 16), 32), 32, torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = ConvAutoencoder(NetworkShape((8, 16), 32), 32)

    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        if one.ndim < 2:
            continue
        assert one.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.2)
        assert one.std().item() == pytest.approx(other.std().item(), rel=0.2)

"""The convolutional autoencoder."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from mriad_model.errors import SettingsError
from mriad_model.recipes.recipe import NetworkShape

BLOCKS = 16  # in which a long sum is added up


class BlockedLinear(nn.Linear):
    """A dense layer that adds up the same way on one thread and on many.

    A long sum over few outputs is split among the threads, so its last bits depend on their
    number. Out of training it is therefore added in fixed blocks, at no cost in time. (With a
    number that is no power of two, torch's other layers still differ in a last bit.)
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Weights times `inputs` (N, in), and the bias; (N, out)."""
        if self.training:
            return super().forward(inputs)
        blocks = math.gcd(self.in_features, BLOCKS)
        rows = torch.unflatten(inputs, 1, (blocks, -1)).transpose(0, 1)  # (N, in) -> (B, N, in / B)
        columns = torch.unflatten(self.weight, 1, (blocks, -1)).permute(1, 2, 0)  # (B, in / B, out)
        return torch.bmm(rows, columns).sum(0) + self.bias


class ConvAutoencoder(nn.Module):
    """Stride-2 convolutions down to a dense bottleneck, and their mirror image back.

    With channels (32, 64, 128), latent 256 and size 128 this is the published network: 3x3
    convolutions, stride 2, padding 1; dense 32768 -> 256 -> 32768 with ReLU; transposed
    convolutions with output padding 1; a sigmoid at the end.
    """

    def __init__(self, shape: NetworkShape, size: int) -> None:
        super().__init__()
        side, odd = divmod(size, 2 ** len(shape.channels))
        if odd or side < 1:
            raise SettingsError(f"{size} pixels cannot be halved {len(shape.channels)} times")
        channels = (1, *shape.channels)
        deepest = shape.channels[-1]
        flat = deepest * side * side
        down: list[nn.Module] = []
        for near, far in pairwise(channels):
            down += [nn.Conv2d(near, far, 3, stride=2, padding=1), nn.ReLU()]
        up: list[nn.Module] = []
        for far, near in pairwise(reversed(channels)):
            up += [
                nn.ConvTranspose2d(far, near, 3, stride=2, padding=1, output_padding=1),
                nn.ReLU(),
            ]
        up[-1] = nn.Sigmoid()
        dense = BlockedLinear(flat, shape.latent)
        self.encoder = nn.Sequential(*down, nn.Flatten(), dense, nn.ReLU())
        self.decoder = nn.Sequential(
            nn.Linear(shape.latent, flat), nn.ReLU(), nn.Unflatten(1, (deepest, side, side)), *up
        )

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct `images` (N, 1, S, S) in [0, 1]; the same shape and range."""
        z = self.encoder(images)  # (N, 1, S, S) -> (N, latent)
        reconstruction: Tensor = self.decoder(z)  # (N, latent) -> (N, 1, S, S)
        return reconstruction


def build_network(shape: NetworkShape, size: int, generator: torch.Generator) -> ConvAutoencoder:
    """A fresh network on the CPU, its weights drawn from `generator` alone.

    Torch's own initialisation draws from the global generator, which other threads share; so
    the network is made without storage, and filled here with the same distributions.
    """
    network = bare_network(shape, size).to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            assert module.bias is not None
            fan_in, _ = nn.init._calculate_fan_in_and_fan_out(module.weight)
            bound = 1 / math.sqrt(fan_in)
            with torch.no_grad():
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.uniform_(-bound, bound, generator=generator)
    return network


def stored_network(shape: NetworkShape, size: int, weights: dict[str, Tensor]) -> ConvAutoencoder:
    """A network with `weights`. Raises RuntimeError where they are not of its shape."""
    network = bare_network(shape, size)
    network.load_state_dict(weights, assign=True)
    if any(weight.dtype != torch.float32 for weight in weights.values()):
        raise RuntimeError("weights that are not float32")
    return network


def bare_network(shape: NetworkShape, size: int) -> ConvAutoencoder:
    """A network without storage: it costs no memory, whatever its shape, and no random number."""
    with torch.device("meta"):
        return ConvAutoencoder(shape, size)

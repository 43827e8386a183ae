"""The network that segments implants: a small U-Net that sees each slice beside its mirror image.

Slices of 128 pixels a side, upright, go in; logits of 64 come out. It works at 32 pixels and
below: an anomaly is a region, not a pixel.
"""

import math
from functools import reduce
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as fn

SIDE: Final = 128  # pixels of a slice
MAP_SIDE: Final = 64  # pixels of its map
WIDTHS: Final = (32, 64, 96)  # channels at 32, 16 and 8 pixels
INPUTS: Final = 13
NEAR: Final = 5  # pixels of 64: how far off its mirror image a structure may lie
ODDITY: Final = 4.0  # factor of what exceeds the mirror image: seldom more than a quarter
HEALTHY: Final = -3.0  # logit that an untrained network gives everywhere


class ImplantNetwork(nn.Module):
    """A U-Net with GroupNorm (Wu and He 2018) and SiLU; 275,140 weights.

    After Ronneberger et al. 2015.
    """

    def __init__(self) -> None:
        super().__init__()
        near, middle, far = WIDTHS
        self.stem = nn.Conv2d(INPUTS, near, 4, stride=2, padding=1)
        self.down_near = _block(near, near, 2)
        self.down_middle = _block(near, middle, 2)
        self.down_far = _block(middle, far, 2)
        self.lift_middle = nn.Conv2d(far, middle, 1)
        self.up_middle = _block(middle, middle, 1)
        self.lift_near = nn.Conv2d(middle, near, 1)
        self.up_near = _block(near, near, 1)
        self.out = nn.Conv2d(near, 4, 3, padding=1)

    def forward(self, images: Tensor, places: Tensor) -> Tensor:
        """Logits of an anomaly, (N, 1, 64, 64), of slices (N, 128, 128) and their places."""
        return self.logits(_inputs(images, places))

    def logits(self, x: Tensor) -> Tensor:
        """The same of what `inputs_of_both` makes of slices, (N, 13, 64, 64)."""
        near = self.down_near(fn.silu(self.stem(x)))  # (N, 13, 64, 64) -> (N, 32, 32, 32)
        middle = self.down_middle(fn.max_pool2d(near, 2))  # -> (N, 64, 16, 16)
        far = self.down_far(fn.max_pool2d(middle, 2))  # -> (N, 96, 8, 8)
        middle = self.up_middle(_twice(self.lift_middle(far)) + middle)
        near = self.up_near(_twice(self.lift_near(middle)) + near)
        return fn.pixel_shuffle(self.out(near), 2)  # (N, 4, 32, 32) -> (N, 1, 64, 64)


def places_of(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Where in its head each pixel lies, for heads (N, 128, 128); (N, 3, 64, 64), 0 outside.

    Depth from the edge (1 at the deepest), row (-1 at the top, 1 at the bottom of the head) and
    distance from the midline (1 at the square's edge).
    """
    places = np.zeros((len(masks), 3, MAP_SIDE, MAP_SIDE), np.float32)
    rows, columns = (axis.astype(np.float32) for axis in np.mgrid[0:MAP_SIDE, 0:MAP_SIDE])
    aside = np.abs(columns - (MAP_SIDE - 1) / 2) / (MAP_SIDE / 2)
    for place, mask in zip(places, masks, strict=True):
        head = np.ascontiguousarray(mask[::2, ::2]).view(np.uint8)
        depth = cv2.distanceTransform(head, cv2.DIST_L2, 3)
        place[0] = depth / max(float(depth.max()), 1.0)
        filled = np.flatnonzero(head.any(axis=1))
        if len(filled):
            place[1] = (rows - np.float32(filled.mean())) * (2 / len(filled)) * head
        place[2] = aside * head
    return places


def new_network(generator: torch.Generator) -> ImplantNetwork:
    """A fresh network on the CPU, its weights drawn from `generator` alone.

    With the distributions of torch's own initialisation, which draws from a generator that other
    threads share. It calls everything healthy at first.
    """
    network = bare_network().to_empty(device="cpu")
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.GroupNorm):
                module.reset_parameters()
            if isinstance(module, nn.Conv2d):
                fan_in, _ = nn.init._calculate_fan_in_and_fan_out(module.weight)
                for tensor in (module.weight, module.bias):
                    if tensor is not None:
                        bound = 1 / math.sqrt(fan_in)
                        tensor.uniform_(-bound, bound, generator=generator)
        network.out.weight.zero_()
        assert network.out.bias is not None
        network.out.bias.fill_(HEALTHY)
    return network


def stored_network(weights: dict[str, Tensor]) -> ImplantNetwork:
    """A network with `weights`. Raises RuntimeError where they are not of its shape."""
    network = bare_network()
    network.load_state_dict(weights, assign=True)
    return network


def bare_network() -> ImplantNetwork:
    """A network without storage: it costs no memory and no random number."""
    with torch.device("meta"):
        return ImplantNetwork()


def inputs_of_both(images: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """What the network sees of slices (N, 128, 128), and of their mirror images."""
    flipped = images.flip(-1)
    plain, mirrored = _unshuffled(images), _unshuffled(flipped)
    return (
        _laid_out([plain, mirrored, *_oddities(images), places]),
        _laid_out([mirrored, plain, *_oddities(flipped), places.flip(-1)]),
    )


def _inputs(images: Tensor, places: Tensor) -> Tensor:
    """What the network sees, (N, 13, 64, 64): the slice, its mirror image, both at half scale.

    And by how much the slice exceeds or falls below all that its mirror image has near there.
    """
    mirrored = _unshuffled(images.flip(-1))
    return _laid_out([_unshuffled(images), mirrored, *_oddities(images), places])


def _laid_out(channels: list[Tensor]) -> Tensor:
    return torch.cat(channels, 1).contiguous(memory_format=torch.channels_last)


def _unshuffled(images: Tensor) -> Tensor:
    return fn.pixel_unshuffle(images[:, None], 2)  # (N, 128, 128) -> (N, 4, 64, 64)


def _oddities(images: Tensor) -> tuple[Tensor, Tensor]:
    """By how much slices exceed their mirror images, and fall below them, (N, 1, 64, 64) each."""
    smooth = fn.avg_pool2d(fn.avg_pool2d(images[:, None], 2), 3, stride=1, padding=1)
    other = smooth.flip(-1)
    above = fn.relu(smooth - _largest_near(other))
    below = fn.relu(-_largest_near(-other) - smooth)
    return ODDITY * above, ODDITY * below


def _largest_near(maps: Tensor) -> Tensor:
    """The largest value near each pixel of (N, 1, 64, 64), as `fn.max_pool2d` finds it.

    Along rows, then along columns, a shift at a time: ten times as fast on a CPU.
    """
    side, pad = maps.shape[-1], NEAR // 2
    padded = fn.pad(maps, (pad,) * 4, value=-math.inf)
    along = reduce(torch.maximum, [padded[..., i : i + side] for i in range(NEAR)])
    return reduce(torch.maximum, [along[..., i : i + side, :] for i in range(NEAR)])


def _block(channels: int, wanted: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(convolutions):
        layers += [
            nn.Conv2d(wanted if number else channels, wanted, 3, padding=1, bias=False),
            nn.GroupNorm(8, wanted),
            nn.SiLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _twice(maps: Tensor) -> Tensor:
    return fn.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)

"""A small U-Net that turns z-maps, plane by plane, into the chance that a place is anomalous.

What a plane's neighbours show reaches it through the z-maps, which are smoothed in three
dimensions. After Ronneberger et al. 2015, https://doi.org/10.1007/978-3-319-24574-4_28.
"""

import math
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as fn

from mriad_model.normative.registration.frame import SHAPE, Floats
from mriad_model.normative.shipped_file import shipped

WEIGHTS: Final = Path(__file__).parent / "drawn_network.safetensors"
SHA256: Final = "cc3fa3fcc1671cb0d38600c356470576913402c23b601bb57208c6011edfa0b7"  # of that file

PLANES: Final = range(8, 50)  # of the frame, that are judged: skull base to vertex
N_CHANNELS: Final = 8
WIDTHS: Final = (32, 64, 96)  # channels at a half, a quarter, an eighth of the frame's pixels
NOWHERE = -8.0  # the logit outside the head
RARE = -3.0  # the logit that a fresh network gives everywhere


class ConvolutionBlock(nn.Sequential):
    """Convolutions of 3x3, each with group normalisation and SiLU."""

    def __init__(self, inputs: int, outputs: int, n: int = 2) -> None:
        parts: list[nn.Module] = []
        for number in range(n):
            convolution = nn.Conv2d(
                outputs if number else inputs, outputs, 3, padding=1, bias=False
            )
            parts += [convolution, nn.GroupNorm(min(8, outputs // 4), outputs), nn.SiLU()]
        super().__init__(*parts)


class ZMapNetwork(nn.Module):
    """From channels of a plane to logits of anomaly at the same pixels."""

    def __init__(self) -> None:
        super().__init__()
        near, middle, far = WIDTHS
        self.stem = nn.Conv2d(N_CHANNELS, near, 4, stride=2, padding=1)
        self.down1, self.down2, self.down3 = (
            ConvolutionBlock(near, near),
            ConvolutionBlock(near, middle),
            ConvolutionBlock(middle, far),
        )
        self.lateral2, self.up2 = nn.Conv2d(far, middle, 1), ConvolutionBlock(middle, middle, 1)
        self.lateral1, self.up1 = nn.Conv2d(middle, near, 1), ConvolutionBlock(near, near, 1)
        self.out = nn.Conv2d(near, 4, 3, padding=1)

    def forward(self, channels: Tensor) -> Tensor:
        """Logits (N, 1, 64, 64) of channels (N, 8, 64, 64)."""
        near = self.down1(fn.silu(self.stem(channels)))  # -> (N, 32, 32, 32)
        middle = self.down2(fn.max_pool2d(near, 2))  # -> (N, 64, 16, 16)
        far = self.down3(fn.max_pool2d(middle, 2))  # -> (N, 96, 8, 8)
        middle = self.up2(_doubled(self.lateral2(far)) + middle)
        near = self.up1(_doubled(self.lateral1(middle)) + near)
        return fn.pixel_shuffle(self.out(near), 2)  # (N, 4, 32, 32) -> (N, 1, 64, 64)


def _doubled(values: Tensor) -> Tensor:
    return fn.interpolate(values, scale_factor=2, mode="bilinear", align_corners=False)


def fresh_network(generator: torch.Generator) -> ZMapNetwork:
    """A network whose weights are drawn from `generator` alone; it finds nothing anywhere."""
    network = ZMapNetwork()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_in, _ = nn.init._calculate_fan_in_and_fan_out(module.weight)
            bound = 1 / math.sqrt(fan_in)
            with torch.no_grad():
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.uniform_(-bound, bound, generator=generator)
    nn.init.zeros_(network.out.weight)
    assert network.out.bias is not None
    nn.init.constant_(network.out.bias, RARE)
    return network


def stored_network(weights: dict[str, Tensor]) -> ZMapNetwork:
    """A network with `weights`. Raises RuntimeError where they are not of its shape."""
    with torch.device("meta"):
        network = ZMapNetwork()
    network.load_state_dict(weights, assign=True)
    return network.eval()


def drawn_network() -> ZMapNetwork:
    """The network that is shipped: trained on drawn heads, of no patient.

    Raises ModelFileError where its file is another.
    """
    return stored_network(load(shipped(WEIGHTS, SHA256)))


def plane_channels(z: Floats, inside: NDArray[np.bool_], planes: range | list[int]) -> Floats:
    """What the network is shown of planes of a head, (n, 8, 64, 64).

    Depth below the head's outline, row and distance from the midline, each within the outline;
    the plane's level; brightness and its mirror image, asymmetry, coarse brightness.

    Args:
        z: z-maps, (3, 52, 64, 64).
        inside: the head, (52, 64, 64).
        planes: which of the 52.
    """
    brightness, asymmetry, coarse = z
    found = np.empty((len(planes), N_CHANNELS, *SHAPE[1:]), np.float32)
    for place, plane in enumerate(planes):
        found[place, :3] = _position(inside[plane])
        found[place, 3] = plane / (SHAPE[0] / 2) - 1
        found[place, 4] = brightness[plane]
        found[place, 5] = brightness[plane, :, ::-1]
        found[place, 6] = asymmetry[plane] / 2
        found[place, 7] = coarse[plane]
    return found


def _position(inside: NDArray[np.bool_]) -> Floats:
    """Depth, row and distance from the midline inside an outline (64, 64): (3, 64, 64)."""
    found = np.zeros((3, *inside.shape), np.float32)
    head = inside.astype(np.uint8)
    depth = cv2.distanceTransform(head, cv2.DIST_L2, 3)
    found[0] = depth / max(float(depth.max()), 1)
    rows = np.flatnonzero(inside.any(1))
    y, x = np.mgrid[0 : inside.shape[0], 0 : inside.shape[1]].astype(np.float32)
    if len(rows):
        found[1] = (y - rows.mean(dtype=np.float32)) / len(rows) * 2 * head
    found[2] = np.abs(x - (inside.shape[1] - 1) / 2) / (inside.shape[1] / 2) * head
    return found


@torch.inference_mode()
def logits(
    network: ZMapNetwork, z: Floats, inside: NDArray[np.bool_], device: torch.device
) -> Floats:
    """Logits of anomaly in a head, (52, 64, 64): the mean of it and its mirror image."""
    shown = torch.from_numpy(plane_channels(z, inside, PLANES)).to(device)
    shown = shown.contiguous(memory_format=torch.channels_last)
    both = network(shown) + network(shown.flip(-1)).flip(-1)
    found = np.full(SHAPE, NOWHERE, np.float32)
    found[PLANES.start : PLANES.stop] = both[:, 0].cpu().numpy() / 2
    found[~inside] = NOWHERE
    return found

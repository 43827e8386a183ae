"""The other side of the head as the measure of the one. Needs no training.

A healthy head is nearly symmetric about its midline, a lesion seldom is. It means something on
axial and coronal slices only.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as fn

from mriad_model.detection.detectors.detector import Detector

SEARCH_SIZE = 32  # pixels a side at which the midline is looked for
ANGLES = tuple(range(-20, 21, 4))  # degrees from upright
NEIGHBOURHOOD = 5  # pixels a side, over which the odder of two sides is told
REFINED = (-2.0, 0.0, 2.0)  # degrees about the best of them


class Asymmetry(Detector):
    """Expects the slice's own reflection about its midline, where that is the more ordinary side.

    A difference between two sides alone does not tell which of them is ill, and would show
    every lesion twice. The side farther from the slice's ordinary grey is taken to be it.
    """

    def expected(self, images: Tensor) -> Tensor:
        """Each of `images` (N, S, S) with its odder side replaced by the other's reflection."""
        mirrored = reflect(images, *find_midline(images))
        grey = ordinary_grey(images)[:, None, None]
        odder = _around(images - grey).abs() >= _around(mirrored - grey).abs()
        return torch.where(odder, mirrored, images)


def find_midline(images: Tensor) -> tuple[Tensor, Tensor]:
    """The line about which each of `images` (N, S, S) is most like its mirror image.

    Returns its angle from upright in radians and its offset from the centre along its normal in
    half sides, both (N,). At a given angle the sum of squared differences between a picture and
    its mirror image is a constant less twice the picture's convolution with itself across the
    line; so all offsets are tried at once, by Fourier transform. Square roots keep a bright
    lesion from outweighing the head.
    """
    small = fn.adaptive_avg_pool2d(images[:, None].sqrt(), SEARCH_SIZE)
    coarse = torch.tensor([math.radians(a) for a in ANGLES], device=images.device)
    angle, offset = _best(small, coarse.expand(len(images), -1))
    fine = torch.tensor([math.radians(a) for a in REFINED], device=images.device)
    angle, offset = _best(small, angle[:, None] + fine)
    return angle, offset


def ordinary_grey(images: Tensor) -> Tensor:
    """The median of what is not black in each of `images` (N, S, S), (N,); 0 where all is."""
    seen = torch.where(images > 0, images, torch.nan)
    return seen.flatten(1).nanmedian(1).values.nan_to_num(0.0)


def reflect(images: Tensor, angle: Tensor, offset: Tensor) -> Tensor:
    """Mirror each of `images` (N, S, S) about its line; 0 where that reaches outside."""
    normal = torch.stack([torch.cos(angle), torch.sin(angle)], 1)  # (N, 2), x and y
    eye = torch.eye(2, device=images.device)
    householder = eye - 2 * normal[:, :, None] * normal[:, None, :]  # (N, 2, 2)
    theta = torch.cat([householder, (2 * offset[:, None] * normal)[:, :, None]], 2)
    return _sample(images[:, None], theta)[:, 0]


def _best(small: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """The best of `angles` (N, A) for each of `small` (N, 1, s, s), and its offset, (N,) each."""
    n, tried = angles.shape
    s = small.shape[-1]
    cos, sin, zero = torch.cos(angles), torch.sin(angles), torch.zeros_like(angles)
    rows = [torch.stack([cos, -sin, zero], -1), torch.stack([sin, cos, zero], -1)]
    theta = torch.stack(rows, -2).flatten(0, 1)  # (N*A, 2, 3)
    upright = _sample(small.repeat_interleave(tried, 0), theta)[:, 0]  # (N*A, s, s)
    spectrum = torch.fft.rfft(upright, n=2 * s)
    energy = upright.square().sum((1, 2))[:, None].clamp_min(1e-6)
    alike = torch.fft.irfft(spectrum.square().sum(1), n=2 * s)[:, : 2 * s - 1] / energy
    peak = alike.reshape(n, -1).argmax(1)
    best, lag = peak // (2 * s - 1), peak % (2 * s - 1)
    angle = angles.gather(1, best[:, None])[:, 0]
    return angle, (lag - (s - 1)) / s


def _around(images: Tensor) -> Tensor:
    """The mean of each pixel's neighbourhood in `images` (N, S, S); the same shape."""
    return fn.avg_pool2d(images[:, None], NEIGHBOURHOOD, stride=1, padding=NEIGHBOURHOOD // 2)[:, 0]


def _sample(images: Tensor, theta: Tensor) -> Tensor:
    grid = fn.affine_grid(theta, list(images.shape), align_corners=False)
    return fn.grid_sample(images, grid, padding_mode="zeros", align_corners=False)

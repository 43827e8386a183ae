"""The midline of slices: found, mirrored about, and turned upright."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as fn

SEARCH_SIZE = 32  # pixels a side at which the midline is looked for
ANGLES = tuple(range(-20, 21, 4))  # degrees from upright
REFINED = (-2.0, 0.0, 2.0)  # degrees about the best of them


class Upright(NamedTuple):
    """Slices whose midline is the middle column, and where it was."""

    images: Tensor  # (N, S, S) in [0, 1]
    masks: Tensor  # (N, S, S) bool
    angle: Tensor  # (N,) of the midline from upright, radians
    offset: Tensor  # (N,) from the centre along its normal, half sides


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


def reflect(images: Tensor, angle: Tensor, offset: Tensor) -> Tensor:
    """Mirror each of `images` (N, S, S) about its line; 0 where that reaches outside."""
    normal = torch.stack([torch.cos(angle), torch.sin(angle)], 1)  # (N, 2), x and y
    eye = torch.eye(2, device=images.device)
    householder = eye - 2 * normal[:, :, None] * normal[:, None, :]  # (N, 2, 2)
    theta = torch.cat([householder, (2 * offset[:, None] * normal)[:, :, None]], 2)
    return _sampled(images[:, None], theta)[:, 0]


def turned_upright(images: Tensor, masks: Tensor) -> Upright:
    """Turn slices (N, S, S) and the heads' masks, bool, so that the midline stands upright."""
    angle, offset = find_midline(images)
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = _theta([cos, -sin, offset * cos], [sin, cos, offset * sin])
    turned = _sampled(torch.stack([images, masks.to(images.dtype)], 1), theta, "zeros")
    return Upright(turned[:, 0], turned[:, 1] > 0.5, angle, offset)


def turned_like(maps: Tensor, upright: Upright) -> Tensor:
    """Turn maps (N, S, S) as the slices that they are of were turned upright; 0 from outside."""
    cos, sin = torch.cos(upright.angle), torch.sin(upright.angle)
    theta = _theta([cos, -sin, upright.offset * cos], [sin, cos, upright.offset * sin])
    return _sampled(maps[:, None], theta)[:, 0]


def turned_back(maps: Tensor, angle: Tensor, offset: Tensor) -> Tensor:
    """Lay maps (N, M, M) of upright slices onto the slices as they were, at any scale."""
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    theta = _theta([cos, sin, -offset], [-sin, cos, zero])
    return _sampled(maps[:, None], theta, "border")[:, 0]


def _best(small: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """The best of `angles` (N, A) for each of `small` (N, 1, s, s), and its offset, (N,) each."""
    n, tried = angles.shape
    s = small.shape[-1]
    cos, sin, zero = torch.cos(angles), torch.sin(angles), torch.zeros_like(angles)
    rows = [torch.stack([cos, -sin, zero], -1), torch.stack([sin, cos, zero], -1)]
    theta = torch.stack(rows, -2).flatten(0, 1)  # (N*A, 2, 3)
    upright = _sampled(small.repeat_interleave(tried, 0), theta)[:, 0]  # (N*A, s, s)
    spectrum = torch.fft.rfft(upright, n=2 * s)
    energy = upright.square().sum((1, 2))[:, None].clamp_min(1e-6)
    alike = torch.fft.irfft(spectrum.square().sum(1), n=2 * s)[:, : 2 * s - 1] / energy
    peak = alike.reshape(n, -1).argmax(1)
    best, lag = peak // (2 * s - 1), peak % (2 * s - 1)
    angle = angles.gather(1, best[:, None])[:, 0]
    return angle, (lag - (s - 1)) / s


def _theta(first: list[Tensor], second: list[Tensor]) -> Tensor:
    return torch.stack([torch.stack(first, -1), torch.stack(second, -1)], 1)  # (N, 2, 3)


def _sampled(images: Tensor, theta: Tensor, padding: str = "zeros") -> Tensor:
    grid = fn.affine_grid(theta, list(images.shape), align_corners=False)
    return fn.grid_sample(images, grid, padding_mode=padding, align_corners=False)

"""Light random changes to training slices: what another head or scanner might have been."""

import math

import torch
from torch import Tensor
from torch.nn import functional as fn

from mriad_model.recipes.recipe import Augmentation


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each of `images` (N, 1, S, S) in [0, 1] on its own; the same shape and range.

    `generator` lives on the CPU, so the draws are the same whatever the images' device.
    """
    if augmentation.is_none:
        return images
    n = len(images)

    def uniform(reach: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * reach

    angle = uniform(math.radians(augmentation.degrees))
    zoom = 1 + uniform(augmentation.scale)
    shift = torch.stack([uniform(2 * augmentation.shift), uniform(2 * augmentation.shift)], 1)
    mirrored = torch.rand(n, generator=generator) < (0.5 if augmentation.flip else 0.0)
    gamma = torch.exp(uniform(augmentation.gamma))
    sign = torch.where(mirrored, -1.0, 1.0)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    matrix = torch.stack([torch.stack([cos * sign, -sin], 1), torch.stack([sin * sign, cos], 1)], 1)
    theta = torch.cat([matrix, shift[:, :, None]], 2).to(images.device)  # (N, 2, 3)
    grid = fn.affine_grid(theta, list(images.shape), align_corners=False)
    moved = fn.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    return moved.clamp(0, 1) ** gamma.to(images.device)[:, None, None, None]

"""Slices given to a network in batches of one size, the last one padded.

Kernels for matrices pick their way of adding up by the batch's size; so every batch that a
detector meets has this size, and a slice's result does not depend on its company.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriad_model.detection.networks.devices import repeatable

BATCH: Final = 16


def in_batches(
    found_of: Callable[..., Tensor],
    *arrays: NDArray[np.generic],
    shape: tuple[int, ...],
    device: torch.device,
) -> NDArray[np.float32]:
    """What a function of batches (B, S, S) finds in arrays (N, S, S); (N, *shape)."""
    found = np.empty((len(arrays[0]), *shape), np.float32)
    for start in range(0, len(found), BATCH):
        padded = [_padded(torch.from_numpy(each[start : start + BATCH])) for each in arrays]
        n = min(BATCH, len(found) - start)
        with torch.inference_mode(), repeatable(device):
            result = found_of(*(each.to(device) for each in padded))[:n]
        found[start : start + n] = result.cpu().numpy()
    return found


def _padded(piece: Tensor) -> Tensor:
    """A batch of full size; what is added is 0."""
    padded = torch.zeros((BATCH, *piece.shape[1:]), dtype=piece.dtype)
    padded[: len(piece)] = piece
    return padded

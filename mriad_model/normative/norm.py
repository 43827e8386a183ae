"""What healthy heads look like at every voxel: mean and spread of brightness and asymmetry."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from mriad_model.normative.registration.frame import SHAPE, Floats

FEATURES: Final = ("brightness", "asymmetry", "coarse")
FINE, COARSE = (0.9, 0.8, 0.8), (2.0, 2.0, 2.0)  # Gaussian sigmas, voxels
TOLERANCE: Final = (3, 5, 5)  # voxels: where a structure's mirror image may lie
UNIT, MOST = 3.0, 4.0  # z-maps are given in threes of spreads, and cut off


@dataclass(frozen=True, slots=True)
class Steadying:
    """What is done to the spread at a voxel, of which few heads tell little."""

    floor: float  # of the usual spread in the brain, added to it by squares
    smoothing: float  # Gaussian sigma, voxels


# As sharp as few heads allow. More infarcts of T1-weighted heads are found, small ones above all,
# than with `OF_NETWORK`, be the healthy heads 4 or 46.
SHARP: Final = Steadying(floor=0.1, smoothing=0.5)
# By these the shipped network was trained, so they are what it is asked by.
OF_NETWORK: Final = Steadying(floor=0.5, smoothing=1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """Mean and spread of healthy heads, each (3, 52, 64, 64): see `FEATURES`."""

    mean: Floats
    spread: Floats

    def z_maps(self, head: Floats) -> Floats:
        """How far a head (52, 64, 64) is from the healthy ones, (3, 52, 64, 64), within +-4."""
        z = (features(head) - self.mean) / (self.spread * np.float32(UNIT))
        return np.asarray(np.clip(z, -MOST, MOST), np.float32)


def features(head: Floats) -> Floats:
    """Of a head (52, 64, 64): its brightness, what its mirror image lacks, coarse brightness."""
    fine = gaussian_filter(head, FINE)
    mirrored = fine[..., ::-1]
    brighter = np.maximum(fine - maximum_filter(mirrored, TOLERANCE), 0)
    darker = np.maximum(minimum_filter(mirrored, TOLERANCE) - fine, 0)
    return np.stack([fine, brighter - darker, gaussian_filter(head, COARSE)]).astype(np.float32)


def norm_of(heads: Iterable[Floats], brain: np.ndarray, steadying: Steadying = SHARP) -> Norm:
    """The norm of healthy heads (52, 64, 64) and their mirror images.

    Left and right count as one, so each head counts twice. `brain` (52, 64, 64) is where the
    usual spread is taken. Raises ValueError where there is no head.
    """
    n = 0
    sums, squares = np.zeros((2, len(FEATURES), *SHAPE))
    for head in heads:
        found = features(head).astype(np.float64)
        sums += found + found[..., ::-1]
        squares += found**2 + found[..., ::-1] ** 2
        n += 2
    if n == 0:
        raise ValueError("a norm needs a healthy head")
    mean = sums / n
    spread = np.sqrt(np.maximum(squares / n - mean**2, 0))
    spread = np.stack([gaussian_filter(each, steadying.smoothing) for each in spread])
    usual = np.array([max(float(np.median(each[brain])), 1e-3) for each in spread])
    spread = np.sqrt(spread**2 + (steadying.floor * usual[:, None, None, None]) ** 2)
    return Norm(mean.astype(np.float32), spread.astype(np.float32))

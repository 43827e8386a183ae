"""Padding in a volume, which is not air: values far below all that a scanner measures.

Scanners and resamplers fill what lies outside the field of view with a value that no tissue has,
-2000 or -32768. Taken for air, it would make air a part of the head. Padding is recognised by three
things together: it is negative, a gap parts it from everything else, and above the gap there
still is air. Where there is none, as around a brain without its skull on a background of -1024,
the lowest values are the air.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

STEP = 0.5  # percent of the voxels between the quantiles looked at; less padding does no harm
MOST = 90.0  # percent of the voxels that can be padding
GAP = 0.03  # of the way from above the gap to the top; air and tissue are less sparse
TOP = 99.0  # percentile; above it lie vessels and artefacts
AIR_PERCENTILE = 5.0  # of what is no padding
NEAR_AIR = 0.1  # of the way from the lowest values to the top
AIR_SHARE = 0.22  # of the voxels near the lowest: whole heads have 0.25 and more, brains 0.14
ROUNDS = 8  # interpolated edges of padding are taken off one after the other


def without_padding(sample: NDArray[Any]) -> NDArray[Any]:
    """The sample with its padding as air; the sample itself where there is no padding.

    Args:
        sample: intensities of a volume's voxels, finite, any shape.
    """
    if sample.min() >= 0:
        return sample
    edge = -np.inf
    rest = sample
    for _ in range(ROUNDS):
        above = _edge_of_padding(rest)
        if above is None:
            break
        edge, rest = above, rest[rest >= above]
    if rest is sample or not _holds_air(rest):
        return sample
    air = np.percentile(rest, AIR_PERCENTILE)
    return np.where(sample >= edge, sample, air)


def _edge_of_padding(values: NDArray[Any]) -> float | None:
    """The middle of the widest gap below the head, with only negative values below it."""
    ladder = np.percentile(values, np.arange(STEP, MOST + STEP, STEP)).astype(np.float64)
    top = float(np.percentile(values, TOP))
    gaps = np.diff(ladder)
    gaps[ladder[:-1] >= 0] = 0
    widest = int(gaps.argmax())
    below, above = ladder[widest], ladder[widest + 1]
    return float(below + above) / 2 if gaps[widest] > GAP * (top - above) else None


def _holds_air(values: NDArray[Any]) -> bool:
    low, top = np.percentile(values, (1, TOP))
    return float(np.mean(values <= low + NEAR_AIR * (top - low))) >= AIR_SHARE

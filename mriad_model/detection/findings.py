"""Findings: connected parts of an anomaly map, each with its volume, its peak and where it lies."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

LEAST_ML: Final = 0.15  # millilitres; smaller parts are noise as a rule


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of a map."""

    millilitres: float
    peak: float  # the map's largest value in it
    place: tuple[float, float, float]  # of that value: RAS mm, so x < 0 is the patient's left
    middle: tuple[float, float, float]  # of the whole part, RAS mm


def findings(
    anomaly: NDArray[np.float32],
    affine: NDArray[np.float64],
    seed: float,
    edge: float,
    least_ml: float = LEAST_ML,
) -> tuple[Finding, ...]:
    """The parts of a map (Z, Y, X) that rise above `seed`, each as far as it stays above `edge`.

    Two thresholds keep a lesion whole without letting every weak spot in (hysteresis, as Canny
    1986 has it). The highest peak comes first; of equal ones the larger part.

    Args:
        anomaly: the map; higher is more anomalous.
        affine: 4x4, takes (x, y, z, 1) of a voxel to RAS mm.
        seed: what a part has to exceed somewhere.
        edge: what it exceeds everywhere; at most `seed`.
        least_ml: parts smaller than this are left out.

    Raises:
        ValueError: `edge` lies above `seed`.
    """
    if edge > seed:
        raise ValueError(f"parts end at {edge:g}, above the {seed:g} where they begin")
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    parts, _ = label(anomaly > edge)
    found = []
    for number, box in enumerate(find_objects(parts), start=1):
        inside = parts[box] == number
        n = int(np.count_nonzero(inside))
        peak = float(anomaly[box][inside].max())
        if peak <= seed or n * voxel_ml < least_ml:
            continue
        corner = np.array([each.start for each in box])
        highest = np.argwhere(inside & (anomaly[box] == np.float32(peak)))[0] + corner
        middle = np.argwhere(inside).mean(0) + corner
        found.append(Finding(n * voxel_ml, peak, _in_mm(highest, affine), _in_mm(middle, affine)))
    return tuple(sorted(found, key=lambda each: (-each.peak, -each.millilitres)))


def _in_mm(
    voxel: NDArray[np.floating] | NDArray[np.integer], affine: NDArray[np.float64]
) -> tuple[float, float, float]:
    """A voxel (z, y, x) in RAS mm."""
    x, y, z = affine[:3, :3] @ voxel[::-1] + affine[:3, 3]
    return float(x), float(y), float(z)

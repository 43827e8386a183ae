"""Findings: connected parts of an anomaly map, and the limits that define them.

Two limits keep a lesion whole without letting every weak spot in (hysteresis, as Canny 1986 has
it): a part has to exceed the higher one somewhere, and ends where the map falls below the lower.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEAST_ML: Final = 0.15  # millilitres; smaller parts are noise as a rule
LEAST_SHARE: Final = 0.003  # of a picture's head
EDGE: Final = 0.7  # of the higher limit
RATE: Final = 1.0  # findings in a healthy scan, at most, on the mean
STEPS: Final = 120  # higher limits that are tried
TOP: Final = 4.0  # how many times the colour scale's length they reach above its begin


@dataclass(frozen=True, slots=True)
class FindingLimits:
    """What makes a part of a map a finding."""

    peak: float  # what it exceeds somewhere
    edge: float  # what it exceeds everywhere; at most `peak`
    least: float  # its size: millilitres; of a picture, share of the head

    def __post_init__(self) -> None:
        if self.edge > self.peak:
            raise ValueError(f"parts end at {self.edge:g}, above the {self.peak:g} that they reach")


@dataclass(frozen=True, slots=True, eq=False)
class MapPart:
    """A part of a map that is a finding."""

    size: float  # as of the limits
    peak: float  # the map's largest value in it
    place: tuple[int, int, int]  # of that value: slice, row, column
    mask: NDArray[np.bool_]  # where it is, (Z, Y, X)


def rises_above(anomaly: NDArray[np.float32], peak: float) -> bool:
    """Whether a map has a value above a peak: without one it has no finding, as most scans."""
    return not float(np.fmax.reduce(anomaly, axis=None)) <= peak


def map_parts(
    anomaly: NDArray[np.float32], voxel: float, limits: FindingLimits
) -> tuple[MapPart, ...]:
    """The findings in a map (Z, Y, X), the highest peak first; of equal ones the larger part.

    `voxel` is the size of one voxel, in the unit of the limits.
    """
    from scipy.ndimage import find_objects, label  # noqa: PLC0415 - 20 MB, which pages do without

    parts, _ = label(anomaly > limits.edge)
    found = []
    for number, box in enumerate(find_objects(parts), start=1):
        inside = parts[box] == number
        size = int(np.count_nonzero(inside)) * voxel
        peak = float(anomaly[box][inside].max())
        if peak <= limits.peak or size < limits.least:
            continue
        corner = [each.start for each in box]
        z, y, x = np.argwhere(inside & (anomaly[box] == np.float32(peak)))[0] + corner
        mask = np.zeros(anomaly.shape, np.bool_)
        mask[box] = inside
        found.append(MapPart(size, peak, (int(z), int(y), int(x)), mask))
    return tuple(sorted(found, key=lambda each: (-each.peak, -each.size, each.place)))


def peaks_tried(low: float, high: float) -> NDArray[np.float64]:
    """Higher limits to choose from, rising: from where a model's colours begin, (120,)."""
    return low + np.linspace(0, TOP, STEPS) * (high - low)


def counts_of(
    anomaly: NDArray[np.float32], voxel: float, least: float, peaks: NDArray[np.float64]
) -> NDArray[np.intp]:
    """How many findings a map (Z, Y, X) has under each of the higher limits, (n,)."""
    from scipy.ndimage import label  # noqa: PLC0415

    counts = np.zeros(len(peaks), np.intp)
    highest = float(anomaly.max(initial=-math.inf))
    for place, peak in enumerate(peaks):
        if peak >= highest:
            break
        parts, n = label(anomaly > EDGE * peak)
        sizes = np.bincount(parts.ravel(), minlength=n + 1)[1:] * voxel
        reached = np.unique(parts[anomaly > peak])
        counts[place] = np.count_nonzero(sizes[reached - 1] >= least)
    return counts


@dataclass(frozen=True, slots=True)
class DrawnLimits:
    """Limits that were drawn through healthy scans, and the rate of findings in these."""

    limits: FindingLimits
    n: int  # healthy scans
    rate: float  # findings a healthy scan, on the mean


def draw_limits(
    counts: Sequence[NDArray[np.intp]],
    peaks: NDArray[np.float64],
    least: float,
    groups: Sequence[int] | None = None,
) -> DrawnLimits:
    """The lowest limits with which healthy scans have `RATE` findings on the mean, or fewer.

    Going down from the highest limit, the last one before the rate is exceeded.

    Args:
        counts: of each scan, see `counts_of`.
        peaks: the limits that were tried.
        least: the size of the smallest finding.
        groups: of the scans; a group of several counts as one scan.

    Raises:
        ValueError: there is no scan.
    """
    if not counts:
        raise ValueError("limits of findings need a healthy scan")
    members = list(range(len(counts))) if groups is None else list(groups)
    shares = np.array([1 / members.count(each) for each in members])
    rates = (np.stack(counts) * shares[:, None]).sum(0) / shares.sum()
    exceeded = np.flatnonzero(rates > RATE)
    place = min(int(exceeded[-1]) + 1, len(peaks) - 1) if len(exceeded) else 0
    peak = float(peaks[place])
    return DrawnLimits(FindingLimits(peak, EDGE * peak, least), len(counts), float(rates[place]))

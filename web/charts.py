"""Charts as SVG, drawn here: no script, no other library. Colours stand in the style sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 340.0, 92.0
PAD: Final = 8.0
MOST_BINS: Final = 24


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram, in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Calibration scores, and where a scan and the threshold lie among them."""

    bars: tuple[Bar, ...]
    scan: float  # x
    threshold: float  # x
    low: float  # scores at the two ends
    high: float
    n: int
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class SliceBar:
    """One slice's score in a strip."""

    position: int  # from 0
    value: float | None  # None: not scored
    share: float  # of the highest, from 0 to 1


def histogram(healthy: Sequence[float], score: float, threshold: float) -> Histogram | None:
    """The healthy scores as bars, on a scale that holds the scan too; None where there are none."""
    if not healthy:
        return None
    values: NDArray[np.float64] = np.asarray(healthy, float)
    low = min(float(values.min()), score, threshold)
    high = max(float(values.max()), score, threshold)
    span = (high - low) or 1.0
    counts, edges = np.histogram(values, bins=MOST_BINS, range=(low, low + span))
    inner, tall = WIDTH - 2 * PAD, HEIGHT - 2 * PAD

    def at(value: float) -> float:
        return PAD + inner * (value - low) / span

    step = inner / MOST_BINS
    bars = tuple(
        Bar(
            round(at(float(edge)), 2),
            round(HEIGHT - PAD - tall * n / counts.max(), 2),
            round(step - 1, 2),
            round(tall * n / counts.max(), 2),
        )
        for n, edge in zip(counts.tolist(), edges[:-1], strict=True)
        if n
    )
    scan, line = round(at(score), 2), round(at(threshold), 2)
    return Histogram(bars, scan, line, low, high, len(healthy))


def slice_strip(
    positions: Sequence[int], values: Sequence[float], n_slices: int | None
) -> list[SliceBar]:
    """A bar for each slice of a volume, in order."""
    if len(positions) < 2:
        return []
    scored = dict(zip(positions, values, strict=True))
    low, high = min(0.0, *values), max(values)
    span = (high - low) or 1.0
    total = max(n_slices or 0, max(positions) + 1)
    return [
        SliceBar(
            each,
            scored.get(each),
            0.0 if each not in scored else round((scored[each] - low) / span, 3),
        )
        for each in range(total)
    ]

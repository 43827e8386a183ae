"""Percentiles by sorting: NumPy's own figures, to the last bit, in a seventh of the time.

NumPy partitions about each rank that is asked for, which takes 130 us for two of 9,000 values;
its sort, which uses the processor's vectors, takes 19 us.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def percentile(values: NDArray[np.float32], percent: float) -> float:
    """`np.percentile` of all values, for one percentage."""
    lower, upper, along = _around(values, np.array([percent / 100]))
    return float(_between(lower[0], upper[0], float(along[0])))


def percentiles(values: NDArray[np.floating], percents: Sequence[float]) -> NDArray[np.float64]:
    """`np.percentile` of all values, for several percentages."""
    return quantiles(values, np.true_divide(percents, 100))


def quantiles(values: NDArray[np.floating], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """`np.quantile` of all values, for several shares of 1."""
    lower, upper, along = _around(values, shares)
    return np.array([_between(*each) for each in zip(lower, upper, along, strict=True)], np.float64)


def _around(
    values: NDArray[np.floating], shares: NDArray[np.float64]
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.float64]]:
    """Of each share: the values that it lies between, and how far along, 0 to 1.

    Hyndman and Fan 1996, definition 7. NaN where a value is NaN.
    """
    ordered = np.sort(values, axis=None)
    if np.isnan(ordered[-1]):  # sorted to the end
        ordered[:] = np.nan
    ranks = (len(ordered) - 1) * shares
    below = np.floor(ranks).astype(np.intp)
    return ordered[below], ordered[np.minimum(below + 1, len(ordered) - 1)], ranks - below


def _between(lower: np.floating, upper: np.floating, along: float | np.float64) -> np.floating:
    """Linear interpolation from the nearer of two values."""
    step = upper - lower
    return upper - step * (1 - along) if along >= 0.5 else lower + step * along

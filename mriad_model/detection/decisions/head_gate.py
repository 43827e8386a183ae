"""Whether a head in the normative frame is like the healthy training heads.

A head of another scanner, protocol or age may be healthy and lie outside everywhere. The measure is
how well its grey values correlate with the site's mean head (`normative.likeness.resemblance`): the
logarithm of 1 minus the correlation, standardised by that of the healthy heads, over the limit.
Each of these is compared with the mean of the others, as a new head is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST: Final = 8  # groups, below which there is no telling what is usual
FEW: Final = 8  # groups: of so many, the limit is twice as wide, for they tell little
LEAST_SPREAD: Final = 0.1  # of the logarithm; 12 to 40 heads of one scanner had 0.07 to 0.22
MIDDLE: Final = (0.16, 0.84)  # quantiles, about 2 standard deviations apart
SMALLEST: Final = 1e-6
NAMES: Final = ("usual", "spread", "limit")


@dataclass(frozen=True, slots=True)
class HeadGate:
    """How far healthy heads are from the mean head, and the limit."""

    usual: float  # logarithm
    spread: float  # of that
    limit: float  # standard deviations

    @classmethod
    def fit(cls, resemblances: Floats, groups: Sequence[int], limit: float) -> Self | None:
        """Learn from those of healthy heads (n,), of these near-duplicates and patients.

        None of fewer than `FEWEST` groups.
        """
        count = len(set(groups))
        if count < FEWEST:
            return None
        logs = _logs(resemblances)
        lower, upper = np.quantile(logs, MIDDLE)
        spread = max(float(upper - lower) / 2, LEAST_SPREAD)
        return cls(float(np.median(logs)), spread, limit * (1 + FEW / count))

    def values(self, resemblances: Floats) -> Floats:
        """How unlike the learned heads others are, (N,): 0 for a usual one, 1 at the limit."""
        odd = (_logs(resemblances) - self.usual) / self.spread
        return np.asarray(np.maximum(odd, 0.0) / self.limit)

    def about(self) -> dict[str, Any]:
        """What is stored."""
        return {name: getattr(self, name) for name in NAMES}

    @classmethod
    def restore(cls, about: Mapping[str, Any]) -> Self:
        """Read what `about` gave. Raises ValueError on anything else."""
        numbers = [about.get(name) for name in NAMES]
        if set(about) != set(NAMES) or not all(_is_number(each) for each in numbers):
            raise ValueError("its gate is none")
        found = cls(*(float(about[name]) for name in NAMES))
        if found.spread <= 0 or found.limit <= 0:
            raise ValueError("its gate is none")
        return found


def _is_number(value: object) -> bool:
    return isinstance(value, float) and bool(np.isfinite(value))


def _logs(resemblances: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(1 - resemblances, SMALLEST)))

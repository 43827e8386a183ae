"""Agreement of two readers beyond chance: Cohen's kappa."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

FEWEST: Final = 20  # scans that both have read: the interval is for many
Z: Final = 1.959964  # 95 %


@dataclass(frozen=True, slots=True)
class Kappa:
    """0: as by chance, 1: always; with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int  # scans that both have read


def cohens_kappa(first: Sequence[bool], second: Sequence[bool]) -> Kappa | None:
    """Kappa of two readers' answers to the same scans, in the same order.

    None where it says nothing: fewer than FEWEST scans, or both always gave the same one.
    Cohen 1960; the interval by the standard error of Fleiss, Cohen and Everitt 1969, kept within
    -1 and 1.
    """
    n = len(first)
    if n < FEWEST:
        return None
    counts = np.zeros((2, 2), np.int64)  # [first says, second says]
    np.add.at(counts, (np.asarray(first, int), np.asarray(second, int)), 1)
    if counts.max() == n:  # in whole numbers: a sum of shares may miss 1 by rounding
        return None
    table = counts / n
    rows, columns = table.sum(1), table.sum(0)
    agreed, by_chance = float(np.trace(table)), float(rows @ columns)
    value = (agreed - by_chance) / (1 - by_chance)
    margins = rows[None, :] + columns[:, None]  # of cell i, j: row j and column i
    weights = np.where(
        np.eye(2, dtype=bool),
        ((1 - by_chance) - margins * (1 - agreed)) ** 2,
        (1 - agreed) ** 2 * margins**2,
    )
    spread = float((table * weights).sum()) - (agreed * by_chance - 2 * by_chance + agreed) ** 2
    error = np.sqrt(max(spread, 0.0) / n) / (1 - by_chance) ** 2
    return Kappa(value, max(value - Z * error, -1.0), min(value + Z * error, 1.0), n)

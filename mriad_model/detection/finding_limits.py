"""The limits of findings of a model: drawn through the maps of its calibration scans.

One way for training and for evaluation, so that both tell the same findings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.findings import (
    LEAST_ML,
    LEAST_SHARE,
    DrawnLimits,
    draw_limits,
    peaks_tried,
)
from mriad_model.detection.scan_findings import finding_counts
from mriad_model.detection.scan_scores import ScanScores
from mriad_model.preprocessing.slices import PreparedScan
from mriad_model.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class FindingCounts:
    """How many findings healthy scans have under each of the limits that are tried."""

    recipe: Recipe
    colours: tuple[float, float]  # of the model's scale: where they begin and are full
    by_scan: dict[int, NDArray[np.intp]] = field(default_factory=dict)

    @property
    def least(self) -> float:
        """The size of the smallest finding."""
        return LEAST_SHARE if self.recipe.volumes is None else LEAST_ML

    @property
    def peaks(self) -> NDArray[np.float64]:
        """The limits that are tried."""
        return peaks_tried(*self.colours)

    def add(
        self,
        scan_ids: Sequence[int],
        prepared: Sequence[PreparedScan],
        scored: Sequence[ScanScores],
    ) -> None:
        """Count those of more scans."""
        for scan_id, slices, found in zip(scan_ids, prepared, scored, strict=True):
            self.by_scan[scan_id] = finding_counts(slices, found, self.least, self.peaks)

    def drawn(self, groups: Sequence[int]) -> DrawnLimits:
        """The limits that all scans give, in the order of their ids; `groups` are theirs.

        Near-duplicates and scans of one patient count as one scan. Raises ValueError for no scan.
        """
        counts = [self.by_scan[each] for each in sorted(self.by_scan)]
        return draw_limits(counts, self.peaks, self.least, groups)

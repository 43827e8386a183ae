"""The limits of findings: drawn through the maps of calibration scans, once a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from db.entities import FindingLimit
from db.repository.findings import append_finding_limit
from db.repository.models import dataset_groups
from db.timestamps import now
from mriad_model.detection.findings import LEAST_ML, LEAST_SHARE, draw_limits, peaks_tried
from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_findings import finding_counts
from mriad_model.detection.scan_scores import ScanScores
from mriad_model.preprocessing.slices import PreparedScan


@dataclass(frozen=True, slots=True)
class FindingCounts:
    """How many findings healthy scans have under each of the limits that are tried."""

    fitted: FittedModel
    by_scan: dict[int, NDArray[np.intp]] = field(default_factory=dict)

    @property
    def least(self) -> float:
        """The size of the smallest finding."""
        return LEAST_SHARE if self.fitted.recipe.volumes is None else LEAST_ML

    @property
    def peaks(self) -> NDArray[np.float64]:
        """The limits that are tried."""
        return peaks_tried(self.fitted.colour_low, self.fitted.colour_high)

    def add(
        self,
        scan_ids: Sequence[int],
        prepared: Sequence[PreparedScan],
        scored: Sequence[ScanScores],
    ) -> None:
        """Count those of more scans."""
        for scan_id, slices, found in zip(scan_ids, prepared, scored, strict=True):
            self.by_scan[scan_id] = finding_counts(slices, found, self.least, self.peaks)


def append_limits(
    engine: Engine, model_id: int, dataset_id: int, counted: FindingCounts, run_id: int
) -> None:
    """Draw a model's limits through its calibration scans, and append them.

    Near-duplicates and scans of one patient count as one scan.
    """
    if not counted.by_scan:
        return
    groups = dataset_groups(engine, dataset_id)
    scan_ids = sorted(counted.by_scan)
    drawn = draw_limits(
        [counted.by_scan[each] for each in scan_ids],
        counted.peaks,
        counted.least,
        [groups[each] for each in scan_ids],
    )
    row = FindingLimit(
        model_id=model_id,
        peak=drawn.limits.peak,
        edge=drawn.limits.edge,
        least=drawn.limits.least,
        n=drawn.n,
        rate=drawn.rate,
        run_id=run_id,
        created_at=now(),
    )
    append_finding_limit(engine, row)

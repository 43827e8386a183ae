"""The limits of findings in the record, once a model."""

from typing import TYPE_CHECKING

from sqlalchemy import Engine

from db.entities import FindingLimit
from db.repository.scoring.findings import append_finding_limit
from db.repository.training.models import dataset_groups
from db.timestamps import now

if TYPE_CHECKING:
    from mriad_model.detection.finding_limits import FindingCounts


def append_limits(
    engine: Engine, model_id: int, dataset_id: int, counted: "FindingCounts", run_id: int
) -> None:
    """Draw a model's limits through its calibration scans, and append them.

    Near-duplicates and scans of one patient count as one scan.
    """
    if not counted.by_scan:
        return
    groups = dataset_groups(engine, dataset_id)
    drawn = counted.drawn([groups[each] for each in sorted(counted.by_scan)])
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

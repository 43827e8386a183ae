"""Scans that lie where the model's mean head has its structure; others get a rejection row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from tasks.scoring.preprocess import FailedScan, PreparedItem, reject_scans

if TYPE_CHECKING:
    from mriad_model.detection.model import FittedModel


def placed(
    home: str,
    run_id: int,
    fitted: "FittedModel",
    prepared: Sequence[PreparedItem],
    model_id: int | None = None,
) -> list[PreparedItem]:
    """The scans that the model can compare; of each other, the record says why it cannot.

    With `model_id` also that this model has tried them.
    """
    reasons = [fitted.misplaced(each.slices.batch) for each in prepared]
    failed = [
        FailedScan(each.scan_id, each.source, RejectedFile(RejectionReason.UNREGISTERED, why))
        for each, why in zip(prepared, reasons, strict=True)
        if why is not None
    ]
    reject_scans(home, run_id, failed, model_id)
    return [each for each, why in zip(prepared, reasons, strict=True) if why is None]

"""Scans that lie where the model's mean head has its structure; others get a rejection row."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from db.repository.intake.rejections import append_rejections
from db.timestamps import now
from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from tasks.intake.rejections import rejection_at
from tasks.runtime.connections import database
from tasks.scoring.preprocess import PreparedItem

if TYPE_CHECKING:
    from mriad_model.detection.model import FittedModel


def placed(
    home: str, run_id: int, fitted: "FittedModel", prepared: Sequence[PreparedItem]
) -> list[PreparedItem]:
    """The scans that the model can compare; of each other, the record says why it cannot."""
    reasons = [fitted.misplaced(each.slices.batch) for each in prepared]
    rejections = [
        rejection_at(
            each.source,
            Path(home),
            RejectedFile(RejectionReason.UNREGISTERED, why),
            run_id,
            now(),
        )
        for each, why in zip(prepared, reasons, strict=True)
        if why is not None
    ]
    append_rejections(database(home), rejections)
    return [each for each, why in zip(prepared, reasons, strict=True) if why is None]

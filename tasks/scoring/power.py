"""The power of the active model at its threshold, and the warning of a silent detector."""

import json

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from db.entities import RecordedWarning
from db.repository.scoring.warnings import append_warnings
from db.repository.training.models import current_threshold, model_by_id, threshold_by_id
from db.timestamps import now
from mriad_model.enums import WarningKind
from mriad_model.promotion.power import Power, power_of
from tasks.runtime.connections import database

SILENT = (
    'Model {model} with threshold {threshold} is a silent detector: {why}. Its "normal" '
    "means little. Draw a lower threshold (mriad recalibrate), train on more healthy scans, or "
    "activate another model (mriad activate lists them with what they find)."
)


def power_at(engine: Engine, threshold_id: int) -> Power | None:
    """What a threshold's model finds by it; None of an older model, which was not measured."""
    threshold = threshold_by_id(engine, threshold_id)
    return power_of(model_by_id(engine, threshold.model_id).metrics, threshold.value)


@task(name="check-power", cache_policy=NO_CACHE)
def check_power(home: str, run_id: int) -> list[str]:
    """Warn, in every run that looks, while the active detector is silent; the new warnings.

    From the scores that implants had when the model was made: nothing is scored.
    """
    engine = database(home)
    current = current_threshold(engine)
    if current is None:
        return []
    found = power_of(current.model.metrics, current.threshold.value)
    if found is None or (why := found.silence) is None:
        return []
    subject = {
        "model_id": current.threshold.model_id,
        "threshold_id": current.threshold.id,
        "found": found.found.share,
        "n": found.found.n,
        "moved": found.moved,
    }
    text = SILENT.format(model=current.threshold.model_id, threshold=current.threshold.id, why=why)
    warning = RecordedWarning(
        kind=WarningKind.SILENT_DETECTOR,
        subject=json.dumps(subject, sort_keys=True),
        text=text,
        run_id=run_id,
        created_at=now(),
    )
    append_warnings(engine, [warning])
    return [text]

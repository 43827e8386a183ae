"""Sendings: what was sent to which place, or why not. Appends and reads."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Sending
from db.mapping import append_new, rows_of, values_of
from mriad_model.enums import HeatmapKind

SENT_KINDS: Final = (
    HeatmapKind.SECONDARY_CAPTURE,
    HeatmapKind.SEGMENTATION,
    HeatmapKind.STRUCTURED_REPORT,
)


@dataclass(frozen=True, slots=True)
class UnsentOutput:
    """A DICOM output that a place does not have."""

    heatmap_id: int
    path: str  # relative to the home
    sha256: str
    scan_id: int


def unsent_outputs(engine: Engine, destination: str, since: str) -> list[UnsentOutput]:
    """The DICOM outputs made from a recorded moment on that a place has not taken, oldest first."""
    heatmap, sending, score = schema.heatmap.c, schema.sending, schema.score
    taken = (
        select(sending.c.id)
        .where(sending.c.delivered == heatmap.sha256, sending.c.destination == destination)
        .exists()
    )
    query = (
        select(heatmap.id, heatmap.path, heatmap.sha256, score.c.scan_id)
        .join(score, score.c.id == heatmap.score_id)
        .where(heatmap.kind.in_([each.value for each in SENT_KINDS]))
        .where(heatmap.created_at >= since, ~taken)
        .order_by(heatmap.id)
    )
    with reading(engine) as connection:
        return [UnsentOutput(*row) for row in connection.execute(query)]


def append_sending(engine: Engine, sending: Sending) -> bool:
    """Append what came of an attempt; False where the place had taken the file already."""
    with writing(engine) as connection:
        return append_new(connection, schema.sending, [values_of(sending)]) > 0


def sendings(engine: Engine) -> list[Sending]:
    """Every attempt, oldest first."""
    with reading(engine) as connection:
        return rows_of(connection, Sending, select(schema.sending).order_by(schema.sending.c.id))

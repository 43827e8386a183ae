"""Sendings: what was sent to which place, or why not. Appends and reads."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, select

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
GIVEN_UP: Final = "given up: not taken in time"


@dataclass(frozen=True, slots=True)
class UnsentOutput:
    """A DICOM output that a place does not have."""

    heatmap_id: int
    path: str  # relative to the home
    sha256: str
    scan_id: int


def unsent_outputs(
    engine: Engine, destination: str, since: str, until: str | None = None
) -> list[UnsentOutput]:
    """The DICOM outputs made from a recorded moment on that a place has not taken.

    Those with the fewest failed attempts first, then the oldest, so that what a place cannot take
    holds up nothing. With `until`, only those made before it.
    """
    heatmap, sending, score = schema.heatmap.c, schema.sending, schema.score
    here = sending.c.destination == destination
    taken = select(sending.c.id).where(sending.c.delivered == heatmap.sha256, here).exists()
    attempts = (
        select(func.count(sending.c.id))
        .where(sending.c.heatmap_id == heatmap.id, here)
        .scalar_subquery()
    )
    query = (
        select(heatmap.id, heatmap.path, heatmap.sha256, score.c.scan_id)
        .join(score, score.c.id == heatmap.score_id)
        .where(heatmap.kind.in_([each.value for each in SENT_KINDS]))
        .where(heatmap.created_at >= since, ~taken)
        .order_by(attempts, heatmap.id)
    )
    if until is not None:
        query = query.where(heatmap.created_at < until)
    with reading(engine) as connection:
        return [UnsentOutput(*row) for row in connection.execute(query)]


def count_outputs(engine: Engine, since: str) -> int:
    """How many DICOM outputs were made from a recorded moment on."""
    heatmap = schema.heatmap.c
    query = (
        select(func.count(heatmap.id))
        .where(heatmap.kind.in_([each.value for each in SENT_KINDS]))
        .where(heatmap.created_at >= since)
    )
    with reading(engine) as connection:
        return int(connection.execute(query).scalar_one())


def first_attempt(engine: Engine, destination: str) -> str | None:
    """When something was first sent to a place; None: never yet."""
    sending = schema.sending.c
    query = select(func.min(sending.created_at)).where(sending.destination == destination)
    with reading(engine) as connection:
        found: str | None = connection.execute(query).scalar_one()
    return found


def last_details(engine: Engine, destination: str) -> dict[int, str]:
    """What came of the last attempt to send each output to a place, by its heatmap's id."""
    sending = schema.sending.c
    last = (
        select(func.max(sending.id))
        .where(sending.destination == destination)
        .group_by(sending.heatmap_id)
    )
    query = select(sending.heatmap_id, sending.detail).where(sending.id.in_(last))
    with reading(engine) as connection:
        return {row.heatmap_id: row.detail for row in connection.execute(query)}


def last_failure(engine: Engine, destination: str, run_id: int) -> str | None:
    """Why the last attempt of the runs before this one failed; None: it did not."""
    sending = schema.sending.c
    query = (
        select(sending.delivered, sending.detail)
        .where(sending.destination == destination, sending.run_id < run_id)
        .where(sending.detail != GIVEN_UP)
        .order_by(sending.id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None or row.delivered is not None else str(row.detail)


def append_sending(engine: Engine, sending: Sending) -> bool:
    """Append what came of an attempt; False where the place had taken the file already."""
    with writing(engine) as connection:
        return append_new(connection, schema.sending, [values_of(sending)]) > 0


def sendings(engine: Engine) -> list[Sending]:
    """Every attempt, oldest first."""
    with reading(engine) as connection:
        return rows_of(connection, Sending, select(schema.sending).order_by(schema.sending.c.id))

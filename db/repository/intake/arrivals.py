"""Folders that arrived: each settled state a row, and another when a run is done with it."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, func, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Arrival, ArrivalEnd
from db.mapping import append_new, pieces, row_of, rows_of, select_in, values_of


def append_arrivals(engine: Engine, arrivals: Sequence[Arrival]) -> list[int]:
    """Append folders as they settled; the id of each, in order.

    A state that was seen before keeps its row, and its end where it has one: a folder that
    went back to it holds nothing new.
    """
    table = schema.arrival.c
    with writing(engine) as connection:
        append_new(connection, schema.arrival, [values_of(each) for each in arrivals])
        query = select(table.path, table.fingerprint, table.id)
        found = select_in(connection, query, table.path, {each.path for each in arrivals})
        ids = {(path, fingerprint): arrival_id for path, fingerprint, arrival_id in found}
    return [ids[each.path, each.fingerprint] for each in arrivals]


def end_arrivals(engine: Engine, arrival_ids: Iterable[int], run_id: int, now: str) -> None:
    """Record that a run has registered and scored all that these held. The first end counts."""
    rows = [values_of(ArrivalEnd(each, run_id, now)) for each in arrival_ids]
    with writing(engine) as connection:
        append_new(connection, schema.arrival_end, rows)


def open_arrivals(engine: Engine) -> list[Arrival]:
    """Those that no run is done with, oldest first: not started, or their run was killed."""
    arrival, end = schema.arrival, schema.arrival_end
    query = (
        select(arrival)
        .outerjoin(end, end.c.arrival_id == arrival.c.id)
        .where(end.c.id.is_(None))
        .order_by(arrival.c.id)
    )
    with reading(engine) as connection:
        return rows_of(connection, Arrival, query)


def arrivals_by_path(engine: Engine, paths: Iterable[str]) -> dict[str, Arrival]:
    """The newest arrival of each of these folders, by path; a folder without one is skipped."""
    table = schema.arrival
    found: dict[str, Arrival] = {}
    with reading(engine) as connection:
        for piece in pieces(set(paths)):
            newest = select(func.max(table.c.id)).where(table.c.path.in_(piece))
            query = select(table).where(table.c.id.in_(newest.group_by(table.c.path)))
            for row in connection.execute(query).mappings():
                found[row["path"]] = row_of(Arrival, row)
    return found

"""Files that are no scans, and why."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, func, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Rejection
from db.mapping import append_new, row_of, rows_of, select_in, values_of
from db.repository.intake.sightings import FileKey
from mriad_model.enums import RejectionReason


def append_rejections(engine: Engine, rejections: Sequence[Rejection]) -> int:
    """Append why files are no scans; the number of rows that were not there yet."""
    rows = [values_of(rejection) for rejection in rejections]
    with writing(engine) as connection:
        return append_new(connection, schema.rejection, rows)


def rejected_files(engine: Engine, files: Iterable[FileKey]) -> dict[FileKey, Rejection]:
    """Of these files, in order, those rejected before as they stand now; each one's last row."""
    wanted = list(files)
    table = schema.rejection
    found: dict[tuple[str, int, int, int | None], Rejection] = {}
    with reading(engine) as connection:
        query, paths = select(table).order_by(table.c.id), dict.fromkeys(f.path for f in wanted)
        for row in select_in(connection, query, table.c.path, paths):
            stat = (row.path, row.size, row.mtime_ns, row.ctime_ns)
            found[stat] = row_of(Rejection, row._mapping)
    keys = {file: (file.path, file.size, file.mtime_ns, file.ctime_ns) for file in wanted}
    return {file: found[key] for file, key in keys.items() if key in found}


def rejections_at(engine: Engine, path: str) -> list[Rejection]:
    """Why the file of this recorded path was rejected, oldest first."""
    table = schema.rejection
    query = select(table).where(table.c.path == path).order_by(table.c.id)
    with reading(engine) as connection:
        return rows_of(connection, Rejection, query)


def rejections_of(engine: Engine, run_ids: Sequence[int]) -> list[Rejection]:
    """The files that these runs rejected, oldest first."""
    table = schema.rejection
    query = select(table).order_by(table.c.id)
    with reading(engine) as connection:
        found = select_in(connection, query, table.c.run_id, run_ids)
        return [row_of(Rejection, row._mapping) for row in found]


def newest_rejections(
    engine: Engine,
    limit: int,
    reason: RejectionReason | None = None,
    run_id: int | None = None,
    before: int | None = None,
) -> list[Rejection]:
    """The newest rejections, newest first: for a reason, of a run, of ids below `before`."""
    table = schema.rejection
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if reason is not None:
        query = query.where(table.c.reason == reason.value)
    if run_id is not None:
        query = query.where(table.c.run_id == run_id)
    if before is not None:
        query = query.where(table.c.id < before)
    with reading(engine) as connection:
        return rows_of(connection, Rejection, query)


def rejections_by_reason(
    engine: Engine, run_id: int | None = None
) -> list[tuple[RejectionReason, int]]:
    """How many files were rejected for each reason, by a run or in all, most frequent first."""
    table = schema.rejection
    query = select(table.c.reason, func.count()).group_by(table.c.reason)
    if run_id is not None:
        query = query.where(table.c.run_id == run_id)
    with reading(engine) as connection:
        found = [(RejectionReason(reason), n) for reason, n in connection.execute(query)]
    return sorted(found, key=lambda each: (-each[1], each[0].value))


def rejections_by_day(
    engine: Engine, since: str | None = None
) -> list[tuple[str, RejectionReason, int]]:
    """Day (UTC), reason, and how many files were rejected; `since` a recorded moment, or all."""
    table = schema.rejection
    day = func.substr(table.c.created_at, 1, 10)
    query = select(day, table.c.reason, func.count()).group_by(day, table.c.reason)
    if since is not None:
        query = query.where(table.c.created_at >= since)
    with reading(engine) as connection:
        return [(d, RejectionReason(reason), n) for d, reason, n in connection.execute(query)]

"""Files that are no scans, and why."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Rejection
from db.mapping import append_new, pieces, row_of, rows_of, values_of
from db.repository.sightings import FileKey


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
        for paths in pieces(dict.fromkeys(file.path for file in wanted)):
            query = select(table).where(table.c.path.in_(paths)).order_by(table.c.id)
            for row in connection.execute(query).mappings():
                rejection = row_of(Rejection, row)
                stat = (rejection.path, rejection.size, rejection.mtime_ns, rejection.ctime_ns)
                found[stat] = rejection
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
    found = []
    with reading(engine) as connection:
        for piece in pieces(run_ids):
            query = select(table).where(table.c.run_id.in_(piece)).order_by(table.c.id)
            found += rows_of(connection, Rejection, query)
    return found

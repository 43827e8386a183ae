"""Appends of what comes in: runs, scans and where they were seen, rejections."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select

from db import schema
from db.engine import reading, writing
from db.rows import append_new, insert_new, noun_of, pieces, values_of
from mriad_model.nouns import Rejection, Run, RunEnd, Scan, Sighting


class FileKey(NamedTuple):
    """A file as it stood when last seen: while all five are the same, so is its content.

    No program can put `ctime_ns` back. A row of before has none, so its file is read once more.
    """

    path: str  # as recorded: relative to the home where inside it, escaped
    size: int  # bytes
    mtime_ns: int
    inode: int
    ctime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A scan's row: made now, or known before under this or another file."""

    scan_id: int
    new: bool


def start_run(engine: Engine, run: Run) -> int:
    """The id of the run's row. A flow run that starts again after a crash keeps its row."""
    with writing(engine) as connection:
        insert_new(connection, schema.run, [values_of(run)], schema.run.c.id)
        found: int = connection.execute(
            select(schema.run.c.id).where(schema.run.c.flow_run_id == run.flow_run_id)
        ).scalar_one()
        return found


def end_run(engine: Engine, end: RunEnd) -> None:
    """Record how a run ended. The first word stands."""
    with writing(engine) as connection:
        insert_new(connection, schema.run_end, [values_of(end)], schema.run_end.c.id)


def register_scans(
    engine: Engine, seen: Sequence[tuple[Scan, Sequence[Sighting]]]
) -> list[Registered]:
    """Append a chunk of scans, each with its files as seen; one answer an item, in order.

    Identity is content: of two items with the same voxels, the second is known. What the
    sightings say of `scan_id` is ignored, and may be 0. A file may belong to several scans.
    """
    first: dict[str, Scan] = {}
    for scan, _ in seen:
        first.setdefault(scan.sha256, scan)
    with writing(engine) as connection:
        rows = [values_of(scan) for scan in first.values()]
        new = {
            row.sha256 for row in insert_new(connection, schema.scan, rows, schema.scan.c.sha256)
        }
        ids = _scan_ids(connection, first)
        sightings = [
            values_of(sighting, scan_id=ids[scan.sha256])
            for scan, files in seen
            for sighting in files
        ]
        append_new(connection, schema.sighting, sightings)
    answers = []
    for scan, _ in seen:
        answers.append(Registered(ids[scan.sha256], scan.sha256 in new))
        new.discard(scan.sha256)
    return answers


def append_rejections(engine: Engine, rejections: Sequence[Rejection]) -> int:
    """Append why files are no scans; the number of rows that were not there yet."""
    rows = [values_of(rejection) for rejection in rejections]
    with writing(engine) as connection:
        return append_new(connection, schema.rejection, rows)


def known_files(engine: Engine, files: Iterable[FileKey]) -> dict[FileKey, tuple[int, ...]]:
    """Of these files, those seen before as they stand now, each with the ids of its scans.

    In the order of `files`. Of a file that several runs found scans in, those that the last of
    them found: a series seen half copied is another scan than the whole one that it became. One
    run finds several in a file that holds several stacks.
    """
    wanted = list(dict.fromkeys(files))
    table = schema.sighting.c
    stat = (table.path, table.size, table.mtime_ns, table.inode, table.ctime_ns)
    columns = (*stat, table.run_id, table.scan_id)
    found: dict[tuple[Any, ...], tuple[int, list[int]]] = {}
    with reading(engine) as connection:
        for paths in pieces(dict.fromkeys(file.path for file in wanted)):
            query = select(*columns).where(table.path.in_(paths)).order_by(table.id)
            for row in connection.execute(query).tuples().all():
                *stat_of, run_id, scan_id = row
                file = tuple(stat_of)  # equals its FileKey, and is made quicker
                if file not in found or found[file][0] != run_id:
                    found[file] = (run_id, [])
                found[file][1].append(scan_id)
    return {file: tuple(found[file][1]) for file in wanted if file in found}


def rejected_files(engine: Engine, files: Iterable[FileKey]) -> dict[FileKey, Rejection]:
    """Of these files, in order, those rejected before as they stand now; each one's last row."""
    wanted = list(files)
    table = schema.rejection
    found: dict[tuple[str, int, int, int | None], Rejection] = {}
    with reading(engine) as connection:
        for paths in pieces(dict.fromkeys(file.path for file in wanted)):
            query = select(table).where(table.c.path.in_(paths)).order_by(table.c.id)
            for row in connection.execute(query).mappings():
                rejection = noun_of(Rejection, row)
                stat = (rejection.path, rejection.size, rejection.mtime_ns, rejection.ctime_ns)
                found[stat] = rejection
    keys = {file: (file.path, file.size, file.mtime_ns, file.ctime_ns) for file in wanted}
    return {file: found[key] for file, key in keys.items() if key in found}


def _scan_ids(connection: Connection, hashes: Iterable[str]) -> dict[str, int]:
    table = schema.scan
    return {
        sha256: scan_id
        for piece in pieces(hashes)
        for sha256, scan_id in connection.execute(
            select(table.c.sha256, table.c.id).where(table.c.sha256.in_(piece))
        ).tuples()
    }

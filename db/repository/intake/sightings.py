"""Where scans were seen: files by path, size and times."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Engine, Select, func, select

from db import schema
from db.engine.connect import reading
from db.entities import Rejection, Scan, Sighting
from db.mapping import lies_in, rows_by_id, rows_by_key, rows_of, select_in
from mriad_model.errors import NotInRecord

FEW_REJECTIONS: Final = 20


@dataclass(frozen=True, slots=True)
class ScanFiles:
    """A scan and the files it was seen in."""

    id: int  # of the scan
    scan: Scan
    sightings: tuple[Sighting, ...]  # oldest first

    @property
    def runs(self) -> list[list[Sighting]]:
        """The sightings by the run that made them, newest run first; its files as registered."""
        runs: dict[int, list[Sighting]] = {}
        for each in self.sightings:  # by first sighting: two runs at once have one order
            runs.setdefault(each.run_id, []).append(each)
        return list(reversed(runs.values()))

    @property
    def newest_files(self) -> tuple[Sighting, ...]:
        """The files to try first: of as many of the newest runs as it takes for a whole scan.

        A run that saw one file of a series changed has that file alone; the others are of runs
        before. Each path is listed once, as seen last.
        """
        files: dict[str, Sighting] = {}
        for run in self.runs:
            for file in run:
                files.setdefault(file.path, file)
            if len(files) >= self.scan.n_files:
                break
        return tuple(files.values())

    @property
    def paths(self) -> tuple[str, ...]:
        """Each path it was seen under once, newest first."""
        newest_first = (file for run in self.runs for file in reversed(run))
        return tuple(dict.fromkeys(file.path for file in newest_first))


@dataclass(frozen=True, slots=True)
class RejectedBeside:
    """Rejected files in the folders that a scan was seen in."""

    total: int
    rejections: tuple[Rejection, ...]  # the newest of them, newest first


def scan_files(engine: Engine, scan_ids: Iterable[int]) -> list[ScanFiles]:
    """These scans with the files they were seen in, in this order.

    Raises:
        NotInRecord: there is no scan of one of these ids.
    """
    wanted = list(scan_ids)
    with reading(engine) as connection:
        scans = rows_by_id(connection, Scan, schema.scan, wanted)
        seen = schema.sighting.c
        found = rows_by_key(connection, Sighting, seen.scan_id, wanted, seen.id)
    missing = set(wanted) - scans.keys()
    if missing:
        raise NotInRecord(f"There is no scan {min(missing)} in the record")
    return [ScanFiles(i, scans[i], tuple(found.get(i, ()))) for i in wanted]


def rejected_beside(
    engine: Engine, paths: Iterable[str], limit: int | None = FEW_REJECTIONS
) -> RejectedBeside:
    """What was rejected in the folders of these recorded paths, not in folders below them."""
    folders = {path.rpartition("/")[0] + "/" if "/" in path else "" for path in paths}
    total, newest = 0, list[Rejection]()
    with reading(engine) as connection:
        for folder in sorted(folders):
            query = _in_folder(folder)
            total += connection.execute(
                select(func.count()).select_from(query.subquery())
            ).scalar_one()
            newest += rows_of(connection, Rejection, query.limit(limit))
    newest.sort(key=lambda each: each.id or 0, reverse=True)
    return RejectedBeside(total, tuple(newest[:limit]))


def _in_folder(folder: str) -> Select[tuple[int]]:
    """Rejections of files right in a folder (`name/`, or nothing), newest first."""
    table = schema.rejection
    return select(table).where(lies_in(table.c.path, folder)).order_by(table.c.id.desc())


class FileKey(NamedTuple):
    """A file's state when last seen: while all five are the same, so is its content.

    No program can put `ctime_ns` back. A row of before has none, so its file is read once more.
    """

    path: str  # as recorded: relative to the home where inside it, escaped
    size: int  # bytes
    mtime_ns: int
    inode: int
    ctime_ns: int | None = None


def known_files(engine: Engine, files: Iterable[FileKey]) -> dict[FileKey, tuple[int, ...]]:
    """Of these files, those seen before as they stand now, each with the ids of its scans.

    In the order of `files`. Of a file in which several runs found scans, those of the last run: a
    series seen half copied is another scan than the whole. A file of several stacks has several.
    """
    wanted = list(dict.fromkeys(files))
    table = schema.sighting.c
    stat = (table.path, table.size, table.mtime_ns, table.inode, table.ctime_ns)
    columns = (*stat, table.run_id, table.scan_id)
    found: dict[tuple[Any, ...], tuple[int, list[int]]] = {}
    with reading(engine) as connection:
        query, paths = select(*columns).order_by(table.id), dict.fromkeys(f.path for f in wanted)
        for *stat_of, run_id, scan_id in select_in(connection, query, table.path, paths):
            file = tuple(stat_of)  # equals its FileKey, and is made quicker
            if file not in found or found[file][0] != run_id:
                found[file] = (run_id, [])
            found[file][1].append(scan_id)
    return {file: tuple(found[file][1]) for file in wanted if file in found}


def scans_at(engine: Engine, paths: Iterable[str]) -> dict[str, Scan]:
    """The scan that a file belongs to, by the file's path; the newest.

    A path under which no scan was seen is skipped.
    """
    seen = schema.sighting.c
    query = select(seen.path, seen.scan_id).order_by(seen.id)
    with reading(engine) as connection:
        found = select_in(connection, query, seen.path, set(paths))
        scan_ids = dict(found)
        scans = rows_by_id(connection, Scan, schema.scan, scan_ids.values())
    return {path: scans[scan_id] for path, scan_id in scan_ids.items()}


def sightings(engine: Engine, scan_ids: Iterable[int]) -> dict[int, list[Sighting]]:
    """Where each of these scans was seen, newest first."""
    with reading(engine) as connection:
        newest = schema.sighting.c.id.desc()
        return rows_by_key(connection, Sighting, schema.sighting.c.scan_id, scan_ids, newest)

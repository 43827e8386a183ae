"""Scans: registered by content, found by id, path, series or hash."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Scan, Sighting
from db.mapping import append_new, insert_new, lies_in, row_of, rows_by_id, select_in, values_of
from mriad_model.errors import NotInRecord, RecordError

SHORTEST_PREFIX: Final = 4
MOST_NAMED: Final = 20  # scans that a name is found to mean
LONGEST_ID: Final = 18  # digits that fit SQLite's integers


def scans_by_id(engine: Engine, scan_ids: Iterable[int]) -> dict[int, Scan]:
    """The scans of these ids; an id without a scan is skipped."""
    with reading(engine) as connection:
        return rows_by_id(connection, Scan, schema.scan, scan_ids)


def scans_by_sha256(engine: Engine, names: Iterable[str]) -> dict[str, Scan]:
    """The scans of these sha256; one that is not in the record is skipped."""
    table = schema.scan
    with reading(engine) as connection:
        found = select_in(connection, select(table), table.c.sha256, dict.fromkeys(names))
        return {row.sha256: row_of(Scan, row._mapping) for row in found}


def scan_id_of(connection: Connection, scan: int | str) -> int:
    """The id of a scan named by id, recorded path or folder, series UID, or start of its sha256.

    Raises:
        NotInRecord: there is no such scan.
        RecordError: several scans go by that name.
    """
    name = str(scan)
    found: Sequence[int] = []
    if name.isdecimal() and len(name) <= LONGEST_ID:
        found = _ids(connection, schema.scan.c.id == int(name))
    # Recorded paths and hashes are printable; what is not cannot even be asked for.
    if not found and name.isprintable() and isinstance(scan, str):
        found = _ids_by_path(connection, name) or _ids_by_series(connection, name)
        found = found or _ids_by_hash(connection, name.lower())
        found = found or _ids_by_folder(connection, name)
    if len(found) > 1:
        raise RecordError(f"Several scans begin with {name}: give more of the sha256")
    if not found:
        if name.isdecimal() and len(name) <= LONGEST_ID:
            _refuse_decision(connection, int(name))
        raise NotInRecord(
            f"There is no scan {name if name.isprintable() else ascii(name)} in the record: "
            f"name its id, its path, its SeriesInstanceUID, or {SHORTEST_PREFIX} or more "
            "characters of its sha256 (mriad show takes a patient's pseudonym too)"
        )
    return found[0]


def _refuse_decision(connection: Connection, number: int) -> None:
    """Say so where an id is a decision's and no scan's."""
    decision = schema.decision.c
    scan_id = connection.scalar(select(decision.scan_id).where(decision.id == number))
    if scan_id is not None:
        raise NotInRecord(
            f"There is no scan {number} in the record; {number} is the id of a decision, "
            f"which is on scan {scan_id}: name that"
        )


def _ids(connection: Connection, which: ColumnElement[bool]) -> Sequence[int]:
    """The ids of scans, two at most: more than one is too many."""
    return connection.execute(select(schema.scan.c.id).where(which).limit(2)).scalars().all()


def _ids_by_path(connection: Connection, path: str) -> Sequence[int]:
    seen = schema.sighting
    query = select(seen.c.scan_id).where(seen.c.path == path).order_by(seen.c.id.desc())
    return connection.execute(query.limit(1)).scalars().all()


def _ids_by_series(connection: Connection, uid: str) -> Sequence[int]:
    """Of a series with several stacks or contrasts there are several scans. Raises RecordError."""
    scan = schema.scan
    query = select(scan.c.id).where(scan.c.series_uid == uid).order_by(scan.c.id)
    return _the_only_one(connection, query, f"of series {uid}")


def _ids_by_folder(connection: Connection, folder: str) -> Sequence[int]:
    """The scan whose files were seen right in a folder. Raises RecordError."""
    seen = schema.sighting.c
    query = select(seen.scan_id).where(lies_in(seen.path, folder.rstrip("/") + "/"))
    return _the_only_one(connection, query.distinct().order_by(seen.scan_id), f"in {folder}")


def _the_only_one(
    connection: Connection, query: Select[tuple[int]], what_they_are: str
) -> Sequence[int]:
    found = connection.execute(query.limit(MOST_NAMED)).scalars().all()
    if len(found) > 1:
        ids = ", ".join(str(each) for each in found)
        raise RecordError(f"Several scans are {what_they_are}: name one of them by id: {ids}")
    return found


def _ids_by_hash(connection: Connection, prefix: str) -> Sequence[int]:
    if len(prefix) < SHORTEST_PREFIX:
        return []
    sha256 = schema.scan.c.sha256
    return _ids(connection, and_(sha256 >= prefix, sha256 < prefix + "g"))


@dataclass(frozen=True, slots=True)
class Registered:
    """A scan's row: made now, or known before under this or another file."""

    scan_id: int
    new: bool


def register_scans(
    engine: Engine, seen: Sequence[tuple[Scan, Sequence[Sighting]]]
) -> list[Registered]:
    """Append a chunk of scans, each with its files as seen; one answer an item, in order.

    Identity is content: of two items with the same voxels, the second is known. The
    sightings' `scan_id` is ignored, and may be 0. A file may belong to several scans.
    """
    first: dict[str, Scan] = {}
    for scan, _ in seen:
        first.setdefault(scan.sha256, scan)
    with writing(engine) as connection:
        rows = [values_of(scan) for scan in first.values()]
        added = insert_new(connection, schema.scan, rows, schema.scan.c.sha256)
        new = {row.sha256 for row in added}
        ids = _scan_ids(connection, first)
        sightings = [
            values_of(replace(sighting, scan_id=ids[scan.sha256]))
            for scan, files in seen
            for sighting in files
        ]
        append_new(connection, schema.sighting, sightings)
    answers = []
    for scan, _ in seen:
        answers.append(Registered(ids[scan.sha256], scan.sha256 in new))
        new.discard(scan.sha256)
    return answers


def _scan_ids(connection: Connection, hashes: Iterable[str]) -> dict[str, int]:
    table = schema.scan
    query = select(table.c.sha256, table.c.id)
    return dict(select_in(connection, query, table.c.sha256, hashes))


def has_pseudonyms(engine: Engine) -> bool:
    """Whether any scan is of a patient who goes by a pseudonym."""
    named = select(schema.scan.c.id).where(schema.scan.c.patient.is_not(None)).limit(1)
    with reading(engine) as connection:
        return connection.execute(named).first() is not None

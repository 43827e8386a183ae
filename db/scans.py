"""Reads of scans: one by name, where they were seen, what they were labelled, their roles."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, func, select

from db import schema
from db.engine import reading
from db.labels import label_holds
from db.rows import by_id, columns_of, grouped, lies_in, noun_of, pieces
from mriad_model.errors import NotInRecord, RecordError
from mriad_model.nouns import Label, LabelValue, Role, Scan, ScanKind, Sighting

SHORTEST_PREFIX: Final = 4
MOST_NAMED: Final = 20  # scans that a name is found to mean
LONGEST_ID: Final = 18  # digits that fit SQLite's integers


@dataclass(frozen=True, slots=True)
class LabelledScan:
    """A scan, the last label it was given, and where it was seen last."""

    id: int  # of the scan
    scan: Scan
    label: Label
    sighting: Sighting


def labelled(
    engine: Engine,
    value: LabelValue | None = None,
    kinds: Collection[ScanKind] = tuple(ScanKind),
) -> list[LabelledScan]:
    """Scans of these kinds by their last label that holds, in the order they were registered."""
    scan, label, sighting = schema.scan, schema.label, schema.sighting
    last_label = select(func.max(label.c.id)).where(label_holds()).group_by(label.c.scan_id)
    seen = schema.sighting.alias()
    last_seen = select(func.max(seen.c.id)).where(seen.c.scan_id == scan.c.id).scalar_subquery()
    query = (
        select(*columns_of(scan, "s_"), *columns_of(label, "l_"), *columns_of(sighting, "f_"))
        .join(label, label.c.scan_id == scan.c.id)
        .join(sighting, sighting.c.id == last_seen)
        .where(label.c.id.in_(last_label), scan.c.kind.in_([kind.value for kind in kinds]))
        .order_by(scan.c.id)
    )
    if value is not None:
        query = query.where(label.c.value == value.value)
    with reading(engine) as connection:
        return [
            LabelledScan(
                row["s_id"],
                noun_of(Scan, row, "s_"),
                noun_of(Label, row, "l_"),
                noun_of(Sighting, row, "f_"),
            )
            for row in connection.execute(query).mappings()
        ]


def healthy_pool(
    engine: Engine, kinds: Collection[ScanKind] = tuple(ScanKind)
) -> list[LabelledScan]:
    """Scans that a person or an import last called healthy: of pictures, of volumes, or all.

    A scan tells its kind, its patient's pseudonym, its grid and its contrast.
    """
    return labelled(engine, LabelValue.HEALTHY, kinds)


def n_files_at(engine: Engine, paths: Iterable[str]) -> dict[str, int]:
    """Of how many files the scan is that a file belongs to, by the file's path; the newest scan's.

    A path under which no scan was seen is left out.
    """
    seen = schema.sighting.c
    scan_ids: dict[str, int] = {}
    with reading(engine) as connection:
        for piece in pieces(set(paths)):
            query = select(seen.path, seen.scan_id).where(seen.path.in_(piece)).order_by(seen.id)
            scan_ids |= dict(connection.execute(query).tuples().all())
        scans = by_id(connection, Scan, schema.scan, scan_ids.values())
    return {path: scans[scan_id].n_files for path, scan_id in scan_ids.items()}


def scans_by_id(engine: Engine, scan_ids: Iterable[int]) -> dict[int, Scan]:
    """The scans of these ids; an id without a scan is left out."""
    with reading(engine) as connection:
        return by_id(connection, Scan, schema.scan, scan_ids)


def scans_by_sha256(engine: Engine, names: Iterable[str]) -> dict[str, Scan]:
    """The scans of these sha256; one that is not in the record is left out."""
    table, found = schema.scan, dict[str, Scan]()
    with reading(engine) as connection:
        for piece in pieces(dict.fromkeys(names)):
            rows = connection.execute(select(table).where(table.c.sha256.in_(piece))).mappings()
            found |= {row["sha256"]: noun_of(Scan, row) for row in rows}
    return found


def sightings(engine: Engine, scan_ids: Iterable[int]) -> dict[int, list[Sighting]]:
    """Where each of these scans was seen, newest first."""
    with reading(engine) as connection:
        newest = schema.sighting.c.id.desc()
        return grouped(connection, Sighting, schema.sighting.c.scan_id, scan_ids, newest)


def dataset_roles(engine: Engine, dataset_id: int) -> dict[int, Role]:
    """Scan id -> its role in a dataset."""
    table = schema.dataset_scan
    query = select(table.c.scan_id, table.c.role).where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return {row.scan_id: Role(row.role) for row in connection.execute(query)}


def dataset_groups(engine: Engine, dataset_id: int) -> dict[int, int]:
    """Scan id -> its group in a dataset: twins, and scans of one patient, share one."""
    table = schema.dataset_scan
    query = select(table.c.scan_id, table.c.twin_group).where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return dict(connection.execute(query).tuples().all())


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
            "characters of its sha256"
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

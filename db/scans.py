"""Reads of scans: one by name, where they can be read, what they were labelled, their roles."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select

from db import schema
from db.engine import reading
from db.rows import by_id, columns_of, grouped, noun_of
from mriad_model.errors import NotInRecord, RecordError
from mriad_model.nouns import Label, LabelValue, Role, Scan, ScanKind, Sighting

SHORTEST_PREFIX: Final = 4


@dataclass(frozen=True, slots=True)
class LabelledScan:
    """A scan, the last label it was given, and where it was seen last."""

    id: int  # of the scan
    scan: Scan
    label: Label
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class ScanSource:
    """What it takes to read a scan again, and to know that it is the same."""

    scan_id: int
    sha256: str  # of the pixels
    kind: ScanKind
    paths: tuple[str, ...]  # where it was seen, newest first; each path once


def labelled(engine: Engine, value: LabelValue | None = None) -> list[LabelledScan]:
    """Scans by their last label, in the order they were registered."""
    scan, label, sighting = schema.scan, schema.label, schema.sighting
    last_label = select(func.max(label.c.id)).group_by(label.c.scan_id)
    seen = schema.sighting.alias()
    last_seen = select(func.max(seen.c.id)).where(seen.c.scan_id == scan.c.id).scalar_subquery()
    query = (
        select(*columns_of(scan, "s_"), *columns_of(label, "l_"), *columns_of(sighting, "f_"))
        .join(label, label.c.scan_id == scan.c.id)
        .join(sighting, sighting.c.id == last_seen)
        .where(label.c.id.in_(last_label))
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


def healthy_pool(engine: Engine) -> list[LabelledScan]:
    """Scans that a person or an import last called healthy."""
    return labelled(engine, LabelValue.HEALTHY)


def scans_by_id(engine: Engine, scan_ids: Iterable[int]) -> dict[int, Scan]:
    """The scans of these ids; an id without a scan is left out."""
    with reading(engine) as connection:
        return by_id(connection, Scan, schema.scan, scan_ids)


def sightings(engine: Engine, scan_ids: Iterable[int]) -> dict[int, list[Sighting]]:
    """Where each of these scans was seen, newest first."""
    with reading(engine) as connection:
        newest = schema.sighting.c.id.desc()
        return grouped(connection, Sighting, schema.sighting.c.scan_id, scan_ids, newest)


def scan_sources(engine: Engine, scan_ids: Iterable[int]) -> list[ScanSource]:
    """Where each of these scans can be read, in this order.

    Raises:
        NotInRecord: there is no scan of one of these ids.

    """
    wanted = list(scan_ids)
    scans, seen = scans_by_id(engine, wanted), sightings(engine, wanted)
    missing = set(wanted) - scans.keys()
    if missing:
        raise NotInRecord(f"There is no scan {min(missing)} in the record")
    return [
        ScanSource(
            scan_id,
            scans[scan_id].sha256,
            scans[scan_id].kind,
            tuple(dict.fromkeys(each.path for each in seen.get(scan_id, ()))),
        )
        for scan_id in wanted
    ]


def dataset_roles(engine: Engine, dataset_id: int) -> dict[int, Role]:
    """Scan id -> its role in a dataset."""
    table = schema.dataset_scan
    query = select(table.c.scan_id, table.c.role).where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return {row.scan_id: Role(row.role) for row in connection.execute(query)}


def scan_id_of(connection: Connection, scan: int | str) -> int:
    """The id of a scan named by id, by the beginning of its sha256, or by a recorded path.

    Raises:
        NotInRecord: there is no such scan.
        RecordError: several scans' hashes begin so.

    """
    table = schema.scan
    if isinstance(scan, int) or scan.isdecimal():
        query = select(table.c.id).where(table.c.id == int(scan))
        found = connection.execute(query).scalars().all()
        if found or isinstance(scan, int):
            return _only(found, scan)
    found = (
        connection.execute(
            select(schema.sighting.c.scan_id)
            .where(schema.sighting.c.path == scan)
            .order_by(schema.sighting.c.id.desc())
            .limit(1)
        )
        .scalars()
        .all()
    )
    if not found and len(scan) >= SHORTEST_PREFIX:
        prefix = scan.lower()
        query = select(table.c.id).where(table.c.sha256 >= prefix, table.c.sha256 < prefix + "g")
        found = connection.execute(query.limit(2)).scalars().all()
    return _only(found, scan)


def _only(found: Any, scan: int | str) -> int:
    if not found:
        raise NotInRecord(
            f"There is no scan {scan} in the record: name its id, its path, "
            f"or {SHORTEST_PREFIX} or more characters of its sha256"
        )
    if len(found) > 1:
        raise RecordError(f"Several scans begin with {scan}: give more of the sha256")
    return int(found[0])

"""Scans of a dataset that may not belong together: of several sources, sizes or contrasts."""

from collections.abc import Iterable
from typing import Final

from db.entities import Scan, Sighting
from db.repository.intake import sightings as sightings_records
from db.repository.intake.scans import scans_by_id
from mriad_model.datasets.labels import label_of_word
from mriad_model.datasets.mixtures import PoolScan, mixtures
from mriad_model.enums import ScanKind
from tasks.runtime.connections import database

DRAWN_FOLDER: Final = "demo-scans"  # in a home, where `mriad demo` draws its heads
DRAWN_SCANNER: Final = "phantom"  # the scanner that drawn series name


def mixed_pool(home: str, scan_ids: Iterable[int]) -> list[str]:
    """What in these scans may not belong together, a sentence each."""
    engine = database(home)
    scans = scans_by_id(engine, scan_ids)
    seen = sightings_records.sightings(engine, scans)
    return mixtures([_pool_scan(scan, seen.get(scan_id, [])) for scan_id, scan in scans.items()])


def source_of(path: str) -> str:
    """The folder of the data set that a recorded path lies in: above those named as labels."""
    folder = path.rpartition("/")[0]
    while folder and label_of_word(folder.rpartition("/")[2]) is not None:
        folder = folder.rpartition("/")[0]
    return folder or "the home"


def _pool_scan(scan: Scan, sightings: list[Sighting]) -> PoolScan:
    path = sightings[-1].path if sightings else ""  # where it was seen first
    drawn = path.startswith(f"{DRAWN_FOLDER}/") or (scan.scanner or "").startswith(DRAWN_SCANNER)
    size = None
    if scan.kind is ScanKind.IMAGE:
        grid = scan.grid
        size = f"{grid.get('rows')} x {grid.get('columns')}, {grid.get('bits')} bit"
    return PoolScan(source_of(path), drawn, size, scan.contrast)

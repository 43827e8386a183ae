"""Scans of the record read again from their files, wherever those still hold them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.entities import Rejection
from db.repository.intake.rejections import append_rejections
from db.repository.intake.sightings import ScanFiles, scan_files
from db.timestamps import now
from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import NoScans, RejectedFile
from mriad_model.paths import source_path
from mriad_model.readers.contents import VolumeSource, group_files
from mriad_model.readers.folders import FoundFile, list_files
from mriad_model.readers.images.reading import StoredImage, store_image
from mriad_model.readers.volume_files import store_volume
from mriad_model.rejections import VANISHED
from tasks.runtime.connections import database, reader_pool
from tasks.runtime.scan_names import called
from tasks.runtime.workspace import CachedScan, Workspace

TOGETHER = 16  # pictures in one message to a child


@dataclass(frozen=True, slots=True)
class LocatedScan:
    """A scan of the record, as read."""

    scan_id: int
    kept: CachedScan


def load_scans(
    home: str, run_id: int, scan_ids: Sequence[int], workspace: Workspace
) -> list[LocatedScan]:
    """Each scan as the workspace has it, or read again; in order.

    What is read again is left in the workspace. A scan whose files have all vanished or changed
    gets a rejection row and is skipped.
    """
    engine = database(home)
    wanted = scan_files(engine, scan_ids)
    there = workspace.kept()
    missing = [each for each in wanted if each.scan.sha256 not in there]
    if missing:
        again = read_again(Path(home), missing, workspace)
        workspace.keep(list(again.values()))
        there |= {each.scan.sha256: each for each in again.values()}
        gone = [each for each in missing if each.id not in again]
        append_rejections(engine, [gone_row(each.paths[0], VANISHED, run_id) for each in gone])
    return [
        LocatedScan(each.id, there[each.scan.sha256])
        for each in wanted
        if each.scan.sha256 in there
    ]


def read_again(
    home: Path, wanted: Sequence[ScanFiles], workspace: Workspace
) -> dict[int, CachedScan]:
    """Scan id -> the scan, from the first of its files, newest first, that still holds it.

    Pixels and voxels go into the workspace. Scans that are not found are skipped.
    """
    pictures = {
        each.id: _Wanted(each.scan.sha256, [source_path(path, home) for path in each.paths])
        for each in wanted
        if each.scan.kind is ScanKind.IMAGE
    }
    found = _pictures(pictures, workspace)
    for number, each in enumerate(wanted):
        if each.scan.kind is not ScanKind.IMAGE:
            stored = _volume(each, home, workspace.voxels(number, "again"))
            if stored is not None:
                found[each.id] = stored
    return found


def volume_sources(scan: ScanFiles, home: Path) -> Iterator[VolumeSource]:
    """What a volume may be read from: its files as seen last, then all it was ever seen in.

    A NIfTI file and the series that it was made of are one scan, so either may be there still.
    """
    newest = list(dict.fromkeys(file.path for file in scan.newest_files))
    tried = set[VolumeSource]()
    for paths in (newest, scan.paths):
        files = [found for path in paths for found in _listed(source_path(path, home))]
        for source in group_files(reader_pool(), files).volumes:
            if source not in tried:
                tried.add(source)
                yield source


@dataclass(slots=True)
class _Wanted:
    sha256: str
    paths: list[Path]  # still to be tried


def _pictures(wanted: Mapping[int, _Wanted], workspace: Workspace) -> dict[int, CachedScan]:
    """Each picture from the first path that holds it; all first paths are read at once."""
    found: dict[int, CachedScan] = {}
    while todo := {i: each for i, each in wanted.items() if i not in found and each.paths}:
        paths = [each.paths.pop(0) for each in todo.values()]
        jobs = [(path, workspace.scratch()) for path in paths]
        outcomes = reader_pool().map(store_image, jobs, together=TOGETHER)
        for (scan_id, each), path, outcome in zip(todo.items(), paths, outcomes, strict=True):
            if isinstance(outcome, StoredImage) and outcome.sha256 == each.sha256:
                found[scan_id] = CachedScan(path, outcome)
    return found


def _volume(scan: ScanFiles, home: Path, scratch: Path) -> CachedScan | None:
    for source in volume_sources(scan, home):
        (outcome,) = reader_pool().map(store_volume, [(source, scratch)])
        if not isinstance(outcome, RejectedFile) and scan.scan.sha256 in outcome.identity.names:
            return CachedScan(source.files[0].path, called(outcome, scan.scan.sha256))
    return None


def _listed(path: Path) -> list[FoundFile]:
    """The file, if it is still there."""
    try:
        return [] if path.is_dir() else list(list_files(path))
    except NoScans:
        return []


def gone_row(path: str, detail: str, run_id: int) -> Rejection:
    """The rejection of a file or folder that is gone, by its recorded path."""
    return Rejection(
        path=path,
        size=-1,
        mtime_ns=-1,
        ctime_ns=-1,
        sha256=None,
        reason=RejectionReason.UNREADABLE,
        detail=detail,
        run_id=run_id,
        created_at=now(),
    )

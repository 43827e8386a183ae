"""What the record knows of files as they stand now. Reads alone, without the workflow engine."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from db.entities import Rejection
from db.repository.intake.rejections import rejected_files
from db.repository.intake.scans import scans_by_id
from db.repository.intake.sightings import FileKey, known_files
from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.paths import recorded_path
from mriad_model.readers.folders import FoundFile


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """Files, and what the record has seen of them unchanged."""

    files: dict[FileKey, FoundFile]  # all of them
    scans: dict[FileKey, tuple[int, ...]]  # ids of the scans that were read from a file
    rejected: dict[FileKey, Rejection]  # files that are no scans; not those that were unreadable

    @property
    def new(self) -> list[FileKey]:
        """Files that were not read as they stand now, or could not be read yet."""
        return [key for key in self.files if key not in self.scans and key not in self.rejected]

    def scans_seen(
        self, engine: Engine, but: Collection[FoundFile] = frozenset()
    ) -> list[tuple[int, str]]:
        """(scan id, path) of the scans in these files, a volume once; not of the files `but`."""
        seen = [
            (scan_id, str(self.files[key].path))
            for key, scan_ids in self.scans.items()
            if not but or self.files[key] not in but
            for scan_id in scan_ids
        ]
        return _scans_once(engine, seen)


def look_up(engine: Engine, home: Path, files: Iterable[FoundFile]) -> KnownFiles:
    """Look files up in the record, by path, size, times and inode."""
    keys = {
        FileKey(recorded_path(f.path, home), f.size, f.mtime_ns, f.inode, f.ctime_ns): f
        for f in files
    }
    scans = known_files(engine, keys)
    before = rejected_files(engine, [key for key in keys if key not in scans])
    rejected = {
        key: rejection
        for key, rejection in before.items()
        if rejection.reason is not RejectionReason.UNREADABLE
    }
    return KnownFiles(keys, scans, rejected)


def pictures_among(engine: Engine, scan_ids: Iterable[int]) -> set[int]:
    """Which of these scans are picture files, and no volumes."""
    scans = scans_by_id(engine, scan_ids)
    return {scan_id for scan_id, scan in scans.items() if scan.kind is ScanKind.IMAGE}


def _scans_once(engine: Engine, known: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Known files, those of a volume as one: a series is one scan of many files."""
    times = Counter(scan_id for scan_id, _ in known)
    pictures = pictures_among(engine, [scan_id for scan_id, n in times.items() if n > 1])
    first = dict[int, str]()
    for scan_id, path in known:
        first.setdefault(scan_id, path)
    return [
        (scan_id, path) for scan_id, path in known if scan_id in pictures or first[scan_id] == path
    ]

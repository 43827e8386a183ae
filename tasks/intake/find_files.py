"""Listing: what is in a folder, what of it the record knows, and what there is to read."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.entities import Rejection
from db.repository.intake.rejections import append_rejections, rejected_files
from db.repository.intake.scans import scans_by_id
from db.repository.intake.sightings import FileKey, known_files
from db.timestamps import now
from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.paths import recorded_path, unescape_path
from mriad_model.readers.contents import Contents, VolumeSource, group_files
from mriad_model.readers.folders import FoundFile, list_files
from mriad_model.readers.mask_files import masked_by
from mriad_model.rejections import RejectedItem
from tasks.intake.rejections import as_listed, rejected_unopened, rejection_row
from tasks.runtime.batching import in_chunks
from tasks.runtime.connections import database, reader_pool
from tasks.runtime.progress import timed

MASK = "by its name the mask of {}, which is read where that picture is trained on"
SLICES_OF_NIFTI = 192  # what a NIfTI volume is taken to have before it is read

# Reasons that more files of the series may do away with.
UNFINISHED_SERIES = (
    RejectionReason.TOO_FEW_SLICES,
    RejectionReason.GAP,
    RejectionReason.DUPLICATE,
    RejectionReason.SHARED_POSITIONS,
    RejectionReason.BAD_GEOMETRY,
    RejectionReason.INCOMPLETE,
    RejectionReason.LOCALIZER,
)


@dataclass(frozen=True, slots=True)
class ScanSources:
    """What scans are read from: a file each, or the files of a series."""

    pictures: tuple[FoundFile, ...] = ()
    volumes: tuple[VolumeSource, ...] = ()

    @property
    def files(self) -> list[tuple[FoundFile, ...]]:
        """Those of each source, pictures first."""
        return [*((each,) for each in self.pictures), *(each.files for each in self.volumes)]

    @property
    def n_slices(self) -> int:
        """About how many slices they hold."""
        return len(self.pictures) + sum(_n_slices(each) for each in self.volumes)

    @classmethod
    def of(cls, parts: Iterable["ScanSources"]) -> "ScanSources":
        """Several as one."""
        parts = list(parts)
        return cls(
            pictures=tuple(file for part in parts for file in part.pictures),
            volumes=tuple(volume for part in parts for volume in part.volumes),
        )


@dataclass(frozen=True, slots=True)
class FoundScans:
    """What is in a folder: sources to read, scans known unchanged, files rejected."""

    unread: list[ScanSources]  # one scan's each
    known: list[tuple[int, str]]  # (scan id, path)
    rejected: list[RejectedItem]


@task(name="find-files", cache_policy=NO_CACHE)
@timed("list files")
def find_files(home: str, run_id: int, folder: str, glob: str) -> FoundScans:
    """List a folder, set apart what the record has seen unchanged, and sort the rest.

    Raises:
        NoScans: there is no such folder or file.
    """
    return sort_files(home, run_id, list_files(Path(unescape_path(folder)), glob))


def sort_files(home: str, run_id: int, files: Iterable[FoundFile]) -> FoundScans:
    """Set apart the files that the record has seen unchanged, and sort the rest.

    DICOM files that arrive later make another scan with those before: where anything in a folder is
    new, its DICOM files are read again.
    """
    place, engine = Path(home), database(home)
    keys = {
        FileKey(recorded_path(f.path, place), f.size, f.mtime_ns, f.inode, f.ctime_ns): f
        for f in files
    }
    known = known_files(engine, keys)
    before = {
        key: rejection
        for key, rejection in rejected_files(
            engine, [key for key in keys if key not in known]
        ).items()
        if rejection.reason is not RejectionReason.UNREADABLE
    }
    # Few of many files, as a rule: what is unchanged is not even hashed.
    fresh = [key for key in keys if key not in known and key not in before]
    new = dict.fromkeys(keys[key] for key in fresh)
    looked_at = {*fresh, *(_beside(home, keys, new, known, before) if new else ())}
    masks = {file: picture for file in new if (picture := masked_by(file.path)) is not None}
    to_open = [
        f for key, f in keys.items() if not f.rejection and key in looked_at and f not in masks
    ]
    contents = group_files(reader_pool(), to_open)
    volumes = [each for each in contents.volumes if any(file in new for file in each.files)]
    moment = now()
    rejections = [
        rejection_row(file, place, error, run_id, moment)
        for file, error in _rejected(new, contents, masks)
    ]
    append_rejections(engine, rejections)
    in_volumes = {file for each in volumes for file in each.files}
    return FoundScans(
        unread=[ScanSources(pictures=(each,)) for each in contents.pictures]
        + [ScanSources(volumes=(each,)) for each in volumes],
        known=_scans_once(
            home,
            [
                (scan_id, str(keys[key].path))
                for key, scan_ids in known.items()
                if not in_volumes or keys[key] not in in_volumes
                for scan_id in scan_ids
            ],
        ),
        rejected=[as_listed(old) for key, old in before.items() if keys[key] not in in_volumes]
        + [as_listed(each) for each in rejections],
    )


def chunked(unread: Sequence[ScanSources], size: int) -> Iterator[tuple[int, ScanSources]]:
    """(number, sources) for chunks of about `size` slices; numbers start at 1."""
    for number, piece in in_chunks(unread, size, lambda each: each.n_slices):
        yield number, ScanSources.of(piece)


def _beside(
    home: str,
    keys: Mapping[FileKey, FoundFile],
    new: Collection[FoundFile],
    known: Mapping[FileKey, Collection[int]],
    before: Mapping[FileKey, Rejection],
) -> list[FileKey]:
    """Files in the folders of new ones that may belong to a series with them.

    That a scan is a volume does not say what its files are: a NIfTI file and the series that it
    was made of are one scan.
    """
    folders = {file.path.parent for file in new}
    near = [key for key in known if keys[key].path.parent in folders]
    pictures = _pictures(home, {scan_id for key in near for scan_id in known[key]})
    return [key for key in near if pictures.isdisjoint(known[key])] + [
        key
        for key, rejection in before.items()
        if rejection.reason in UNFINISHED_SERIES and keys[key].path.parent in folders
    ]


def _scans_once(home: str, known: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Known files, those of a volume as one: a series is one scan of many files."""
    times = Counter(scan_id for scan_id, _ in known)
    pictures = _pictures(home, [scan_id for scan_id, n in times.items() if n > 1])
    first = dict[int, str]()
    for scan_id, path in known:
        first.setdefault(scan_id, path)
    return [
        (scan_id, path) for scan_id, path in known if scan_id in pictures or first[scan_id] == path
    ]


def _pictures(home: str, scan_ids: Iterable[int]) -> set[int]:
    """Which of these scans are picture files, and no volumes."""
    scans = scans_by_id(database(home), scan_ids)
    return {scan_id for scan_id, scan in scans.items() if scan.kind is ScanKind.IMAGE}


def _rejected(
    new: Collection[FoundFile], contents: Contents, masks: Mapping[FoundFile, Path]
) -> Iterable[tuple[FoundFile, RejectedFile]]:
    """New files that are no scans, each with the reason."""
    for file in new:
        if file.rejection is not None:
            yield file, rejected_unopened(file.rejection)
        elif file in masks:
            yield file, RejectedFile(RejectionReason.LABEL_MAP, MASK.format(masks[file].name))
    for file, error in contents.rejections:
        if file in new:
            yield file, error


def _n_slices(source: VolumeSource) -> int:
    return len(source.series.frames) if source.series is not None else SLICES_OF_NIFTI

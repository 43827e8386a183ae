"""Listing: what is in a folder, what of it the record knows, and what there is to read."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from db.repository.intake.rejections import append_rejections
from db.repository.intake.sightings import FileKey
from db.timestamps import now
from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.paths import unescape_path
from mriad_model.readers.contents import Contents, VolumeSource, group_files
from mriad_model.readers.folders import FoundFile, list_files
from mriad_model.readers.mask_files import masked_by
from mriad_model.rejections import RejectedItem
from tasks.intake.known_files import KnownFiles, look_up, pictures_among
from tasks.intake.rejections import as_listed, rejected_unopened, rejection_row
from tasks.runtime.batching import in_chunks
from tasks.runtime.connections import database, reader_pool
from tasks.runtime.garbage import without_collection
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
    with without_collection():
        listed = look_up(engine, place, files)
    # Few of many files, as a rule: what is unchanged is not even hashed.
    fresh = listed.new
    new = dict.fromkeys(listed.files[key] for key in fresh)
    looked_at = {*fresh, *(_beside(engine, listed, new) if new else ())}
    masks = {file: picture for file in new if (picture := masked_by(file.path)) is not None}
    to_open = [
        f
        for key, f in listed.files.items()
        if not f.rejection and key in looked_at and f not in masks
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
    with without_collection():
        known = listed.scans_seen(engine, but=in_volumes)
    return FoundScans(
        unread=[ScanSources(pictures=(each,)) for each in contents.pictures]
        + [ScanSources(volumes=(each,)) for each in volumes],
        known=known,
        rejected=[
            as_listed(old)
            for key, old in listed.rejected.items()
            if listed.files[key] not in in_volumes
        ]
        + [as_listed(each) for each in rejections],
    )


def chunked(unread: Sequence[ScanSources], size: int) -> Iterator[tuple[int, ScanSources]]:
    """(number, sources) for chunks of about `size` slices; numbers start at 1."""
    for number, piece in in_chunks(unread, size, lambda each: each.n_slices):
        yield number, ScanSources.of(piece)


def _beside(engine: Engine, listed: KnownFiles, new: Collection[FoundFile]) -> list[FileKey]:
    """Files in the folders of new ones that may belong to a series with them.

    That a scan is a volume does not say what its files are: a NIfTI file and the series that it
    was made of are one scan.
    """
    folders = {file.path.parent for file in new}
    scans = {
        key: scan_ids
        for key, scan_ids in listed.scans.items()
        if listed.files[key].path.parent in folders
    }
    pictures = pictures_among(engine, {scan_id for ids in scans.values() for scan_id in ids})
    return [key for key, scan_ids in scans.items() if pictures.isdisjoint(scan_ids)] + [
        key
        for key, rejection in listed.rejected.items()
        if rejection.reason in UNFINISHED_SERIES and listed.files[key].path.parent in folders
    ]


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

"""What a file is, told by its bytes; a folder's files sorted by what they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from mriad_model.enums import ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.checks import Refusal
from mriad_model.readers.dicom.frames import Frame
from mriad_model.readers.dicom.reading import (
    digest_jobs,
    pixel_digest,
    read_frames,
    without_refused,
)
from mriad_model.readers.dicom.series import Series, series_of
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.signatures import volume_kind
from mriad_model.readers.volumes import VolumeLimits

TOGETHER = 32  # files in one message: a header takes a millisecond, a message a third of one

Look: TypeAlias = tuple[Frame, ...] | ScanKind | None  # of a DICOM file; NIfTI; anything else


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """The files that one volume is read from."""

    kind: ScanKind  # DICOM or NIFTI
    files: tuple[FoundFile, ...]
    series: Series | None = None  # of DICOM


@dataclass(frozen=True, slots=True)
class Contents:
    """Every file of a folder: a picture, in a volume, or refused. Some are in several volumes."""

    pictures: tuple[FoundFile, ...]  # unknown files too: `read_image` says what is wrong with them
    volumes: tuple[VolumeSource, ...]
    refusals: tuple[Refusal, ...]


def group_files(readers: ReaderPool, files: Iterable[FoundFile]) -> Contents:
    """Sort a folder's files by what is in them.

    A file counts as DICOM or NIfTI by its bytes; what its name says means nothing.

    Args:
        readers: where files are opened. No byte of one is parsed in this process.
        files: as `mriad_model.readers.folders.list_files` gives them.
    """
    pictures: list[FoundFile] = []
    volumes: list[VolumeSource] = []
    frames: list[Frame] = []
    refusals: list[Refusal] = []
    openable: list[FoundFile] = []
    for found in files:
        if found.refused is None:
            openable.append(found)
        else:
            refusals.append(Refusal(found, found.refused, found.refused.value.replace("_", " ")))
    looks = readers.map(look_at, openable, together=TOGETHER)
    for found, look in zip(openable, looks, strict=True):
        if isinstance(look, RejectedFile):
            refusals.append(Refusal(found, look.reason, look.detail))
        elif isinstance(look, tuple):
            frames.extend(look)
        elif look is ScanKind.NIFTI:
            volumes.append(VolumeSource(ScanKind.NIFTI, (found,)))
        else:
            pictures.append(found)
    digests: dict[FoundFile, str] = {}
    jobs = digest_jobs(frames)
    for job, digest in zip(jobs, readers.map(pixel_digest, jobs), strict=True):
        found = job[0].instance.found
        if isinstance(digest, RejectedFile):
            refusals.append(Refusal(found, digest.reason, digest.detail))
        else:
            digests[found] = digest
    sound = without_refused(frames, refusals)
    series, refused = series_of(sound, VolumeLimits(), digests)
    volumes.extend(VolumeSource(ScanKind.DICOM, each.files, each) for each in series)
    return Contents(tuple(pictures), tuple(volumes), (*refusals, *refused))


def look_at(found: FoundFile) -> Look:
    """What a file is; of DICOM, the frames that its header tells of. Raises RejectedFile."""
    kind = volume_kind(found.path)
    return read_frames(found, VolumeLimits()) if kind is ScanKind.DICOM else kind

"""What a file is, by its bytes; a folder's files sorted by that."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from mriad_model.enums import ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom.frames import Frame
from mriad_model.readers.dicom.reading import digest_jobs, pixel_digest, read_frames
from mriad_model.readers.dicom.series import Series, series_of
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.signatures import volume_kind
from mriad_model.readers.volume.volumes import VolumeLimits

TOGETHER = 32  # files in one message: a header takes a millisecond, a message a third of one

Content: TypeAlias = tuple[Frame, ...] | ScanKind | None  # of DICOM; NIfTI; of other files


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """The files that one volume is read from."""

    kind: ScanKind  # DICOM or NIFTI
    files: tuple[FoundFile, ...]
    series: Series | None = None  # of DICOM


@dataclass(frozen=True, slots=True)
class Contents:
    """Every file of a folder: a picture, in a volume, or rejected. Some are in several volumes."""

    pictures: tuple[FoundFile, ...]  # unknown files too: `read_image` says what is wrong with them
    volumes: tuple[VolumeSource, ...]
    rejections: tuple[tuple[FoundFile, RejectedFile], ...]


def group_files(readers: ReaderPool, files: Iterable[FoundFile]) -> Contents:
    """Sort a folder's files by their bytes, which are parsed in children; names mean nothing."""
    pictures: list[FoundFile] = []
    volumes: list[VolumeSource] = []
    frames: list[Frame] = []
    rejections: list[tuple[FoundFile, RejectedFile]] = []
    openable: list[FoundFile] = []
    for found in files:
        if found.rejection is None:
            openable.append(found)
        else:
            detail = found.rejection.value.replace("_", " ")
            rejections.append((found, RejectedFile(found.rejection, detail)))
    contents = readers.map(content_of, openable, together=TOGETHER)
    for found, content in zip(openable, contents, strict=True):
        if isinstance(content, RejectedFile):
            rejections.append((found, content))
        elif isinstance(content, tuple):
            frames.extend(content)
        elif content is ScanKind.NIFTI:
            volumes.append(VolumeSource(ScanKind.NIFTI, (found,)))
        else:
            pictures.append(found)
    digests: dict[FoundFile, str] = {}
    jobs = digest_jobs(frames)
    for job, digest in zip(jobs, readers.map(pixel_digest, jobs), strict=True):
        found = job[0].instance.found
        if isinstance(digest, RejectedFile):
            rejections.append((found, digest))
        else:
            digests[found] = digest
    rejected = {found for found, _ in rejections}
    sound = [frame for frame in frames if frame.instance.found not in rejected]
    series, unsuited = series_of(sound, VolumeLimits(), digests)
    volumes.extend(VolumeSource(ScanKind.DICOM, each.files, each) for each in series)
    return Contents(tuple(pictures), tuple(volumes), (*rejections, *unsuited))


def content_of(found: FoundFile) -> Content:
    """The kind of a file, or the frames of its DICOM header. Raises RejectedFile."""
    kind = volume_kind(found.path)
    return read_frames(found, VolumeLimits()) if kind is ScanKind.DICOM else kind

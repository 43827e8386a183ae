"""DICOM: a folder's files into series, and a series into a volume.

Headers are read file by file and little is kept of each. Voxels are decoded slice by slice into the
volume, which takes the memory of the series and one slice.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.utils import iter_pixels

from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.readers.dicom.copies import namesakes
from mriad_model.readers.dicom.file import pixel_source, read_header
from mriad_model.readers.dicom.frame_tags import frames_of, without_padding
from mriad_model.readers.dicom.frames import Frame, Instance
from mriad_model.readers.dicom.series import Series
from mriad_model.readers.dicom.transfer_syntax import PLUGINS, decoder_of
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.signatures import opened
from mriad_model.readers.volume.checks import rejecting, require
from mriad_model.readers.volume.geometry import Voxels
from mriad_model.readers.volume.volumes import Origin, Volume, VolumeLimits, storage_type, volume_of


def read_frames(found: FoundFile, limits: VolumeLimits) -> tuple[Frame, ...]:
    """The frames of one DICOM file, from its header. Raises RejectedFile."""
    return frames_of(found, read_header(found, limits), limits)


def digest_jobs(frames: Sequence[Frame]) -> list[tuple[Frame, ...]]:
    """For `pixel_digest`: the frames of each file that shares a UID with another one."""
    by_file = defaultdict[FoundFile, list[Frame]](list)
    for frame in frames:
        by_file[frame.instance.found].append(frame)
    return [tuple(by_file[found]) for found in namesakes(frames)]


def pixel_digest(frames: tuple[Frame, ...]) -> str:
    """SHA-256 of the pixels of a file, however they are compressed. Raises RejectedFile."""
    digest = hashlib.sha256()
    indices = [frame.index for frame in frames]
    for frame, stored in zip(frames, _decoded(frames[0].instance, indices), strict=True):
        digest.update(f"{stored.shape} {frame.slope!r} {frame.intercept!r}\n".encode())
        digest.update(np.ascontiguousarray(stored, "<i8").tobytes())
    return digest.hexdigest()


def read_series(series: Series) -> Volume:
    """Decode the slices of a series into a volume. MONOCHROME1 is inverted; padding becomes air.

    Raises RejectedFile where a file changed since it was listed, or pixels cannot be decoded, are
    all the same, or become infinite.
    """
    voxels = np.empty(series.shape, _storage_type(series.frames))
    states_padding = any(frame.instance.padding is not None for frame in series.frames)
    padded = np.zeros(series.shape, np.bool_) if states_padding else None
    by_file = defaultdict[FoundFile, dict[int, int]](dict)
    for place, frame in enumerate(series.frames):
        by_file[frame.instance.found][frame.index] = place
    for places in by_file.values():
        indices = sorted(places)
        instance = series.frames[places[indices[0]]].instance
        for index, stored in zip(indices, _decoded(instance, indices), strict=True):
            frame = series.frames[places[index]]
            _fill(voxels[places[index]], stored, frame)
            if padded is not None and frame.instance.padding is not None:
                low, high = frame.instance.padding
                padded[places[index]] = (stored >= low) & (stored <= high)
    if padded is not None:
        without_padding(voxels, padded)
    return volume_of(voxels, series.affine, _origin(series))


def _decoded(instance: Instance, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
    """The stored values of some frames of one file, each (rows, columns)."""
    with opened(instance.found.path, instance.found) as file, rejecting():
        plugin = PLUGINS[instance.transfer_syntax]
        source = pixel_source(file, instance.transfer_syntax)
        for stored in iter_pixels(source, indices=indices, raw=True, decoding_plugin=plugin):
            same = stored.shape == (instance.rows, instance.columns)
            require(same, RejectionReason.CORRUPT, "a slice has another shape than its header says")
            yield stored


def _fill(plane: Voxels, stored: NDArray[Any], frame: Frame) -> None:
    """Write one slice (rows, columns) into the volume, scaled."""
    values = _inverted(stored, frame.instance) if frame.instance.inverted else stored
    if not _is_scaled(frame):
        plane[:] = values
        return
    with np.errstate(over="ignore"):  # what becomes infinite is rejected with the volume
        plane[:] = values * np.float64(frame.slope) + frame.intercept


def _inverted(stored: NDArray[Any], instance: Instance) -> NDArray[Any]:
    """MONOCHROME1 turned round within the range of its stored bits, so that air is dark."""
    if instance.signed:
        return np.asarray(~stored)
    top = 2**instance.bits_stored - 1
    return np.asarray(top - stored.astype(np.int64)).astype(stored.dtype)


def _is_scaled(frame: Frame) -> bool:
    return (frame.slope, frame.intercept) != (1.0, 0.0)


def _storage_type(frames: Iterable[Frame]) -> np.dtype[Any]:
    types = {(f.instance.bits_allocated, f.instance.signed, _is_scaled(f)) for f in frames}
    if len(types) > 1:
        return np.dtype(np.float32)
    ((bits, signed, scaled),) = types
    return storage_type(np.dtype(f"{'i' if signed else 'u'}{bits // 8}"), scaled)


def _origin(series: Series) -> Origin:
    instance = series.frames[0].instance
    syntaxes = {frame.instance.transfer_syntax for frame in series.frames}
    return Origin(
        kind=ScanKind.DICOM,
        patient_id=instance.patient_id,
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        frame_of_reference_uid=instance.frame_of_reference_uid if series.is_placed else None,
        scanner=instance.scanner,
        contrast=series.frames[0].hint.name,
        remarks=series.remarks,
        decoder=", ".join(sorted({decoder_of(syntax) for syntax in syntaxes})),
    )

"""NIfTI: one file, one volume. No more bytes are read than its header states.

A gzip stream is inflated piece by piece into the volume, so an endless one costs no more.
"""

import gzip
import io
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.bids import bids_name
from mriad_model.readers.nifti.content_kind import require_picture
from mriad_model.readers.nifti.header import NiftiHeader, parse_header
from mriad_model.readers.nifti.sidecar import Sidecar, read_sidecar
from mriad_model.readers.nifti.weighting import nifti_contrast
from mriad_model.readers.signatures import GZIP, opened, require_size
from mriad_model.readers.volume.checks import rejecting, require
from mriad_model.readers.volume.geometry import Affine, Voxels
from mriad_model.readers.volume.volumes import (
    Origin,
    Volume,
    VolumeLimits,
    require_grey_levels,
    storage_type,
    volume_of,
)

HEADER_BYTES = 540
PIECE = 2**20  # bytes that are skipped at a time
SLACK = 4096  # bytes after the last voxel that are let pass; some writers pad


def read_nifti(path: Path, limits: VolumeLimits | None = None) -> Volume:
    """Read a `.nii` or `.nii.gz` by its content, scaled, on its own grid. Raises RejectedFile."""
    with rejecting():
        header, voxels = _read(path, limits or VolumeLimits())
        sidecar = read_sidecar(path)
        volume = volume_of(voxels, header.affine, _origin(path, sidecar, header.description))
        require_picture(path, header.intent, voxels, sidecar)
        require_grey_levels(voxels)
        return volume


def read_nifti_grid(path: Path, limits: VolumeLimits | None = None) -> tuple[Voxels, Affine]:
    """The values of a NIfTI file, be it a scan or a mask, (Z, Y, X), and its affine.

    Raises RejectedFile where it is damaged, too large, or holds what is no finite number.
    """
    with rejecting():
        header, voxels = _read(path, limits or VolumeLimits())
        finite = bool(np.isfinite(voxels).all())
        require(finite, RejectionReason.NOT_FINITE, "voxels are not a number or infinite")
        return voxels, header.affine


def _read(path: Path, limits: VolumeLimits) -> tuple[NiftiHeader, Voxels]:
    with opened(path) as file, rejecting():
        size = file.seek(0, io.SEEK_END)
        require_size(size, limits.max_file_bytes)
        file.seek(0)
        zipped = file.read(2) == GZIP
        file.seek(0)
        with _stream(file, zipped) as stream:
            start = _up_to(stream, HEADER_BYTES)
            header = parse_header(start, limits)
            voxels = _read_voxels(stream, header, len(start), None if zipped else size)
            _require_end(stream)
    return header, voxels


def _stream(file: BinaryIO, zipped: bool) -> AbstractContextManager[BinaryIO]:
    if not zipped:
        return nullcontext(file)
    return cast("AbstractContextManager[BinaryIO]", gzip.GzipFile(fileobj=file, mode="rb"))


def _read_voxels(stream: BinaryIO, header: NiftiHeader, position: int, size: int | None) -> Voxels:
    """The voxels (Z, Y, X), scaled. `size` is the file's, None where it is packed."""
    columns, rows, slices = header.shape
    n_bytes = rows * columns * header.dtype.itemsize
    if size is not None:
        there, needed = size - header.offset, n_bytes * slices
        detail = f"{max(there, 0):,} of {needed:,} bytes of voxels"
        require(there >= needed, RejectionReason.TRUNCATED, detail)
    if header.offset < position:
        stream.seek(header.offset)  # a NIfTI-1 header is shorter than what was read
    else:
        _skip(stream, header.offset - position)
    voxels = np.empty((slices, rows, columns), storage_type(header.dtype, header.is_scaled))
    plane = np.empty((rows, columns), header.dtype)
    for place in range(slices):
        _read_into(stream, plane)
        voxels[place] = _scaled(plane, header)
    return voxels


def _scaled(plane: NDArray[Any], header: NiftiHeader) -> NDArray[Any]:
    if not header.is_scaled and plane.dtype.itemsize < 8:
        return plane
    with np.errstate(over="ignore", invalid="ignore"):  # looked for in the volume as a whole
        return np.asarray(plane * header.slope + header.intercept).astype(np.float32)


def _read_into(stream: BinaryIO, plane: NDArray[Any]) -> None:
    buffer = plane.reshape(-1).view(np.uint8).data
    filled = 0
    while filled < len(buffer):
        n = cast("io.BufferedReader", stream).readinto(buffer[filled:])
        if not n:
            raise RejectedFile(RejectionReason.TRUNCATED, "the file ends before its last voxel")
        filled += n


def _up_to(stream: BinaryIO, n_bytes: int) -> bytes:
    """The next `n_bytes`, or what is left. A gzip stream cut short counts as ended."""
    read = b""
    try:
        while len(read) < n_bytes and (piece := stream.read(n_bytes - len(read))):
            read += piece
    except EOFError:
        pass
    return read


def _skip(stream: BinaryIO, n_bytes: int) -> None:
    while n_bytes > 0:
        piece = stream.read(min(n_bytes, PIECE))
        if not piece:
            raise RejectedFile(RejectionReason.TRUNCATED, "the file ends before its voxels")
        n_bytes -= len(piece)


def _require_end(stream: BinaryIO) -> None:
    """Nothing but padding may follow; reading to the end also checks gzip's own checksum."""
    left = stream.read(SLACK + 1)
    while len(left) <= SLACK and (more := stream.read(SLACK + 1 - len(left))):
        left += more
    ended = len(left) <= SLACK
    require(ended, RejectionReason.CORRUPT, "more data than the header says")


def _origin(path: Path, sidecar: Sidecar, description: str) -> Origin:
    name = bids_name(path)
    hint = nifti_contrast(path, sidecar, description)
    return Origin(
        kind=ScanKind.NIFTI,
        patient_id=name.subject,
        session=name.session,
        contrast=hint.name,
        remarks=() if hint.remark is None else (hint.remark,),
    )

"""A picture file as a scan of one slice, identified by its pixels."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.files import PRIVATE_FILE
from mriad_model.readers.images.decoding import Gray, gray_pixels
from mriad_model.readers.images.formats import (
    PictureFormat,
    format_of,
    open_header,
    rejection_of,
    require_one_frame,
    unsupported,
)
from mriad_model.readers.signatures import GZIP, opened, require_size
from mriad_model.readers.volume.volumes import Origin

PACKED = "a gzip file that holds no NIfTI volume; unpack it: only NIfTI is read packed"
UNKNOWN = "not a picture, a DICOM file or a NIfTI volume"


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of a picture file. Sizes are checked before a pixel is decoded."""

    max_bytes: int = 128 * 2**20
    max_pixels: int = 50_000_000
    min_side: int = 32  # pixels; below it there is no anatomy to score
    max_aspect: float = 4.0  # longer side over shorter


@dataclass(frozen=True, slots=True, eq=False)
class ImageScan:
    """The pixels of one slice, gray and upright, and their content hash."""

    pixels: Gray  # (H, W) uint8 or uint16, C-contiguous
    sha256: str

    @property
    def bits(self) -> int:
        """8 or 16."""
        return 8 * self.pixels.dtype.itemsize


def read_image(path: Path, limits: ReadLimits | None = None) -> ImageScan:
    """Read a PNG, JPEG, TIFF or BMP by its content. RejectedFile unless it is one good picture."""
    pixels = read_pixels(path, limits)
    if pixels.min() == pixels.max():
        raise RejectedFile(RejectionReason.NO_SIGNAL, f"every pixel is {pixels.flat[0]}")
    return ImageScan(pixels, content_sha256(pixels))


def read_pixels(path: Path, limits: ReadLimits | None = None) -> Gray:
    """The pixels of a picture file, be it a scan or a mask. RejectedFile as `read_image`."""
    limits = limits or ReadLimits()
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        require_size(size, limits.max_bytes)
        data = file.read(size + 1)  # not of max_bytes: read() sets that much aside first
    require_size(len(data), limits.max_bytes)  # written to meanwhile
    kind = format_of(data)
    if kind is None:
        raise unsupported(PACKED if data.startswith(GZIP) else UNKNOWN)
    try:
        return _decode(data, kind, limits)
    except Exception as error:
        # Decoders of hostile bytes raise whatever they like, MemoryError included.
        raise rejection_of(error) from error


def content_sha256(pixels: Gray) -> str:
    """A scan's identity: SHA-256 of type, shape and pixels (little-endian, row by row).

    The same pixels in another format, or as colour with equal channels, are the same scan.
    """
    rows, columns = pixels.shape
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"uint{8 * pixels.dtype.itemsize} {rows} {columns}\n".encode())
    digest.update(little.tobytes())
    return digest.hexdigest()


def _decode(data: bytes, kind: PictureFormat, limits: ReadLimits) -> Gray:
    picture = open_header(data, kind)
    _require_shape(picture.size, limits)
    require_one_frame(picture)
    return np.require(gray_pixels(picture, data), requirements="C")


def _require_shape(size: tuple[int, int], limits: ReadLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        detail = f"{width}x{height} pixels, more than {limits.max_pixels:,}"
        raise RejectedFile(RejectionReason.TOO_LARGE, detail)
    short, long = sorted(size)
    if short < limits.min_side or long > limits.max_aspect * short:
        detail = (
            f"{width}x{height} pixels; a side needs {limits.min_side} or more,"
            f" and the longer one at most {limits.max_aspect:g} times the shorter"
        )
        raise RejectedFile(RejectionReason.BAD_SHAPE, detail)


ALIGNED = 64  # bytes; so that pixels of any type can be mapped
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture whose pixels lie in a scratch file, among others."""

    path: Path
    offset: int  # bytes
    shape: tuple[int, int]  # (H, W)
    bits: int  # 8 or 16
    sha256: str

    @property
    def n_slices(self) -> int:
        """A picture is a scan of one slice."""
        return 1

    @property
    def origin(self) -> Origin:
        """A picture states no origin."""
        return Origin(ScanKind.IMAGE)

    def geometry(self, n_files: int) -> dict[str, Any]:  # noqa: ARG002 - a picture is one file
        """What the record keeps of its grid."""
        rows, columns = self.shape
        return {"rows": rows, "columns": columns, "bits": self.bits}

    def load(self) -> ImageScan:
        """The picture, its pixels read from the file."""
        rows, columns = self.shape
        raw = np.fromfile(self.path, f"u{self.bits // 8}", rows * columns, offset=self.offset)
        return ImageScan(raw.reshape(rows, columns), self.sha256)

    def discard(self) -> None:
        """Nothing: other pictures lie in the file too."""


def store_image(job: tuple[Path, Path]) -> StoredImage:
    """Append a picture's pixels to `pixels-*.bin` (0600) in a folder. Runs in a child.

    Raises RejectedFile where it is no good picture, OSError where the file cannot be written.
    """
    source, folder = job
    scan = read_image(source)
    path = folder / f"pixels-{os.getpid()}.bin"
    with os.fdopen(os.open(path, APPEND, PRIVATE_FILE), "ab") as file:
        offset = file.seek(0, os.SEEK_END)
        file.write(b"\0" * (-offset % ALIGNED))
        file.write(scan.pixels.data)
    rows, columns = scan.pixels.shape
    return StoredImage(path, offset + -offset % ALIGNED, (rows, columns), scan.bits, scan.sha256)


def store_new_image(job: tuple[Path, Path]) -> StoredImage:
    """As `store_image`, of a file that the record does not know: the mask of a lesion is no scan.

    Raises RejectedFile of it too, `label_map`: every pixel is black or one other grey.
    """
    stored = store_image(job)
    pixels = stored.load().pixels
    white = pixels.max()
    if pixels.min() == 0 and ((pixels == 0) | (pixels == white)).all():
        detail = f"every pixel is 0 or {white}: a mask, no picture"
        raise RejectedFile(RejectionReason.LABEL_MAP, detail)
    return stored

"""Picture files, strictly: recognised by content, opened by header, checked to the last byte."""

import io
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Literal

from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_END = b"\xff\xd9"
PADDING = b"\0\r\n "  # copies over tape or FTP may end in it
SEVERAL = "holds more than one picture; save each as a file"
GOES_ON = "the end of the picture is not the end of the file"

_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_CUT_SHORT = (
    "truncated",
    "not enough",
    "requires a buffer",
    "incomplete checksum",
    "unexpected end",
)
_WARNINGS = threading.Lock()


class PictureFormat(StrEnum):
    """The file formats that can hold a scan of one slice."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    BMP = "BMP"


def format_of(data: bytes) -> PictureFormat | None:
    """The format by the first bytes, or None; Pillow takes any text that starts with "BM"."""
    if data.startswith(PNG_SIGNATURE):
        return PictureFormat.PNG
    if data.startswith(b"\xff\xd8\xff"):
        return PictureFormat.JPEG
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return PictureFormat.TIFF
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return PictureFormat.BMP
    return None


def open_header(data: bytes, kind: PictureFormat) -> ImageFile:
    """Read the header alone: size and mode, and no pixel yet. Raises whatever Pillow raises.

    The format's own reader is called: `Image.open` swallows errors of broken headers.
    """
    readers: dict[PictureFormat, Callable[[io.BytesIO], ImageFile]] = {
        PictureFormat.PNG: PngImagePlugin.PngImageFile,
        PictureFormat.JPEG: JpegImagePlugin.JpegImageFile,
        PictureFormat.TIFF: TiffImagePlugin.TiffImageFile,
        PictureFormat.BMP: BmpImagePlugin.BmpImageFile,
    }
    if kind is PictureFormat.TIFF:
        _require_tiff_directory(data)
    with quietly():
        return readers[kind](io.BytesIO(data))


@contextmanager
def quietly() -> Iterator[None]:
    """Ignore warnings about odd metadata. The filters are the process's: one thread at a time."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def require_one_frame(picture: ImageFile) -> None:
    """Reject a multi-page TIFF, an animated PNG and a multi-picture JPEG: one file is one slice."""
    if getattr(picture, "is_animated", False) or "mp" in picture.info:
        raise RejectedFile(RejectionReason.MULTI_FRAME, SEVERAL)


def rejection_of(error: Exception) -> RejectedFile:
    """The rejection of a file that a decoder raised an error on."""
    if isinstance(error, RejectedFile):
        return error
    if isinstance(error, MemoryError):
        return RejectedFile(RejectionReason.TOO_LARGE, "more than memory holds")
    text = _printable(error)
    lowered = text.lower()
    if isinstance(error, EOFError | struct.error) or any(word in lowered for word in _CUT_SHORT):
        return truncated(text)
    if lowered.startswith(("unsupported", "unknown pixel mode")):
        return unsupported(text)
    return corrupt(text)


def _printable(error: Exception) -> str:
    """One short line: the text may quote the file's own bytes."""
    spoken = isinstance(error, OSError | SyntaxError | ValueError) and str(error)
    text = str(error) if spoken else f"{type(error).__name__}: {error}".rstrip(": ")
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]


def _require_tiff_directory(data: bytes) -> None:
    """Reject a TIFF cut before its first directory, which many writers put last (TIFF 6.0, 2)."""
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
    big_tiff = 43 in data[2:4]
    offset = int.from_bytes(data[8:16] if big_tiff else data[4:8], order)
    if offset + 2 > len(data):
        raise truncated("its directory lies beyond its end")


def require_ended_jpeg(data: bytes) -> None:
    """Reject what goes on after its end: a second picture there would be lost in silence."""
    if not data.rstrip(PADDING).endswith(JPEG_END):
        raise corrupt(GOES_ON)


def truncated(detail: str) -> RejectedFile:
    """A file that ends too early."""
    return RejectedFile(RejectionReason.TRUNCATED, detail)


def corrupt(detail: str) -> RejectedFile:
    """A file that is not what it says it is."""
    return RejectedFile(RejectionReason.CORRUPT, detail)


def unsupported(detail: str) -> RejectedFile:
    """A file that is no format, or no kind of pixels, that we read."""
    return RejectedFile(RejectionReason.UNSUPPORTED, detail)

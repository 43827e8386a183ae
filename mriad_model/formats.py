"""Picture files, strictly: told by content, checked to their last byte, decoded to gray.

The fixed rules, the same for every format:
- 1 bit and palette go to 8 bits; 8 bits stay 8, 9 to 16 bits stay 16 (never cut to 8).
- Colour becomes ITU-R 601 luma with Pillow's integers, (19595 R + 38470 G + 7471 B + 2^15) >> 16,
  so equal channels give exactly their value. CMYK passes through RGB.
- What is transparent lies on black.
- EXIF orientation is applied (TIFF: its Orientation tag), so pixels are upright.
- Refused, since a guess would be silent: more than one picture in the file, floating point,
  integers outside 0..65535, 16 bits a colour channel in TIFF, CIELAB.
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from mriad_model.errors import RejectedFile
from mriad_model.nouns import RejectionReason

Gray = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

Depth = TypeVar("Depth", npt.NDArray[np.uint8], npt.NDArray[np.uint16])

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_END = b"\xff\xd9"
PADDING = b"\0\r\n "  # what copies over tape or FTP leave after the end

_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_WARNINGS = threading.Lock()


class PictureFormat(StrEnum):
    """The file formats that can hold a scan of one slice."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    BMP = "BMP"


def format_of(data: bytes) -> PictureFormat | None:
    """The format that the first bytes announce; None for anything else."""
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
    """Read the header alone: size and mode, and no pixel yet.

    The format's own reader is called, not `Image.open`, which would swallow the errors of a
    broken header and warn of large sizes by itself. Raises whatever Pillow raises.
    """
    readers: dict[PictureFormat, Callable[[io.BytesIO], ImageFile]] = {
        PictureFormat.PNG: PngImagePlugin.PngImageFile,
        PictureFormat.JPEG: JpegImagePlugin.JpegImageFile,
        PictureFormat.TIFF: TiffImagePlugin.TiffImageFile,
        PictureFormat.BMP: BmpImagePlugin.BmpImageFile,
    }
    with _WARNINGS, warnings.catch_warnings():  # odd metadata must not speak, or fail, by filter
        warnings.simplefilter("ignore")
        return readers[kind](io.BytesIO(data))


def require_one_frame(picture: ImageFile) -> None:
    """Refuse a multi-page TIFF, an animated PNG and a multi-picture JPEG.

    One file is one slice: to take the first of several would drop the others in silence.
    """
    if getattr(picture, "is_animated", False) or "mp" in picture.info:
        raise RejectedFile(
            RejectionReason.MULTI_FRAME, "holds more than one picture; save each as a file"
        )


def gray_pixels(picture: ImageFile, data: bytes) -> Gray:
    """Decode to (H, W) uint8 or uint16, upright, by the rules above.

    Raises RejectedFile for what the rules refuse, and whatever Pillow raises.
    """
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return _gray_tiff(picture)
    pixels: Gray
    if isinstance(picture, PngImagePlugin.PngImageFile):
        _require_whole_png(data)
        picture.load()
        deep = data[24] == 16 and data[25] != 0  # colour or alpha: Pillow cuts these to 8 bits
        pixels = _gray_deep(data, (picture.height, picture.width)) if deep else _gray(picture)
    else:
        picture.load()
        if isinstance(picture, JpegImagePlugin.JpegImageFile):
            _require_ended_jpeg(data)
        pixels = _gray(picture)
    return _upright(pixels, exif_orientation(picture.info.get("exif", b"")))


def exif_orientation(exif: bytes) -> int:
    """The Orientation (EXIF 2.32, tag 0x0112) of an EXIF block; 1, upright, where it has none."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _type, _count, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # the block is damaged; the pixels are not
    return 1


def rejection_of(error: Exception) -> RejectedFile:
    """What an error that a decoder raised says of the file."""
    if isinstance(error, RejectedFile):
        return error
    text = str(error) or type(error).__name__
    lowered = text.lower()
    if isinstance(error, EOFError | struct.error) or any(
        word in lowered for word in ("truncated", "not enough", "unexpected end", "buffer is not")
    ):
        return _truncated(text)
    if lowered.startswith(("unsupported", "unknown pixel mode")):
        return RejectedFile(RejectionReason.UNSUPPORTED, text)
    return _corrupt(text)


def _gray_tiff(picture: TiffImagePlugin.TiffImageFile) -> Gray:
    bits = picture.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    if len(bits) > 1 and max(bits) > 8:
        raise _unsupported(f"{max(bits)} bits a colour channel; save it as grayscale")
    inverted = picture.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture.load()  # turns the picture upright by itself
    pixels = _gray(picture)
    # WhiteIsZero (TIFF 6.0, section 4): Pillow inverts 8 bits and forgets 16.
    return np.invert(pixels) if inverted and pixels.dtype == np.uint16 else pixels


def _gray(picture: Image.Image) -> Gray:
    mode = picture.mode
    if mode.startswith("I;16"):
        deep = np.asarray(picture).astype(np.uint16)
        key = picture.info.get("transparency")
        return np.where(deep == key, np.uint16(0), deep) if isinstance(key, int) else deep
    if mode == "I":
        return _gray_from_int32(np.asarray(picture))
    if mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"):
        raise _unsupported(f"pixels of mode {mode}")
    if picture.has_transparency_data:
        full = picture if mode in ("LA", "RGBA") else picture.convert("RGBA")
        return _on_black(np.asarray(full.convert("L")), np.asarray(full.getchannel("A")))
    if mode in ("P", "PA", "CMYK", "YCbCr", "RGBX"):
        picture = picture.convert("RGB")
    return np.array(picture if picture.mode == "L" else picture.convert("L"))


def _gray_from_int32(pixels: npt.NDArray[np.int32]) -> Gray:
    if pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise _unsupported("integers outside 0..65535; save it with 16 bits")
    return pixels.astype(np.uint16)


def _gray_deep(data: bytes, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """A colour or alpha PNG of 16 bits, by OpenCV, which keeps them all; (H, W) uint16."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None or bgr.dtype != np.uint16 or bgr.shape[:2] != shape or bgr.ndim != 3:
        raise _corrupt("two decoders do not agree on it")
    wide = bgr.astype(np.uint64)
    weights = np.array([7471, 38470, 19595], np.uint64)
    gray = (wide[..., :3] @ weights + np.uint64(0x8000)) >> np.uint64(16)
    if bgr.shape[2] == 4:
        return _on_black(gray.astype(np.uint16), np.asarray(bgr[..., 3], np.uint16))
    return gray.astype(np.uint16)


def _on_black(gray: Depth, alpha: Depth) -> Depth:
    """Gray times opacity, rounded to the nearest integer."""
    top = np.iinfo(gray.dtype).max
    product = gray.astype(np.uint32) * alpha + np.uint32(top // 2)
    return (product // np.uint32(top)).astype(gray.dtype)


def _upright(pixels: Gray, orientation: int) -> Gray:
    """Turn the pixels as EXIF says they are to be shown."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _require_whole_png(data: bytes) -> None:
    """Walk the chunks (PNG 1.2, section 3.2): length, type, data, CRC-32; IEND ends the file."""
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != crc:
            raise _corrupt(f"checksum of chunk {name!r} does not fit")
        if name == b"IEND":
            if data[end:].strip(PADDING):
                raise _corrupt("bytes after the end")
            return
        position = end
    raise _truncated("its end is missing")


def _require_ended_jpeg(data: bytes) -> None:
    """Refuse what goes on after its end: a second picture there would be lost in silence."""
    if not data.rstrip(PADDING).endswith(JPEG_END):
        raise _corrupt("the end of the picture is not the end of the file")


def _truncated(detail: str) -> RejectedFile:
    return RejectedFile(RejectionReason.TRUNCATED, detail)


def _corrupt(detail: str) -> RejectedFile:
    return RejectedFile(RejectionReason.CORRUPT, detail)


def _unsupported(detail: str) -> RejectedFile:
    return RejectedFile(RejectionReason.UNSUPPORTED, detail)

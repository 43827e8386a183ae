"""From an opened picture file to gray pixels, upright.

The fixed rules, the same for every format:
- 1 bit and palette go to 8 bits; 8 bits stay 8, 9 to 16 bits stay 16 (never cut to 8).
- Colour becomes ITU-R 601 luma with Pillow's integers, (19595 R + 38470 G + 7471 B + 2^15) >> 16,
  so equal channels give exactly their value. CMYK passes through RGB.
- What is transparent lies on black.
- EXIF orientation is applied (TIFF: its Orientation tag), so pixels are upright.
- Rejected, since a guess would be silent: floating point, integers outside 0..65535, 16 bits a
  colour channel in TIFF, CIELAB.
"""

import struct
from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from mriad_model.readers.images.formats import corrupt, quietly, require_ended_jpeg, unsupported
from mriad_model.readers.images.jpeg import require_one_plain_jpeg
from mriad_model.readers.images.png import require_no_data_behind, require_one_plain_png
from mriad_model.readers.images.trailing_bytes import (
    require_no_bytes_behind_bmp,
    require_no_bytes_beside_tiff,
)

Gray = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Depth = TypeVar("Depth", npt.NDArray[np.uint8], npt.NDArray[np.uint16])


def gray_pixels(picture: ImageFile, data: bytes) -> Gray:
    """Decode to (H, W) uint8 or uint16, upright, by these rules. Raises whatever Pillow raises."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return _gray_tiff(picture, data)
    pixels: Gray
    if isinstance(picture, PngImagePlugin.PngImageFile):
        require_one_plain_png(data)
        picture.load()
        require_no_data_behind(data)
        deep = data[24] == 16 and data[25] != 0  # colour or alpha: Pillow cuts these to 8 bits
        pixels = _gray_deep(data, (picture.height, picture.width)) if deep else _gray(picture)
    else:
        is_jpeg = isinstance(picture, JpegImagePlugin.JpegImageFile)
        if is_jpeg:
            require_one_plain_jpeg(data, picture.width * picture.height)
        picture.load()
        if is_jpeg:
            require_ended_jpeg(data)
        else:
            require_no_bytes_behind_bmp(data)
        pixels = _gray(picture)
    return _upright(pixels, exif_orientation(picture.info.get("exif", b"")))


def levels_at(pixels: Gray, percents: Sequence[float]) -> list[int]:
    """The gray levels at these percentiles (nearest rank), by histogram: nothing is sorted."""
    n_levels = int(np.iinfo(pixels.dtype).max) + 1
    counts = cv2.calcHist([pixels], [0], None, [n_levels], [0, n_levels])
    reached = np.cumsum(counts, dtype=np.float64)
    ranks = np.maximum(np.asarray(percents) / 100 * pixels.size, 1)
    return [int(level) for level in np.searchsorted(reached, ranks)]


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


def _gray_tiff(picture: TiffImagePlugin.TiffImageFile, data: bytes) -> Gray:
    bits = picture.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    if len(bits) > 1 and max(bits) > 8:
        raise unsupported(f"{max(bits)} bits a colour channel; save it as grayscale")
    inverted = picture.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    with quietly():
        picture.load()  # turns the picture upright by itself
    pixels = _gray(picture)
    require_no_bytes_beside_tiff(data)
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
        raise unsupported(f"pixels of mode {mode}")
    if picture.has_transparency_data:
        full = picture if mode in ("LA", "RGBA") else picture.convert("RGBA")
        return _on_black(np.asarray(full.convert("L")), np.asarray(full.getchannel("A")))
    if mode in ("P", "PA", "CMYK", "YCbCr", "RGBX"):
        picture = picture.convert("RGB")
    return np.array(picture if picture.mode == "L" else picture.convert("L"))


def _gray_from_int32(pixels: npt.NDArray[np.int32]) -> Gray:
    if pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise unsupported("integers outside 0..65535; save it with 16 bits")
    return pixels.astype(np.uint16)


def _gray_deep(data: bytes, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """A colour or alpha PNG of 16 bits, by OpenCV, which keeps them all; (H, W) uint16."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None or bgr.dtype != np.uint16 or bgr.shape[:2] != shape or bgr.ndim != 3:
        raise corrupt("two decoders do not agree on it")
    luma = np.full(shape, 0x8000, np.uint32)  # the largest sum, 0xFFFF0000 + 0x8000, fits
    for channel, weight in enumerate((7471, 38470, 19595)):
        luma += bgr[..., channel].astype(np.uint32) * np.uint32(weight)
    gray = (luma >> np.uint32(16)).astype(np.uint16)
    return _on_black(gray, np.asarray(bgr[..., 3], np.uint16)) if bgr.shape[2] == 4 else gray


def _on_black(gray: Depth, alpha: Depth) -> Depth:
    """Gray times opacity, rounded to the nearest integer."""
    top = np.iinfo(gray.dtype).max
    product = gray.astype(np.uint32)
    product *= alpha
    product += np.uint32(top // 2)
    product //= np.uint32(top)
    return product.astype(gray.dtype)


def _upright(pixels: Gray, orientation: int) -> Gray:
    """Turn the pixels as EXIF says they are to be shown."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels

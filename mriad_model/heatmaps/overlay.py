"""Heatmaps: a scan under its anomaly map, in one colour scale a model, set by healthy residuals.

A map scaled by its own largest value makes every healthy scan look abnormal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from mriad_model.heatmaps.captions import INK, NO_BAR, PAPER, footer, text_row, text_size
from mriad_model.readers.images.decoding import Gray, levels_at

SUFFIX = ".jpg"
JPEG_QUALITY = 95
MAX_OPACITY = 0.6  # the anatomy shows through the worst of findings
COLOURS = (0.45, 0.92)  # of inferno: what is darker drowns in gray, what is lighter hides it
RISE = 0.5  # exponent of opacity along the scale: below 1, weak findings are seen
Picture = npt.NDArray[np.uint8]
Maps = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ColourScale:
    """Where colour begins and where it is full, in the unit of the anomaly map."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a colour scale needs low < high, not {self.low}, {self.high}")


def overlay(
    pixels: Gray, anomaly_map: Maps, scale: ColourScale, caption: str, *, barred: bool = True
) -> Picture:
    """A scan (H, W) under its map (H, W), with a footer: (H + footer, W, 3) uint8, BGR.

    Opacity grows from nothing at `scale.low`; the footer holds colour bar, cut caption and notice.
    Without a bar where the map is no judgement.
    """
    band = footer(pixels.shape[1], bar() if barred else NO_BAR, caption)
    return np.vstack((blended(pixels, anomaly_map, scale), band))


def blended(pixels: Gray, anomaly_map: Maps, scale: ColourScale) -> Picture:
    """The scan under its map alone, (H, W, 3) uint8, BGR. See `overlay`."""
    if anomaly_map.shape != pixels.shape:
        raise ValueError(f"map of shape {anomaly_map.shape} for pixels of shape {pixels.shape}")
    if not np.isfinite(anomaly_map).all():
        raise ValueError("an anomaly map must be finite")
    return _painted(displayed(pixels), _steps(anomaly_map, scale))


def displayed(pixels: Gray) -> Picture:
    """The slice as a screen shows it, (H, W) uint8: 16 bits windowed to the 0.5-99.5 percentile."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    low, high = levels_at(pixels, (0.5, 99.5))
    if high <= low:
        low, high = int(pixels.min()), max(int(pixels.max()), int(pixels.min()) + 1)
    window = (pixels.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return np.asarray(np.clip(window, 0, 255), np.uint8)


def encode(picture: Picture) -> bytes:
    """The picture as JPEG bytes, quality 95, full colour resolution; equal pictures, equal bytes.

    PNG and lossless WebP take three times as long or more; the largest error, 3 %, is not seen.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(SUFFIX, picture, quality + colour)
    if not done:
        raise ValueError(f"cannot encode a picture of shape {picture.shape}")
    encoded: bytes = data.tobytes()
    return encoded


def montage(
    pictures: Sequence[Picture], columns: int, tile: int, captions: Sequence[str]
) -> Picture:
    """A contact sheet of BGR or gray pictures, uint8, each in a square of `tile` pixels, captioned.

    Returns (rows * (tile + caption), columns * tile, 3) uint8, BGR.
    """
    if not pictures:
        raise ValueError("a montage of no pictures")
    if len(captions) != len(pictures):
        raise ValueError(f"{len(captions)} captions for {len(pictures)} pictures")
    cells = [_cell(*item, tile) for item in zip(pictures, captions, strict=True)]
    cells += [np.full_like(cells[0], PAPER)] * (-len(cells) % columns)
    starts = range(0, len(cells), columns)
    return np.vstack([np.hstack(cells[start : start + columns]) for start in starts])


def _cell(picture: Picture, caption: str, tile: int) -> Picture:
    """The picture fitted into the middle of a square, with its caption below."""
    height, width = picture.shape[:2]
    ratio = tile / max(height, width)
    size = (max(round(width * ratio), 1), max(round(height * ratio), 1))
    method = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    fitted = cv2.resize(picture, size, interpolation=method)
    if fitted.ndim == 2:
        fitted = cv2.cvtColor(fitted, cv2.COLOR_GRAY2BGR)
    square = np.full((tile, tile, 3), PAPER, np.uint8)
    top, left = (tile - size[1]) // 2, (tile - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = fitted
    return np.vstack((square, text_row(caption, tile, text_size(tile), INK)))


def _steps(anomaly_map: Maps, scale: ColourScale) -> Picture:
    """Where each pixel lies along the scale, (H, W) uint8: 0 at low and below, 255 from high on."""
    slope = 255 / (scale.high - scale.low)
    above = np.maximum(anomaly_map, np.float32(scale.low))
    return np.asarray(cv2.convertScaleAbs(above, alpha=slope, beta=-slope * scale.low), np.uint8)


def _painted(gray: Picture, steps: Picture) -> Picture:
    """The colours of the steps blended over gray (H, W), both by look-up, (H, W, 3)."""
    out = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)
    left, top, width, height = cv2.boundingRect(steps)  # of what is not 0: often little
    if width:
        box = np.s_[top : top + height, left : left + width]
        colours, remaining = _tables()
        rest = cv2.multiply(gray[box], cv2.LUT(steps[box], remaining), scale=1 / 255)
        tint = cv2.applyColorMap(steps[box], colours)
        out[box] = cv2.add(cv2.cvtColor(rest, cv2.COLOR_GRAY2BGR), tint)
    return out


@lru_cache(maxsize=1)
def _tables() -> tuple[Picture, Picture]:
    """For each of 256 steps: colour times opacity (256, 1, 3), and 255 times the rest (256,)."""
    position = np.linspace(0, 1, 256)
    opacity = MAX_OPACITY * position**RISE
    along = np.rint(255 * np.linspace(*COLOURS, 256)).astype(np.uint8)
    inferno = cv2.applyColorMap(along[:, None], cv2.COLORMAP_INFERNO)
    colours = np.rint(inferno * opacity[:, None, None]).astype(np.uint8)
    return colours, np.rint(255 * (1 - opacity)).astype(np.uint8)


def colour_tables() -> Picture:
    """For each of 256 steps R, G, B times opacity, and 255 times the rest, (256, 4) uint8."""
    colours, remaining = _tables()
    return np.column_stack((colours[:, 0, ::-1], remaining))


@lru_cache(maxsize=1)
def bar() -> bytes:
    """The colours of the scale over mid gray, 256 from low to high, as `captions.footer` needs."""
    return _painted(np.full((1, 256), 96, np.uint8), np.arange(256, dtype=np.uint8)[None]).tobytes()


SIDE = 256  # pixels; at the prepared 128 the footer could not be read


def paint(
    image: NDArray[np.float32],
    anomaly_map: NDArray[np.float32],
    colours: tuple[float, float],
    caption: str,
) -> bytes:
    """A prepared slice (S, S) in [0, 1] under its map (S, S), coloured between two values."""
    grey = cv2.resize((255.0 * image).round().astype(np.uint8), (SIDE, SIDE))
    larger = cv2.resize(anomaly_map, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    scale = ColourScale(*colours)
    pixels, laid = np.asarray(grey, np.uint8), np.asarray(larger, np.float32)
    return encode(overlay(pixels, laid, scale, caption))

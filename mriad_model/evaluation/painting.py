"""Heatmaps of the prepared slices of an evaluation, for its contact sheet."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.heatmaps import ColourScale, encode, overlay

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
    return encode(
        overlay(np.asarray(grey, np.uint8), np.asarray(larger, np.float32), scale, caption)
    )

"""Gaussian smoothing of slices and maps."""

import cv2
import numpy as np
from numpy.typing import NDArray


def blurred(pixels: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """`pixels` (S, S) under a Gaussian of that many pixels; 0 leaves them as they are."""
    if sigma == 0:
        return pixels
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32)

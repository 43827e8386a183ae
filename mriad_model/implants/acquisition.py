"""How healthy heads and scanners vary: pose, shape, coil, resolution, contrast."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.implants.place import COLUMNS, MIDDLE, ROWS, SIDE, Floats, blurred, smooth_noise

Mask = NDArray[np.bool_]
DEGREES, STRETCH = 4.0, 0.1  # rotation and log of the scale along each axis, uniform in ±
SHIFT = (2.5, 5.0)  # pixels sideways and up or down, uniform in ±
WARP = 2.5  # pixels, largest spread of a smooth warp
GAMMA = 0.4  # log of the exponent of grey values, uniform in ±


def another_pose(rng: np.random.Generator, image: Floats, mask: Mask) -> tuple[Floats, Mask]:
    """A slice (S, S) and its head's mask mirrored, turned, stretched, shifted, perhaps warped."""
    mirrored = rng.random() < 0.5
    matrix = cv2.getRotationMatrix2D((MIDDLE, MIDDLE), rng.uniform(-DEGREES, DEGREES), 1.0)
    wide, high = np.exp(rng.uniform(-STRETCH, STRETCH, 2))
    stretch = np.array([[wide, 0, MIDDLE * (1 - wide)], [0, high, MIDDLE * (1 - high)], [0, 0, 1]])
    matrix = (np.vstack([matrix, [0, 0, 1]]) @ stretch)[:2]
    matrix[:, 2] += rng.uniform(-1, 1, 2) * SHIFT
    pixels: Any = np.ascontiguousarray(image[:, ::-1] if mirrored else image)
    shape: Any = np.ascontiguousarray(mask[:, ::-1] if mirrored else mask).view(np.uint8)
    if rng.random() < 0.5:
        amount, back = rng.uniform(0, WARP), cv2.invertAffineTransform(matrix)
        columns, rows = (
            np.asarray(a * COLUMNS + b * ROWS + c + amount * smooth_noise(rng, 5), np.float32)
            for a, b, c in back
        )
        pixels = cv2.remap(pixels, columns, rows, cv2.INTER_LINEAR)
        shape = cv2.remap(shape, columns, rows, cv2.INTER_NEAREST)
    else:
        pixels = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        shape = cv2.warpAffine(shape, matrix, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    return np.asarray(pixels, np.float32), np.asarray(shape > 0)


def another_contrast(rng: np.random.Generator, image: Floats) -> Floats:
    """Grey values (S, S) through a random curve, mostly a rising one: another sequence."""
    heights = np.sort(rng.uniform(0, 1, 4))
    if rng.random() < 0.4:
        heights = rng.permutation(heights)
    heights = np.concatenate([[0.0], heights]) / max(heights.max(), 0.3)
    return np.asarray(np.interp(image, (0, 0.25, 0.5, 0.75, 1), heights), np.float32)


def another_scanner(rng: np.random.Generator, image: Floats) -> Floats:
    """A slice (S, S) with another coil's shading, sharpness, noise, compression and gamma."""
    if rng.random() < 0.5:
        image = image * np.exp(np.float32(0.25 * rng.uniform(0, 1)) * smooth_noise(rng, 3))
    image = _another_sharpness(rng, image)
    if rng.random() < 0.3:
        spread = np.float32(rng.uniform(0, 0.06))
        image = image + spread * rng.standard_normal(image.shape, np.float32)
    if rng.random() < 0.3:
        grey = (np.clip(image, 0, 1) * 255).astype(np.uint8)
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))]
        coded = cv2.imencode(".jpg", grey, quality)[1]
        decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32)
        image = decoded / np.float32(255)
    gamma = np.float32(np.exp(rng.uniform(-GAMMA, GAMMA)))
    return np.asarray(np.clip(image, 0, None) ** gamma, np.float32)


def rescaled(image: Floats, mask: Mask) -> Floats:
    """Grey values (S, S) from 0 to 1 by percentiles of the head, 0 outside it."""
    values = image[mask]
    if values.size < 20:
        return image
    low, high = np.percentile(values[::2], (0.5, 99.5))
    scaled = (image - np.float32(low)) / np.float32(max(high - low, 1e-3))
    return np.asarray(np.clip(scaled, 0, 1) * mask, np.float32)


def _another_sharpness(rng: np.random.Generator, image: Floats) -> Floats:
    """Blurred, sharpened, of a lower resolution, or as it is."""
    chance = rng.random()
    if chance < 0.3:
        return blurred(image, rng.uniform(0.4, 1.4))
    if chance < 0.5:
        return image + np.float32(rng.uniform(0.3, 1.5)) * (image - blurred(image, 1.0))
    if chance < 0.7:
        side = int(rng.integers(52, 110))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(
            cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32
        )
    return image

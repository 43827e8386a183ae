"""Metadata-only baselines: the figures that every model has to beat.

In collections from the web, format, size and brightness of a file alone separate the classes. Each
feature is scored one-class, by the training images: |value - mean| / sd, or how rare an extension
is among them. Higher is more anomalous. `signed_scores` keep the direction, to show how well a
feature would do if labels gave its sign.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.decisions.thresholds import mean_and_sd


@dataclass(frozen=True, slots=True)
class FileFeatures:
    """Features of one image file. Grey levels are taken as 0 to 255 whatever the bit depth."""

    extension: str  # as written, ".JPG" is not ".jpg"; empty where there is none
    size_bytes: int
    bytes_per_pixel: float
    aspect_ratio: float  # width / height
    entropy: float  # Shannon entropy of the grey-level histogram, bits, 0 to 8
    mean_intensity: float  # 0 to 255
    sharpness: float  # variance of the Laplacian (Pech-Pacheco et al. 2000)


def file_features(
    name: str, size_bytes: int, pixels: NDArray[np.uint8] | NDArray[np.uint16], n_slices: int = 1
) -> FileFeatures:
    """The features of a scan's files: name, size, and pixels (H, W) of the slice in the middle."""
    grey = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    height, width = pixels.shape
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    seen = shares[shares > 0]
    return FileFeatures(
        extension=PurePosixPath(name).suffix,
        size_bytes=size_bytes,
        bytes_per_pixel=size_bytes / (pixels.size * n_slices),
        aspect_ratio=width / height,
        entropy=float(max(0.0, -(seen * np.log2(seen)).sum())),
        mean_intensity=float(grey.mean()),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_64F).var()),
    )


def signed_distances(training: Sequence[float], values: Sequence[float]) -> list[float]:
    """Each value's z by the training values' mean and sd; sd 1 where they are all alike."""
    mean, sd = mean_and_sd(training)
    return [(value - mean) / (sd or 1.0) for value in values]


def rarity_scores(training: Sequence[str], values: Sequence[str]) -> list[float]:
    """-log of each value's share among the training values, with one more seen of each kind."""
    counts = Counter(training)
    total = len(training) + len(counts) + 1  # + 1: room for kinds never seen
    return [-math.log((counts[value] + 1) / total) for value in values]


def baseline_scores(
    training: Sequence[FileFeatures], images: Sequence[FileFeatures]
) -> dict[str, list[float]]:
    """One score an image for every baseline, by name, from the training images' features."""
    extensions = ([image.extension for image in some] for some in (training, images))
    signed = signed_scores(training, images).items()
    distances = {name: [abs(z) for z in scores] for name, scores in signed}
    return {"extension": rarity_scores(*extensions), **distances}


def signed_scores(
    training: Sequence[FileFeatures], images: Sequence[FileFeatures]
) -> dict[str, list[float]]:
    """The signed distance of every numeric baseline, by name."""
    return {
        name: signed_distances([of(image) for image in training], [of(image) for image in images])
        for name, of in NUMERIC.items()
    }


NUMERIC: dict[str, Callable[[FileFeatures], float]] = {
    "file_size": lambda image: float(image.size_bytes),
    "bytes_per_pixel": lambda image: image.bytes_per_pixel,
    "aspect_ratio": lambda image: image.aspect_ratio,
    "entropy": lambda image: image.entropy,
    "mean_intensity": lambda image: image.mean_intensity,
    "sharpness": lambda image: image.sharpness,
}
"""Baseline name -> the number it is scored by."""

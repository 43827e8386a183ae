"""Methods that look at the pixels and need no training: the figures that a network has to beat."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from mriad_model.detection.detectors.asymmetry import Asymmetry
from mriad_model.detection.maps.anomaly_maps import slice_scores
from mriad_model.detection.maps.smoothing import blurred
from mriad_model.preprocessing.foreground import interiors
from mriad_model.preprocessing.slices import PreparedScan
from mriad_model.recipes.built_in_recipes import AUTOENCODER

BRIGHT_SIGMA = 1.5  # pixels of the built-in recipes' 64 a side, about 4 mm


@dataclass(frozen=True, slots=True)
class UntrainedScores:
    """Scores of one scan. Higher is more anomalous."""

    asymmetry: float  # left against right, of the slice where they differ most
    brightness: float  # the largest smoothed grey value inside the head, 0 to 1


UNTRAINED = tuple(field.name for field in fields(UntrainedScores))
"""The methods' names."""


def untrained_scores(upright: PreparedScan) -> UntrainedScores:
    """The scores of a scan prepared the built-in way."""
    batch, how = upright.batch, AUTOENCODER.scoring
    (part,) = (part for part in AUTOENCODER.detectors if part.kind == "asymmetry")
    inside = interiors(batch.masks, how.erosion)
    maps = Asymmetry().maps(part, batch, inside, torch.device("cpu"))
    smooth = np.stack([blurred(image, BRIGHT_SIGMA) for image in batch.images])
    bright = np.where(inside, smooth, np.float32(0))
    return UntrainedScores(
        float(slice_scores(maps, inside, how.score).max()), float(bright.max(initial=0.0))
    )

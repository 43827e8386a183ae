"""One scan's heatmap as a file's bytes: what scoring writes and replay compares."""

import numpy as np
from numpy.typing import NDArray

from mriad_model.fitted import FittedModel
from mriad_model.heatmaps import ColourScale, encode, overlay
from mriad_model.preprocess import Pixels, Placement, restore


def painted(
    pixels: Pixels,
    anomaly_map: NDArray[np.float32],
    placement: Placement,
    fitted: FittedModel,
    score: float,
    model_id: int,
) -> bytes:
    """The scan under its map, on the model's colour scale, as a picture file.

    A heatmap belongs to a score, and a score knows no threshold: the caption gives no verdict,
    which a later threshold could turn.
    """
    scale = ColourScale(fitted.colour_low, fitted.colour_high)
    caption = f"score {score:.3g}, model {model_id}"
    return encode(overlay(pixels, restore(anomaly_map, placement), scale, caption))

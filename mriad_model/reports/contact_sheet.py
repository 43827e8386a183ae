"""The extremes of an evaluation as one picture: what it took for odd, and what it missed."""

from collections.abc import Sequence

import cv2
import numpy as np

from mriad_model.enums import LabelValue
from mriad_model.evaluation.results import Picture
from mriad_model.heatmaps.overlay import montage

SUFFIX = ".png"
COLUMNS = 6
TILE = 192  # pixels a side: 1,152 for all


def contact_sheet(pictures: Sequence[Picture]) -> bytes:
    """Healthy scans from the highest score down, then abnormal ones from the lowest up, as PNG.

    Each bears its label, its score in sigmas and whether it was flagged. ValueError for none.
    """
    healthy = [each for each in pictures if each.label == LabelValue.HEALTHY]
    abnormal = [each for each in pictures if each.label != LabelValue.HEALTHY]
    ordered = sorted(healthy, key=lambda each: -each.sigmas)
    ordered += sorted(abnormal, key=lambda each: each.sigmas)
    tiles = [cv2.imdecode(np.frombuffer(each.data, np.uint8), cv2.IMREAD_COLOR) for each in ordered]
    captions = [_caption(each) for each in ordered]
    sheet = montage([np.asarray(tile, np.uint8) for tile in tiles], COLUMNS, TILE, captions)
    done, data = cv2.imencode(SUFFIX, sheet)
    if not done:
        raise ValueError(f"cannot encode a sheet of shape {sheet.shape}")
    encoded: bytes = data.tobytes()
    return encoded


def _caption(picture: Picture) -> str:
    flagged = "flagged" if picture.suspicious else "not flagged"
    return f"{picture.label}, {picture.sigmas:+.1f}, {flagged}"

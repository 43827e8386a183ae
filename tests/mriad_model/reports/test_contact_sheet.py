"""The extremes of an evaluation on one sheet."""

import cv2
import numpy as np
import pytest

from mriad_model.evaluation.results import Picture
from mriad_model.heatmaps.overlay import encode
from mriad_model.reports.contact_sheet import COLUMNS, TILE, contact_sheet


def picture(label: str, sigmas: float, grey: int) -> Picture:
    data = encode(np.full((40, 40, 3), grey, np.uint8))
    return Picture(f"{label}/{grey}.png", label, sigmas, sigmas > 1, data)


def test_false_alarms_come_first_and_then_what_was_missed() -> None:
    pictures = [
        picture("abnormal", 4.0, 250),
        picture("healthy", 0.5, 60),
        picture("abnormal", -1.0, 120),
        picture("healthy", 3.0, 10),
    ]
    sheet = cv2.imdecode(np.frombuffer(contact_sheet(pictures), np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape[1] == COLUMNS * TILE
    middles = [int(sheet[TILE // 2, TILE // 2 + TILE * n, 0]) for n in range(4)]
    assert middles == pytest.approx([10, 60, 120, 250], abs=4)

"""A map drawn again, beside the one that is recorded."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from db.entities import Heatmap
from mriad_model.enums import HeatmapKind
from mriad_model.heatmaps.overlay import ColourScale, encode, overlay
from tasks.maintenance.verify_maps import Drawing, _compared
from tests.support.record.hand import NOON

SCALE = ColourScale(1.0, 3.0)


def drawn(caption: str = "score 3.21", *, high: float = 3.0, rows: int = 189) -> bytes:
    grey = np.tile(np.linspace(20, 200, 157, dtype=np.uint8), (rows, 1))
    anomaly = np.zeros(grey.shape, np.float32)
    anomaly[5:30, 40:70] = high
    return encode(overlay(grey, anomaly, SCALE, caption))


@pytest.mark.parametrize(
    ("now", "how"),
    [
        (drawn(), Drawing.SAME),
        (drawn("points 3.21"), Drawing.WORDS),  # as another version captions it
        (drawn(high=2.0), Drawing.OTHERWISE),
        (drawn("points 3.21", high=2.0), Drawing.OTHERWISE),
        (drawn(rows=190), Drawing.OTHERWISE),
        (b"no picture", Drawing.OTHERWISE),
    ],
)
def test_words_may_be_drawn_otherwise_and_a_map_may_not(
    tmp_path: Path, now: bytes, how: Drawing
) -> None:
    there = drawn()
    (tmp_path / "map.jpg").write_bytes(there)
    digest = hashlib.sha256(there).hexdigest()
    row = Heatmap(1, HeatmapKind.SLICE, 0, "map.jpg", digest, NOON)
    assert _compared(tmp_path, row, now) is how

"""A map drawn again, beside the one that is recorded."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from db.entities import Heatmap
from mriad_model.enums import HeatmapKind
from mriad_model.heatmaps.captions import PAPER, footer, text_row
from mriad_model.heatmaps.montage_layout import GAP, TILE, TYPE
from mriad_model.heatmaps.overlay import ColourScale, bar, encode, overlay
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


def sheet(words: str, *, grey: int = 90) -> bytes:
    """A montage of two rows of tiles, drawn grey, and what is said below each."""
    width, lines = 960, np.vstack((text_row(words, 960, TYPE, 200), text_row("", 960, TYPE, 200)))
    tile = np.full((GAP + TILE, width, 3), grey, np.uint8)
    below = np.full((GAP, width, 3), PAPER, np.uint8)
    return encode(np.vstack((*(tile, lines, below) * 2, footer(width, bar(), "model 1"))))


@pytest.mark.parametrize(
    ("now", "how"),
    [
        (sheet("slice 3"), Drawing.WORDS),  # as another version says no score
        (sheet("slice 3", grey=120), Drawing.OTHERWISE),
    ],
)
def test_so_may_the_words_below_a_montages_tiles(tmp_path: Path, now: bytes, how: Drawing) -> None:
    there = sheet("slice 3, score 4.56")
    (tmp_path / "map.jpg").write_bytes(there)
    digest = hashlib.sha256(there).hexdigest()
    row = Heatmap(1, HeatmapKind.MONTAGE, 0, "map.jpg", digest, NOON)
    assert _compared(tmp_path, row, now) is how

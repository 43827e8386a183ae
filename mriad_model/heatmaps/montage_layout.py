"""Where the slices of a montage lie, in pixels. Without OpenCV: the pages read it too."""

import numpy as np
from numpy.typing import NDArray

TILES, COLUMNS = 6, 3
TILE = 320  # a side
GAP = 6  # around a tile and its words
TYPE = 17  # size of the type under a tile
LINE = round(1.4 * TYPE)  # height of a line, as captions sets it
CELL = TILE + 2 * LINE + 2 * GAP  # height of a tile with its two lines

Box = tuple[int, int, int, int]  # left, top, right, bottom


def is_above_words(n_rows: int) -> NDArray[np.bool_]:
    """Which of a montage's rows, without its footer, lie above the two lines of each tile."""
    return np.arange(n_rows) % CELL < GAP + TILE


def tile_boxes(height: int) -> list[Box]:
    """The tiles of a montage of this height, row by row; the footer is lower than a cell."""
    step = TILE + 2 * GAP
    return [
        (GAP + column * step, GAP + row * CELL, GAP + column * step + TILE, GAP + row * CELL + TILE)
        for row in range(height // CELL)
        for column in range(COLUMNS)
    ]

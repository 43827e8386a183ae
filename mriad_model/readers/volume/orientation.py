"""A scan's geometry from the record, in words. Standard library only."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# By the patient's axis (to the right, to the front, up): the slices across it, its two ends.
PLANES = ("sagittal", "coronal", "axial")
ENDS = ("LR", "PA", "IS")
WORDS = {"L": "left", "R": "right", "P": "back", "A": "front", "I": "feet", "S": "head"}
STRAIGHT = 1.0  # degrees; less is no tilt worth a word


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the axes of a grid (x, y, z) run in the patient."""

    axes: tuple[int, int, int]  # of each the patient's axis it runs along: 0, 1, 2 as in PLANES
    code: str  # the ends they run towards, as LPS or RAS
    tilt: float  # degrees that the worst of them is off its axis

    @property
    def plane(self) -> str:
        """What the stored slices are: axial, coronal or sagittal."""
        return PLANES[self.axes[2]]


def orientation(affine: list[float]) -> Orientation:
    """The orientation of a grid whose voxels an affine (4x4, row by row) takes to RAS mm."""
    columns = [[affine[4 * row + column] for row in range(3)] for column in range(3)]
    cosines = {
        (column, row): value / (math.hypot(*columns[column]) or 1.0)
        for column in range(3)
        for row, value in enumerate(columns[column])
    }
    along: dict[int, int] = {}
    for column, row in sorted(cosines, key=lambda pair: -abs(cosines[pair])):
        if column not in along and row not in along.values():
            along[column] = row
    axes = (along[0], along[1], along[2])
    code = "".join(ENDS[row][cosines[column, row] > 0] for column, row in enumerate(axes))
    straightest = min(abs(cosines[column, row]) for column, row in enumerate(axes))
    return Orientation(axes, code, math.degrees(math.acos(min(1.0, straightest))))


def slices_across(grid: Mapping[str, Any], plane: str | None) -> int | None:
    """How many slices of a plane a volume has; None where unknown."""
    if plane not in PLANES or "shape" not in grid or "affine" not in grid:
        return None
    column = orientation(grid["affine"]).axes.index(PLANES.index(plane))
    n: int = grid["shape"][2 - column]  # the shape is (Z, Y, X)
    return n


def in_words(grid: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a person wants to know of a grid: (name, words) of what it has."""
    bits = f", {grid['bits']} bit" if "bits" in grid else ""
    if "rows" in grid:
        yield "size", f"{grid['columns']} x {grid['rows']} pixels{bits}"
    if "shape" in grid:
        slices, rows, columns = grid["shape"]
        yield "size", f"{columns} x {rows} x {slices} voxels (columns, rows, slices){bits}"
    if "spacing" in grid:
        yield "spacing", " x ".join(f"{each:.4g}" for each in grid["spacing"]) + " mm"
    if "affine" in grid:
        lies = orientation(grid["affine"])
        tilt = f", tilted by {lies.tilt:.0f} degrees" if lies.tilt >= STRAIGHT else ""
        towards = ", ".join(WORDS[end] for end in lies.code)
        yield "orientation", f"{lies.plane} slices{tilt}; axes run to the {towards} ({lies.code})"
    if grid.get("contrast"):
        yield "contrast", str(grid["contrast"])
    if "decoder" in grid:
        yield "decoder", str(grid["decoder"])
    for remark in grid.get("remarks", ()):
        yield "remark", str(remark)
    if bids := grid.get("bids"):
        yield "BIDS", ", ".join(f"{name} {value}" for name, value in bids.items() if value)

"""A scan's findings as a page lists them: size, peak, place in words, and the slice to jump to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from db.entities import Finding
from mriad_model.enums import PICTURES, ScanKind, side_in_words
from mriad_model.readers.volume.orientation import ENDS, PLANES, orientation

TOWARDS: Final = (("R", "L"), ("A", "P"), ("S", "I"))  # + and - of RAS


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One finding."""

    finding: Finding
    size: str  # ml; of a picture, the share of the head
    side: str  # whose left or right
    place: str  # in the patient, mm; of a picture, column and row
    slices: dict[str, int]  # plane -> the slice of its peak, from 0; empty for a picture


def finding_lines(
    findings: tuple[Finding, ...], kind: ScanKind, grid: Mapping[str, Any]
) -> list[FindingLine]:
    """The findings, the highest peak first."""
    if kind in PICTURES:
        return [
            FindingLine(
                each,
                f"{100 * each.size:.1f} %",
                side_in_words(each.side, kind),
                f"{each.x:.0f}, {each.y:.0f}",
                {},
            )
            for each in findings
        ]
    return [
        FindingLine(
            each,
            f"{each.size:.2f} ml",
            side_in_words(each.side, kind),
            _in_words(each),
            _slices(grid, each),
        )
        for each in findings
    ]


def _slices(grid: Mapping[str, Any], finding: Finding) -> dict[str, int]:
    places = {plane: slice_at(grid, plane, finding) for plane in PLANES}
    return {plane: place for plane, place in places.items() if place is not None}


def slice_at(grid: Mapping[str, Any], plane: str | None, finding: Finding) -> int | None:
    """The slice of a plane, counted from 0 up, forward or to the right, that a place lies in."""
    if plane not in PLANES or "affine" not in grid or "shape" not in grid:
        return None
    affine = np.array(grid["affine"], float).reshape(4, 4)
    voxel = np.linalg.solve(affine, (finding.x, finding.y, finding.z, 1.0))
    lies = orientation(grid["affine"])
    axis = PLANES.index(plane)
    column = lies.axes.index(axis)
    n: int = grid["shape"][2 - column]  # the shape is (Z, Y, X)
    place = round(float(voxel[column]))
    if lies.code[column] == ENDS[axis][0]:  # the axis runs down, back or to the left
        place = n - 1 - place
    return min(max(place, 0), n - 1)


def _in_words(finding: Finding) -> str:
    """`R 38, P 24, S 22 mm`: how far to the patient's side, front or back, up or down."""
    values = (finding.x, finding.y, finding.z)
    parts = (
        f"{names[0 if value >= 0 else 1]} {abs(value):.0f}"
        for value, names in zip(values, TOWARDS, strict=True)
    )
    return f"{', '.join(parts)} mm"

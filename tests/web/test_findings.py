"""Findings: their words, and the slice that each lies in."""

import numpy as np
import pytest

from db.entities import Finding
from mriad_model.enums import ScanKind, Side
from tests.support.scans.scanned import grid_affine
from web.findings import finding_lines, slice_at


def finding(x: float, y: float, z: float, size: float = 3.2, side: Side | None = None) -> Finding:
    return Finding(1, 1, size, 9.0, x, y, z, side)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, -1), (-1, 1, -1)])
def test_a_place_lies_in_its_slice_however_the_grid_runs(
    order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    """Slices count up, forward and to the right, as the strip and the pictures count them."""
    affine, shape = grid_affine(order=order, flips=flips, n=(40, 48, 22))
    straight, _ = grid_affine(n=(40, 48, 22))
    grid = {"affine": affine.ravel().tolist(), "shape": list(shape[::-1])}
    for voxel in ((3, 40, 5), (30, 7, 20)):
        # The grids lie about one point, so a voxel of the straight one is at this place.
        place = finding(*(straight @ (*voxel, 1.0))[:3])
        found = [slice_at(grid, plane, place) for plane in ("sagittal", "coronal", "axial")]
        assert found == list(voxel)
    assert slice_at(grid, None, finding(0, 0, 0)) is None
    assert slice_at({"rows": 3}, "axial", finding(0, 0, 0)) is None


def test_sizes_and_places_are_in_words() -> None:
    grid = {"affine": np.eye(4).ravel().tolist(), "shape": [10, 10, 10]}
    (line,) = finding_lines((finding(38, -24, 22.4),), ScanKind.NIFTI, grid)
    assert (line.size, line.place) == ("3.20 ml", "R 38, P 24, S 22 mm")
    assert line.slices == {"sagittal": 9, "coronal": 0, "axial": 9}
    (line,) = finding_lines((finding(12, 40, 0, size=0.013),), ScanKind.IMAGE, {"rows": 64})
    assert (line.size, line.place, line.slices) == ("1.3 %", "12, 40", {})


@pytest.mark.parametrize(
    ("side", "of_volume", "of_picture"),
    [
        (Side.LEFT, "patient's left", "picture's left"),
        (Side.MIDLINE, "midline", "midline"),
        (None, "", ""),
    ],
)
def test_a_side_is_said_to_be_the_patients_or_the_pictures(
    side: Side | None, of_volume: str, of_picture: str
) -> None:
    found = (finding(1, 2, 3, side=side),)
    assert [each.side for each in finding_lines(found, ScanKind.DICOM, {})] == [of_volume]
    assert [each.side for each in finding_lines(found, ScanKind.IMAGE, {})] == [of_picture]

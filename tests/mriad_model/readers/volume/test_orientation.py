"""Geometry in words."""

import math

import pytest

from mriad_model.readers.volume.orientation import in_words, orientation, slices_across

AXIAL_LPS = [-1.0, 0, 0, 90, 0, -1.0, 0, 120, 0, 0, 3.0, -70, 0, 0, 0, 1]
SAGITTAL = [0.0, 0, 1.2, -80, -1.0, 0, 0, 120, 0, -1.0, 0, 130, 0, 0, 0, 1]  # x back, y down


def tilted(degrees: float) -> list[float]:
    """Axial slices with the head nodding."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [1.0, 0, 0, 0, 0, c, -5 * s, 0, 0, s, 5 * c, 0, 0, 0, 0, 1]


def test_the_orientation_is_read_off_the_affine() -> None:
    assert (orientation(AXIAL_LPS).plane, orientation(AXIAL_LPS).code) == ("axial", "LPS")
    assert (orientation(SAGITTAL).plane, orientation(SAGITTAL).code) == ("sagittal", "PIR")
    assert orientation(SAGITTAL).tilt == 0


@pytest.mark.parametrize(("degrees", "plane"), [(20, "axial"), (44, "axial"), (46, "coronal")])
def test_a_tilted_volume_is_of_the_closest_plane(degrees: float, plane: str) -> None:
    found = orientation(tilted(degrees))
    assert found.plane == plane
    assert found.tilt == pytest.approx(min(degrees, 90 - degrees))


def test_it_agrees_with_nibabel() -> None:
    import numpy as np
    from nibabel.orientations import aff2axcodes

    rng = np.random.default_rng(0)
    for _ in range(50):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        affine = np.eye(4)
        affine[:3, :3] = turn * rng.uniform(0.5, 5, 3)
        found = orientation(affine.ravel().tolist())
        if found.tilt < 40:  # further off the closest axis is a matter of taste
            assert found.code == "".join(aff2axcodes(affine))


def test_the_slices_of_any_plane_are_counted() -> None:
    grid = {"shape": [180, 256, 240], "affine": SAGITTAL}
    found = [slices_across(grid, plane) for plane in ("sagittal", "axial", "coronal")]
    assert found == [180, 256, 240]
    assert slices_across(grid, None) is slices_across({}, "axial") is None


def test_a_volume_in_words() -> None:
    grid = {
        "shape": [180, 256, 240],
        "spacing": [0.9375, 0.9375, 1.2],
        "affine": tilted(12),
        "contrast": "T1w",
        "decoder": "native",
        "bids": {"subject": "01", "session": None, "suffix": "T1w"},
    }
    assert dict(in_words(grid)) == {
        "size": "240 x 256 x 180 voxels (columns, rows, slices)",
        "spacing": "0.9375 x 0.9375 x 1.2 mm",
        "orientation": "axial slices, tilted by 12 degrees;"
        " axes run to the right, front, head (RAS)",
        "contrast": "T1w",
        "decoder": "native",
        "BIDS": "subject 01, suffix T1w",
    }


def test_a_picture_in_words_and_an_old_row_without_any() -> None:
    picture = {"rows": 200, "columns": 180, "bits": 8}
    assert dict(in_words(picture)) == {"size": "180 x 200 pixels, 8 bit"}
    assert dict(in_words({})) == {}

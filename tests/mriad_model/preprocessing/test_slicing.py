"""Volumes as slices: which way up, which of them, how bright; and maps back onto the volume."""

import numpy as np
import pytest

from mriad_model.enums import ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.preprocessing.slicing import LEVELS, cut, onto_volume
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.volume.volumes import Origin, volume_of
from mriad_model.recipes.recipe import Plane, Slicing
from tests.mriad_model.conftest import drawn_head, oblique_affine
from tests.support.places import SHARED

MNI = SHARED / "volumes/mni152_t1.nii.gz"
ORIGIN = Origin(ScanKind.NIFTI)
RAS = np.eye(4)


def marked(right=False, anterior=False, superior=False, n=24):
    """A ball in air on a RAS grid, (Z, Y, X), brighter on the named sides of the patient."""
    s, a, r = np.meshgrid(*[np.linspace(-1, 1, n)] * 3, indexing="ij")
    ball = (s**2 + a**2 + r**2 < 0.8) * 100.0
    for side, axis in ((right, r), (anterior, a), (superior, s)):
        ball[(axis > 0) & (ball > 0) & side] += 100
    return volume_of(ball.astype(np.int16), RAS, ORIGIN)


def brightest_half(pixels):
    """Where the brighter half of a slice is: by rows, by columns."""
    rows, columns = (pixels.sum(axis=axis, dtype=float) for axis in (1, 0))
    middle = len(rows) // 2
    down = rows[middle:].sum() - rows[:middle].sum()
    across = columns[middle:].sum() - columns[:middle].sum()
    vertical = "top" if down < -1e5 else "bottom" if down > 1e5 else ""
    return vertical + ("left" if across < -1e5 else "right" if across > 1e5 else "")


@pytest.mark.parametrize(
    ("plane", "side", "where"),
    [
        (Plane.AXIAL, {"anterior": True}, "top"),
        (Plane.AXIAL, {"right": True}, "left"),
        (Plane.CORONAL, {"superior": True}, "top"),
        (Plane.CORONAL, {"right": True}, "left"),
        (Plane.SAGITTAL, {"superior": True}, "top"),
        (Plane.SAGITTAL, {"anterior": True}, "left"),
    ],
)
def test_slices_hang_as_radiologists_hang_them(plane, side, where):
    sliced = cut(marked(**side), Slicing(plane=plane))
    assert brightest_half(sliced.slice_at(12).pixels) == where


@pytest.mark.parametrize(
    ("plane", "side"),
    [(Plane.AXIAL, "superior"), (Plane.CORONAL, "anterior"), (Plane.SAGITTAL, "right")],
)
def test_positions_run_up_forward_and_to_the_right(plane, side):
    sliced = cut(marked(**{side: True}), Slicing(plane=plane))
    assert sliced.slice_at(18).pixels.max() > sliced.slice_at(6).pixels.max()


def test_slices_do_not_depend_on_how_the_volume_is_stored():
    voxels = drawn_head((20, 40, 36))
    stored = volume_of(voxels, oblique_affine(), ORIGIN)
    turned = np.ascontiguousarray(voxels.transpose(2, 0, 1)[:, ::-1, :])
    # (x', y', z') = (y, 19 - z, x)
    affine = oblique_affine() @ np.array(
        [[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 19], [0, 0, 0, 1]], float
    )
    other = volume_of(turned, affine, ORIGIN)
    assert stored.sha256 == other.sha256
    ours, theirs = cut(stored), cut(other)
    assert ours.positions == theirs.positions
    for one, same in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.pixels, same.pixels)


def test_slices_with_little_foreground_are_left_out_and_counted():
    sliced = cut(marked(right=True))
    assert sliced.n_slices == 24
    assert 12 < len(sliced) < 24
    assert sliced.positions == tuple(range(sliced.positions[0], sliced.positions[-1] + 1))
    everything = cut(marked(right=True), Slicing(min_share=0, min_share_of_largest=0))
    assert len(everything) == 24


def test_intensities_are_normalised_over_the_volume_not_slice_by_slice():
    sliced = cut(marked(superior=True))
    low, high = sliced.slice_at(6).pixels, sliced.slice_at(18).pixels
    assert low.dtype == np.uint16
    assert high.max() == LEVELS
    assert low.max() < LEVELS // 2


def test_a_few_extreme_voxels_do_not_dim_the_rest():
    voxels = drawn_head((20, 40, 36)).astype(np.float32)
    before = cut(volume_of(voxels, RAS, ORIGIN))
    voxels[10, 20, 18] = 1e6
    after = cut(volume_of(voxels, RAS, ORIGIN))
    assert after.high == pytest.approx(before.high, rel=0.01)


def test_pixels_are_square_whatever_the_voxels_are():
    volume = volume_of(drawn_head((20, 40, 36)), np.diag([1.0, 1.0, 3.0, 1.0]), ORIGIN)
    sliced = cut(volume, Slicing(plane=Plane.CORONAL))
    assert sliced.shape == (60, 36)
    assert sliced.slice_at(20).pixels.shape == (60, 36)
    assert cut(volume).slice_spacing == 3.0


@pytest.mark.parametrize("plane", Plane)
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0)])
def test_maps_of_slices_land_where_the_slices_were_cut(plane, spacing):
    volume = volume_of(drawn_head((20, 40, 36)), oblique_affine(spacing), ORIGIN)
    sliced = cut(volume, Slicing(plane=plane, min_share=0, min_share_of_largest=0))
    maps = {each.position: each.pixels.astype(np.float32) for each in sliced}
    laid = onto_volume(maps, volume, plane)
    window = (volume.voxels - sliced.low) / (sliced.high - sliced.low)
    wanted = np.clip(window, 0, 1) * LEVELS
    assert laid.shape == volume.voxels.shape
    if spacing == (1.0, 1.0, 1.0) or plane is Plane.AXIAL:
        np.testing.assert_allclose(laid, wanted, atol=1)
    else:  # there and back by interpolation
        assert np.corrcoef(laid.ravel(), wanted.ravel())[0, 1] > 0.99


def test_positions_without_a_map_stay_zero():
    volume = marked()
    laid = onto_volume({5: np.ones((24, 24), np.float32)}, volume, Plane.AXIAL)
    assert laid[5].min() == 1
    assert np.count_nonzero(laid) == 24 * 24


def test_a_volume_without_foreground_is_refused():
    voxels = np.zeros((20, 40, 36), np.int16)
    voxels[3, 3, 3] = 1
    with pytest.raises(RejectedFile, match="no_signal"):
        cut(volume_of(voxels, RAS, ORIGIN))


@pytest.mark.skipif(not MNI.is_file(), reason="shared/data/volumes is absent")
def test_a_template_is_cut_where_there_is_brain():
    sliced = cut(read_nifti(MNI))
    assert (sliced.n_slices, sliced.shape) == (189, (233, 197))
    assert 60 < len(sliced) < 150
    pixels = sliced.slice_at(90).pixels.astype(float)
    mirrored = np.corrcoef(pixels.ravel(), pixels[:, ::-1].ravel())[0, 1]
    upside_down = np.corrcoef(pixels.ravel(), pixels[::-1].ravel())[0, 1]
    assert mirrored > 0.95 > upside_down

"""Findings of volumes and pictures: where they lie in the patient, and how large they are."""

import numpy as np
import pytest

from mriad_model.detection.findings import FindingLimits
from mriad_model.detection.scan_findings import dense_map, finding_counts, findings_of
from mriad_model.detection.scan_scores import ScanScores, score_scans
from mriad_model.enums import ScanKind, Side
from mriad_model.heatmaps.volume_map import anomaly_volume
from mriad_model.phantom.render import phantom_slice, phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import phantom_affine
from mriad_model.preprocessing.scan_slices import prepare_scan
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.volume.volumes import Origin, volume_of
from mriad_model.recipes.built_in_recipes import AUTOENCODER, VOLUME
from mriad_model.recipes.recipe import Plane
from tests.mriad_model.detection.test_scan_scores import GRIDS
from tests.support.scans.scanned import CUBE, HALF_SIDE, fitted_on_heads, grid_affine, scanned


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_a_finding_lies_where_it_is_in_the_patient(grid):
    model, volume = fitted_on_heads(), scanned(*grid_affine(**grid), cube=True, seed=9)
    prepared = prepare_scan(volume, model.recipe)
    (scored,) = score_scans(model, [prepared])
    limits = FindingLimits(0.8 * scored.score, 0.6 * scored.score, 0.15)
    first, *_ = findings_of(volume, prepared, scored, Plane.AXIAL, limits)
    assert np.abs(np.array(first.place) - CUBE).max() < HALF_SIDE + 5
    assert first.side is Side.RIGHT
    assert first.peak == pytest.approx(scored.score, rel=1e-6)


def with_map(prepared, paint):
    """A made-up map of 64 pixels a side."""
    maps = np.zeros((len(prepared), 64, 64), np.float32)
    paint(maps)
    return ScanScores(1.0, maps.max((1, 2)).astype(np.float64), prepared.positions, maps)


def head(degrees=0.0):
    drawn = phantom_volume(5, Contrast.T1, None, (45, 160, 128))
    voxels = drawn.voxels
    if degrees:
        voxels = np.roll(voxels, 12, axis=2)
    return volume_of(voxels, phantom_affine(drawn), Origin(ScanKind.NIFTI, contrast="T1w"))


def test_a_finding_of_a_registered_head_has_its_side_by_the_midline_and_its_millilitres():
    volume = head()
    prepared = prepare_scan(volume, VOLUME)

    def paint(maps):
        maps[10:14, 30:34, 10:14] = 5.0  # towards the first columns: the patient's right
        maps[20:24, 30:34, 50:54] = 4.0

    scored = with_map(prepared, paint)
    one, two = findings_of(volume, prepared, scored, Plane.AXIAL, FindingLimits(3.0, 2.0, 0.15))
    side = prepared.placements[0].box_height * prepared.pixel / 64
    assert one.size == two.size == pytest.approx(64 * side * side * prepared.spacing / 1000)
    assert (one.side, two.side) == (Side.RIGHT, Side.LEFT)
    assert one.place[0] > 20 > -20 > two.place[0]
    counts = finding_counts(prepared, scored, 0.15, np.array([1.0, 4.5, 6.0]))
    assert counts.tolist() == [2, 1, 0]


def test_a_peak_is_of_the_models_own_map_and_the_map_on_the_sources_grid_is_never_above_it():
    """That one is interpolated, linearly: what is between two pixels is between their values."""
    volume = head()
    prepared = prepare_scan(volume, VOLUME)

    def paint(maps):
        maps[10:14, 30:34, 10:14] = 5.0
        maps[12, 32, 12] = 6.25  # one pixel

    scored = with_map(prepared, paint)
    (found,) = findings_of(volume, prepared, scored, Plane.AXIAL, FindingLimits(3.0, 2.0, 0.15))
    laid = anomaly_volume(scored, prepared, volume, Plane.AXIAL)
    assert found.peak == scored.maps.max() == 6.25
    assert 5.0 < laid.max() < found.peak


def test_slices_that_are_not_judged_part_findings():
    prepared = prepare_scan(head(), VOLUME)
    scored = with_map(prepared, lambda maps: maps.fill(1.0))
    assert dense_map(prepared, scored) is scored.maps


def test_a_picture_has_findings_in_shares_of_its_head():
    drawn = phantom_slice(5, Contrast.FLAIR, None, 256)
    picture = ImageScan(drawn.pixels, "00")
    prepared = prepare_scan(picture, AUTOENCODER)

    def paint(maps):
        maps[0, 30:34, 8:16] = 5.0

    limits = FindingLimits(3.0, 2.0, 0.003)
    (found,) = findings_of(picture, prepared, with_map(prepared, paint), Plane.AXIAL, limits)
    assert found.size == pytest.approx(32 / np.count_nonzero(prepared.batch.masks))
    assert found.side is Side.LEFT
    x, y, _ = found.place
    assert 0 < x < 80
    assert 100 < y < 156

"""Volumes prepared, scored, and their maps laid back where the finding is."""

import gzip
import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_scores import score_scans
from mriad_model.heatmaps.overlay import ColourScale
from mriad_model.heatmaps.volume_map import anomaly_volume, nifti_map
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import write_dicom_series, write_nifti
from mriad_model.preprocessing.scan_slices import prepare_scan
from mriad_model.preprocessing.slices import joined
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.recipes.recipe import Plane, ScanScore
from tests.support.places import SHARED
from tests.support.scans.scanned import CUBE, HALF_SIDE, fitted_on_heads, grid_affine, scanned
from tests.support.scans.survey import survey

DICOM_T1 = SHARED / "volumes/dicom_t1"
DCM2NIIX = shutil.which("dcm2niix")
GRIDS = {
    "as RAS": {},
    "as DICOM": {"flips": (-1, -1, 1)},
    "upside down": {"flips": (1, 1, -1)},
    "sagittal": {"order": (1, 2, 0), "flips": (1, -1, -1)},
    "coronal, mirrored": {"order": (0, 2, 1), "flips": (-1, 1, 1)},
    "oblique": {"degrees": 12.0},
    "oblique, sagittal, mirrored": {"order": (2, 1, 0), "flips": (-1, -1, 1), "degrees": -9.0},
    "oblong voxels": {"spacing": (2.0, 3.0, 5.0), "n": (96, 80, 36)},
}

SCALE = ColourScale(1.0, 4.0)


@pytest.fixture(scope="module")
def model():
    return fitted_on_heads()


def scored(model, volume):
    prepared = prepare_scan(volume, model.recipe)
    return prepared, score_scans(model, [prepared])[0]


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_a_finding_peaks_where_it_lies_in_the_patient(model, grid):
    volume = scanned(*grid_affine(**grid), cube=True, seed=9)
    prepared, found = scored(model, volume)
    data = nifti_map(anomaly_volume(found, prepared, volume, Plane.AXIAL), volume, SCALE, "model 1")
    written = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    values = written.get_fdata()
    peak = np.unravel_index(values.argmax(), values.shape)
    place = nibabel.affines.apply_affine(written.affine, peak)
    assert np.abs(place - CUBE).max() < HALF_SIDE + 5
    assert values.max() == pytest.approx(found.score, rel=0.1)


def test_a_finding_raises_the_score_of_its_scan(model):
    grid = grid_affine()
    _, healthy = scored(model, scanned(*grid, seed=9))
    _, ill = scored(model, scanned(*grid, cube=True, seed=9))
    assert ill.score > 1.5 * healthy.score
    assert ill.score == ill.slice_scores.max()
    worst = ill.positions[int(ill.slice_scores.argmax())]
    (height,) = {round(float(grid[0][2] @ (0, 0, worst, 1)))}
    assert abs(height - CUBE[2]) < HALF_SIDE + 4


def test_a_head_without_a_scalp_is_judged_as_well():
    model = fitted_on_heads(scalp=False)
    volume = scanned(*grid_affine(), cube=True, seed=9, scalp=False)
    prepared, found = scored(model, volume)
    laid = anomaly_volume(found, prepared, volume, Plane.AXIAL)
    peak = np.unravel_index(laid.argmax(), laid.shape)
    place = (volume.affine @ (*peak[::-1], 1))[:3]
    assert np.abs(place - CUBE).max() < HALF_SIDE + 5


def test_a_score_does_not_depend_on_what_else_is_scored(model):
    volume = scanned(*grid_affine(), cube=True, seed=9)
    prepared, alone = scored(model, volume)
    other = prepare_scan(scanned(*grid_affine(), seed=5), model.recipe)
    together = model.score(joined([other.batch, prepared.batch]))
    by_slice = [model.score(prepared.batch.take([n])).maps[0] for n in range(len(prepared))]
    np.testing.assert_array_equal(together.maps[len(other) :], np.stack(by_slice))
    _, again = score_scans(model, [other, prepare_scan(volume, model.recipe)])
    assert again.score == alone.score
    np.testing.assert_array_equal(again.maps, alone.maps)
    np.testing.assert_array_equal(again.slice_scores, alone.slice_scores)


def test_no_scans_have_no_scores(model):
    assert score_scans(model, []) == []


def test_a_stored_model_gives_the_same_scores(model):
    prepared, before = scored(model, scanned(*grid_affine(), cube=True, seed=9))
    (after,) = score_scans(FittedModel.from_bytes(model.to_bytes(), "cpu"), [prepared])
    assert after.score == before.score


def test_a_series_and_the_nifti_file_made_of_it_score_alike(model, tmp_path):
    drawn = phantom_volume(3, Contrast.T1, None, (24, 96, 80))
    write_dicom_series(tmp_path / "series", drawn, patient="P-3")
    write_nifti(tmp_path / "same.nii.gz", drawn.voxels, drawn)
    (series,) = survey(list_files(tmp_path / "series")).series
    ours, theirs = (
        scored(model, each) for each in (read_series(series), read_nifti(tmp_path / "same.nii.gz"))
    )
    assert ours[1].score == theirs[1].score
    assert ours[0].places == pytest.approx(theirs[0].places, abs=1e-3)


@pytest.mark.parametrize("rule", ScanScore)
def test_a_pixel_is_above_the_threshold_where_the_scan_is(model, rule):
    how = replace(model.recipe.volumes, scan_score=rule, extent=8.0)
    model = replace(model, recipe=replace(model.recipe, volumes=how))
    _, found = scored(model, scanned(*grid_affine(), cube=True, seed=9))
    assert (found.maps > found.score * 0.999).any()
    assert found.maps.min() <= 0


@pytest.mark.parametrize("rule", ScanScore)
def test_members_are_apart_by_their_scores_of_the_scan_by_every_rule(model, rule):
    (one,) = model.members
    loud = {kind: replace(each, sd=each.sd / 2) for kind, each in one.standards.items()}
    recipe = replace(model.recipe, volumes=replace(model.recipe.volumes, scan_score=rule))
    several = replace(model, recipe=recipe, members=(one, replace(one, standards=loud)))
    prepared = prepare_scan(scanned(*grid_affine(), cube=True, seed=9), recipe)
    (found,) = score_scans(several, [prepared])
    alone = [score_scans(several, [prepared], [fold])[0] for fold in (0, 1)]
    assert alone[1].score == pytest.approx(2 * alone[0].score)
    assert found.spread == pytest.approx(np.std([each.score for each in alone], ddof=1))
    assert found.score == pytest.approx(1.5 * alone[0].score)

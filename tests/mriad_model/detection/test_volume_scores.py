"""Volumes prepared, scored, and their maps laid back where the finding is."""

import gzip
import shutil
import subprocess
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from mriad_model.detection.model import FittedModel
from mriad_model.detection.volume_scores import (
    anomaly_volume,
    incompatibility,
    pixel_threshold,
    score_volume,
)
from mriad_model.enums import ScanKind
from mriad_model.errors import RejectedFile, SettingsError
from mriad_model.heatmaps.overlay import ColourScale
from mriad_model.heatmaps.volume_map import nifti_map
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import write_dicom_series, write_nifti
from mriad_model.preprocessing.slices import joined, restore
from mriad_model.preprocessing.volumes import prepare_volume, training_slices
from mriad_model.readers.dicom.reading import read_series, survey
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.recipes import DEFAULT, VOLUME, ScanScore
from tests.support.places import SHARED
from tests.support.scanned import CUBE, HALF_SIDE, RECIPE, fitted_on_heads, grid_affine, scanned

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
    prepared = prepare_volume(volume, model.recipe)
    return prepared, score_volume(model, prepared)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_a_finding_peaks_where_it_lies_in_the_patient(model, grid):
    volume = scanned(*grid_affine(**grid), cube=True, seed=9)
    prepared, found = scored(model, volume)
    data = nifti_map(anomaly_volume(found, prepared, volume), volume, SCALE, "model 1")
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
    laid = anomaly_volume(found, prepared, volume)
    peak = np.unravel_index(laid.argmax(), laid.shape)
    place = (volume.affine @ (*peak[::-1], 1))[:3]
    assert np.abs(place - CUBE).max() < HALF_SIDE + 5


def test_a_score_does_not_depend_on_what_else_is_scored(model):
    volume = scanned(*grid_affine(), cube=True, seed=9)
    prepared, alone = scored(model, volume)
    other = prepare_volume(scanned(*grid_affine(), seed=5), model.recipe)
    together = model.score(joined([other.batch, prepared.batch]))
    by_slice = [model.score(prepared.batch.take([n])).maps[0] for n in range(len(prepared))]
    np.testing.assert_array_equal(together.maps[len(other) :], np.stack(by_slice))
    again = score_volume(model, prepare_volume(volume, model.recipe))
    assert again.score == alone.score
    np.testing.assert_array_equal(again.maps, alone.maps)


def test_a_stored_model_gives_the_same_scores(model):
    prepared, before = scored(model, scanned(*grid_affine(), cube=True, seed=9))
    after = score_volume(FittedModel.from_bytes(model.to_bytes(), "cpu"), prepared)
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


@pytest.mark.skipif(not DICOM_T1.is_dir(), reason="shared/data/volumes is absent")
@pytest.mark.skipif(DCM2NIIX is None, reason="dcm2niix is not installed")
def test_a_real_series_and_what_dcm2niix_makes_of_it_are_prepared_alike(tmp_path):
    """It shows 53 mm from the middle of a head: without its top, so no levels are judged by."""
    command = [DCM2NIIX, "-f", "same", "-z", "n", "-b", "n", "-o", tmp_path, DICOM_T1]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (series,) = survey(list_files(DICOM_T1)).series
    volumes = read_series(series), read_nifti(tmp_path / "same.nii")
    for volume in volumes:
        with pytest.raises(RejectedFile, match="incomplete"):
            prepare_volume(volume, RECIPE)
    anywhere = replace(RECIPE, volumes=replace(RECIPE.volumes, reach=None, levels=None))
    ours, theirs = (prepare_volume(volume, anywhere).batch for volume in volumes)
    np.testing.assert_array_equal(ours.images, theirs.images)
    np.testing.assert_array_equal(ours.masks, theirs.masks)


class TestPreparing:
    def test_a_millimetre_is_the_same_in_all_slices(self):
        prepared = prepare_volume(scanned(*grid_affine()), RECIPE)
        assert len(set(prepared.placements)) == 1
        widths = [mask.any(axis=0).sum() for mask in prepared.batch.masks]
        assert widths[-1] < 0.8 * max(widths)  # near the vertex a head is narrower

    def test_slices_out_of_reach_of_the_top_are_not_judged(self):
        volume = scanned(*grid_affine())
        everything = replace(RECIPE.volumes, reach=None, levels=None)
        near = replace(RECIPE.volumes, reach=30.0, levels=None)
        all_slices = prepare_volume(volume, replace(RECIPE, volumes=everything))
        some = prepare_volume(volume, replace(RECIPE, volumes=near))
        assert some.positions == all_slices.positions[-8:]  # 4 mm apart
        assert some.batch.levels.tolist() == [28, 24, 20, 16, 12, 8, 4, 0]
        laid = anomaly_volume(score_volume(fitted_on_heads(), some), some, volume)
        assert not laid[: some.positions[0]].any()

    def test_training_sees_evenly_spaced_slices(self):
        prepared = prepare_volume(scanned(*grid_affine()), RECIPE)
        few = replace(RECIPE, volumes=replace(RECIPE.volumes, train_slices=3))
        batch = training_slices(prepared, few)
        middle = round((len(prepared) - 1) / 2)
        wanted = prepared.batch.images[[0, middle, -1]]
        np.testing.assert_array_equal(batch.images, wanted)
        assert len(training_slices(prepared, replace(few, volumes=VOLUME.volumes))) == 16

    def test_grey_values_do_not_depend_on_the_scanners_gain(self):
        volume = scanned(*grid_affine())
        louder = replace(volume, voxels=(volume.voxels * 7.0 + 100).astype(np.float32))
        one, other = (prepare_volume(each, RECIPE) for each in (volume, louder))
        np.testing.assert_allclose(one.batch.images, other.batch.images, atol=1e-3)

    def test_a_recipe_for_pictures_is_refused(self):
        with pytest.raises(SettingsError, match="'default'"):
            prepare_volume(scanned(*grid_affine()), DEFAULT)

    def test_a_prepared_slice_lies_back_on_its_own(self):
        prepared = prepare_volume(scanned(*grid_affine()), RECIPE)
        place = len(prepared) // 2
        back = restore(prepared.batch.images[place], prepared.placements[place])
        pixels = prepared.sliced.slice_at(prepared.positions[place]).pixels
        assert np.corrcoef(back.ravel(), pixels.ravel().astype(float))[0, 1] > 0.9


@pytest.mark.parametrize("rule", ScanScore)
def test_a_pixel_is_above_the_threshold_where_the_scan_is(model, rule):
    how = replace(model.recipe.volumes, scan_score=rule, extent=8.0)
    model = replace(model, recipe=replace(model.recipe, volumes=how))
    _, found = scored(model, scanned(*grid_affine(), cube=True, seed=9))
    just_below = pixel_threshold(model.recipe, found.score * 0.999)
    assert (found.maps > just_below).any()
    assert found.maps.min() <= 0


class TestUnsuited:
    T1 = VOLUME.with_contrast(["T1w", None, "T1w"])

    @pytest.mark.parametrize(
        ("recipe", "kind", "contrast"),
        [
            (DEFAULT, ScanKind.NIFTI, None),
            (DEFAULT, ScanKind.DICOM, "T1w"),
            (VOLUME, ScanKind.IMAGE, None),
            (T1, ScanKind.NIFTI, "FLAIR"),
        ],
    )
    def test_a_model_does_not_judge_what_it_has_not_learned(self, recipe, kind, contrast):
        assert "cannot judge" in incompatibility(recipe, kind, contrast)

    @pytest.mark.parametrize(
        ("recipe", "kind", "contrast"),
        [
            (DEFAULT, ScanKind.IMAGE, None),
            (T1, ScanKind.DICOM, "T1w"),
            (T1, ScanKind.NIFTI, None),
            (VOLUME, ScanKind.NIFTI, "FLAIR"),
            (VOLUME.with_contrast(["T1w", "FLAIR"]), ScanKind.NIFTI, "T2w"),
            (VOLUME.with_contrast([None]), ScanKind.NIFTI, "T2w"),
        ],
    )
    def test_a_model_judges_what_may_be_of_its_kind(self, recipe, kind, contrast):
        assert incompatibility(recipe, kind, contrast) is None

    @pytest.mark.parametrize(
        ("spacing", "judged"),
        [((1.0, 1.0, 5.0), True), ((1.0, 5.0, 1.0), False), ((5.0, 1.0, 1.0), False)],
    )
    def test_thick_slices_of_another_plane_are_refused(
        self, spacing: tuple[float, float, float], judged: bool
    ) -> None:
        """Axial slices are looked at; thick sagittal or coronal ones hold none."""
        affine = np.diag([*spacing, 1.0]).ravel().tolist()
        grid = {"spacing": list(spacing), "affine": affine, "shape": [40, 40, 40]}
        why = incompatibility(VOLUME, ScanKind.DICOM, None, grid)
        assert (why is None) is judged
        if why is not None:
            assert "5 mm long and 1 mm wide within axial slices" in why

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from mriad_model.detection.scan_scores import score_scans
from mriad_model.errors import RejectedFile, SettingsError
from mriad_model.heatmaps.volume_map import anomaly_volume
from mriad_model.preprocessing.scan_slices import prepare_scan, training_slices
from mriad_model.preprocessing.slices import prepare, restore
from mriad_model.preprocessing.slicing import cut, native_slices
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.recipes.built_in_recipes import AUTOENCODER, VOLUME_AUTOENCODER
from mriad_model.recipes.recipe import Plane
from tests.support.places import SHARED
from tests.support.scans.scanned import RECIPE, fitted_on_heads, grid_affine, scanned
from tests.support.scans.survey import survey

DICOM_T1 = SHARED / "volumes/dicom_t1"
DCM2NIIX = shutil.which("dcm2niix")


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
            prepare_scan(volume, RECIPE)
    anywhere = replace(RECIPE, volumes=replace(RECIPE.volumes, reach=None, levels=None))
    ours, theirs = (prepare_scan(volume, anywhere).batch for volume in volumes)
    np.testing.assert_array_equal(ours.images, theirs.images)
    np.testing.assert_array_equal(ours.masks, theirs.masks)


def test_a_millimetre_is_the_same_in_all_slices():
    prepared = prepare_scan(scanned(*grid_affine()), RECIPE)
    assert len(set(prepared.placements)) == 1
    widths = [mask.any(axis=0).sum() for mask in prepared.batch.masks]
    assert widths[-1] < 0.8 * max(widths)  # near the vertex a head is narrower


def test_slices_out_of_reach_of_the_top_are_not_judged():
    volume = scanned(*grid_affine())
    everything = replace(RECIPE.volumes, reach=None, levels=None)
    near = replace(RECIPE.volumes, reach=30.0, levels=None)
    all_slices = prepare_scan(volume, replace(RECIPE, volumes=everything))
    some = prepare_scan(volume, replace(RECIPE, volumes=near))
    assert some.positions == all_slices.positions[-8:]  # 4 mm apart
    assert some.batch.levels.tolist() == [28, 24, 20, 16, 12, 8, 4, 0]
    (found,) = score_scans(fitted_on_heads(), [some])
    laid = anomaly_volume(found, some, volume, Plane.AXIAL)
    assert not laid[: some.positions[0]].any()


def test_training_sees_evenly_spaced_slices():
    prepared = prepare_scan(scanned(*grid_affine()), RECIPE)
    few = replace(RECIPE, volumes=replace(RECIPE.volumes, train_slices=3))
    batch = training_slices(prepared, few)
    middle = round((len(prepared) - 1) / 2)
    wanted = prepared.batch.images[[0, middle, -1]]
    np.testing.assert_array_equal(batch.images, wanted)
    assert len(training_slices(prepared, replace(few, volumes=VOLUME_AUTOENCODER.volumes))) == 16


def test_grey_values_do_not_depend_on_the_scanners_gain():
    volume = scanned(*grid_affine())
    louder = replace(volume, voxels=(volume.voxels * 7.0 + 100).astype(np.float32))
    one, other = (prepare_scan(each, RECIPE) for each in (volume, louder))
    np.testing.assert_allclose(one.batch.images, other.batch.images, atol=1e-3)


def test_a_recipe_for_scans_of_another_kind_is_refused():
    picture = ImageScan(np.full((64, 64), 7, np.uint8), "a" * 64)
    with pytest.raises(SettingsError, match="'autoencoder'"):
        prepare_scan(scanned(*grid_affine()), AUTOENCODER)
    with pytest.raises(SettingsError, match="'volume-autoencoder'"):
        prepare_scan(picture, VOLUME_AUTOENCODER)


def test_a_picture_is_a_scan_of_one_slice_that_training_sees():
    pixels = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    prepared = prepare_scan(ImageScan(pixels, "a" * 64), AUTOENCODER)
    one = prepare(pixels, AUTOENCODER.preprocessing)
    assert (prepared.positions, prepared.n_slices, prepared.placements) == (
        (0,),
        1,
        [one.placement],
    )
    np.testing.assert_array_equal(training_slices(prepared, AUTOENCODER).images, one.image[None])


def test_a_prepared_slice_lies_back_on_its_own():
    volume = scanned(*grid_affine())
    prepared = prepare_scan(volume, RECIPE)
    place = len(prepared) // 2
    back = restore(prepared.batch.images[place], prepared.placements[place])
    pixels = native_slices(volume, Plane.AXIAL, prepared.grey).at(prepared.positions[place])
    assert np.corrcoef(back.ravel(), pixels.ravel().astype(float))[0, 1] > 0.9


@pytest.mark.parametrize("grid", [{}, {"order": (1, 2, 0), "flips": (1, -1, -1)}])
def test_a_slice_drawn_later_is_the_one_that_was_cut(grid):
    volume = scanned(*grid_affine(**grid))
    prepared, sliced = prepare_scan(volume, RECIPE), cut(volume, RECIPE.scans.slicing)
    native = native_slices(volume, RECIPE.scans.plane, prepared.grey)
    position = prepared.positions[-3]
    np.testing.assert_array_equal(native.at(position), sliced.slice_at(position).pixels)

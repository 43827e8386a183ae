"""Phantom volumes as files that the readers take for what they are."""

import numpy as np
import pytest

from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast, Tissue
from mriad_model.phantom.write import (
    phantom_affine,
    write_dicom_series,
    write_nifti,
    write_volume_folder,
)
from mriad_model.readers.dicom.reading import read_series, survey
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.voxel_grid import canonical

SHAPE = (18, 64, 56)


def test_a_folder_of_volumes_reads_as_scans_with_subject_and_contrast(tmp_path):
    write_volume_folder(tmp_path, 1, 3, 5, contrast=Contrast.FLAIR, shape=SHAPE)
    paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    names = [path.relative_to(tmp_path).as_posix() for path in paths]
    assert names == [
        "no/sub-0000_desc-healthy_FLAIR.nii.gz",
        "yes/sub-0001_desc-infarct_FLAIR.nii.gz",
        "yes/sub-0002_desc-mass_FLAIR.nii.gz",
        "yes/sub-0003_desc-infarct_FLAIR.nii.gz",
    ]
    volumes = [read_nifti(path) for path in paths]
    assert [volume.origin.patient_id for volume in volumes] == ["0000", "0001", "0002", "0003"]
    assert {volume.origin.contrast for volume in volumes} == {"FLAIR"}
    assert len({volume.sha256 for volume in volumes}) == 4


def test_the_same_seed_writes_the_same_bytes_and_masks_by_the_same_names(tmp_path):
    for name in ("one", "two"):
        write_volume_folder(tmp_path / name, 0, 1, 5, shape=SHAPE, masks=tmp_path / name / "masks")
    one, two = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.gz")}
        for name in ("one", "two")
    )
    assert one == two
    assert sorted(path.name for path in one) == ["sub-0000_desc-infarct_T1w.nii.gz"] * 2


def test_the_eyes_are_in_front_and_the_vertex_is_up():
    volume = phantom_volume(4, Contrast.T1, None, (45, 80, 64))
    labels = canonical(volume.labels, phantom_affine(volume))  # (R, A, S)
    _, front, up = np.nonzero(labels == Tissue.EYE)
    brain = np.nonzero(labels == Tissue.WHITE)
    assert front.min() > brain[1].mean()
    assert up.max() < brain[2].mean()


@pytest.mark.parametrize(("contrast", "name"), [(Contrast.T1, "T1w"), (Contrast.FLAIR, "FLAIR")])
def test_a_series_holds_the_voxels_on_the_grid_of_the_nifti_file(tmp_path, contrast, name):
    drawn = phantom_volume(4, contrast, Lesion.MASS, SHAPE)
    paths = write_dicom_series(tmp_path / "series", drawn, patient="P-4", contrast=contrast)
    write_nifti(tmp_path / "same.nii.gz", drawn.voxels, drawn)
    found = survey(list_files(tmp_path / "series"))
    assert (len(found.series), len(found.refusals), len(paths)) == (1, 0, SHAPE[0])
    series, nifti = read_series(found.series[0]), read_nifti(tmp_path / "same.nii.gz")
    np.testing.assert_array_equal(series.voxels, drawn.voxels)
    np.testing.assert_allclose(series.affine, nifti.affine, atol=1e-4)
    assert series.sha256 == nifti.sha256
    assert (series.origin.contrast, series.origin.patient_id) == (name, "P-4")
    assert series.origin.frame_of_reference_uid


def test_series_of_two_patients_are_told_apart(tmp_path):
    drawn = phantom_volume(4, Contrast.T1, None, SHAPE)
    for patient in ("P-1", "P-2"):
        write_dicom_series(tmp_path / patient, drawn, patient=patient)
    assert len(survey(list_files(tmp_path)).series) == 2

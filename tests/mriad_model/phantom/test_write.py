"""Phantom volumes as files that the readers take for what they are."""

import numpy as np
import pytest

from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast, Tissue
from mriad_model.phantom.write import (
    drawn_heads,
    phantom_affine,
    write_dicom_series,
    write_nifti,
    write_volume,
)
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.volume.geometry import canonical
from tests.support.scans.survey import survey

SHAPE = (18, 64, 56)


def test_a_volume_reads_as_a_scan_with_subject_and_contrast(tmp_path):
    (tmp_path / "no").mkdir()
    (head,) = drawn_heads(1, 0, 5, first_number=7)
    scan = write_volume(head, tmp_path, Contrast.FLAIR, None, SHAPE)
    assert scan.path == tmp_path / "no" / "sub-0007_desc-healthy_FLAIR.nii.gz"
    assert (scan.lesion, scan.mask) == (None, None)
    origin = read_nifti(scan.path).origin
    assert (origin.patient_id, origin.contrast) == ("0007", "FLAIR")


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
    assert (len(found.series), len(found.rejections), len(paths)) == (1, 0, SHAPE[0])
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

"""Whole public DICOM files: read as dcm2niix reads them, or rejected with the true reason."""

import gzip
import subprocess

import nibabel
import numpy as np
import pytest

from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.volume.geometry import canonical, canonical_affine
from tests.mriad_model.readers.dicom.test_series import DCM2NIIX, needs_dcm2niix
from tests.support.places import SHARED
from tests.support.scans.survey import survey

PUBLIC = SHARED / "dicom_public"
FIELD_MAP = "2001_WIP_fcMRI_Field_Mapping_e2_phMag"
REJECTED = {
    "1901_WIP_3DpCASL_real": ("not_magnitude", "real part, not magnitude"),
    # Labels and controls, three times each, of which dcm2niix makes six volumes in one file.
    "1903_WIP_SOURCE_-_3DpCASL": (
        "shared_positions",
        "41 or more of 80 slices share a position",
    ),
}
RAW = ("unsupported", "raw data, no image")
TILED = ("unsupported", "slices tiled in one picture")

pytestmark = pytest.mark.skipif(not PUBLIC.is_dir(), reason="shared/data/dicom_public is absent")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Each Philips file in a folder of its own, by its name."""
    folders = {}
    for path in sorted((PUBLIC / "philips_enhanced").glob("*.dcm.gz")):
        name = path.name.removesuffix(".dcm.gz")
        folders[name] = tmp_path_factory.mktemp("public") / "in"
        folders[name].mkdir()
        (folders[name] / f"{name}.dcm").write_bytes(gzip.decompress(path.read_bytes()))
    return folders


def converted(folder, out):
    """What dcm2niix makes of a folder, with the values that are displayed: by file name."""
    out.mkdir()
    options = ["-f", "%e", "-p", "n", "-z", "n", "-b", "n"]
    subprocess.run(
        [DCM2NIIX, *options, "-o", out, folder], check=False, capture_output=True, timeout=60
    )
    return {path.stem: nibabel.as_closest_canonical(nibabel.load(path)) for path in out.iterdir()}


def rejections(found):
    return {(each.reason.value, each.detail) for _, each in found.rejections}


@needs_dcm2niix
def test_magnitude_frames_are_what_dcm2niix_makes_of_them_and_phase_is_left_out(unpacked, tmp_path):
    found = survey(list_files(unpacked[FIELD_MAP]))
    theirs = converted(unpacked[FIELD_MAP], tmp_path / "out")
    assert set(theirs) == {"1", "2", "1_ph", "2_ph"}
    assert [each.frames[0].echo_time for each in found.series] == [2.3, 4.6]
    for name, each in zip(("1", "2"), found.series, strict=True):
        ours = read_series(each)
        affine = canonical_affine(ours.voxels.shape, ours.affine)
        np.testing.assert_allclose(affine, theirs[name].affine, atol=1e-4)
        voxels = np.asarray(theirs[name].dataobj)
        np.testing.assert_allclose(canonical(ours.voxels, ours.affine), voxels, rtol=1e-6)
    assert rejections(found) == {("not_magnitude", "phase, not magnitude")}


@pytest.mark.parametrize("name", sorted(REJECTED))
def test_what_is_no_anatomy_or_several_volumes_is_rejected(unpacked, name):
    found = survey(list_files(unpacked[name]))
    assert found.series == ()
    assert rejections(found) == {REJECTED[name]}


def test_raw_data_are_rejected_as_such(unpacked):
    raw = [folder for name, folder in unpacked.items() if name.endswith("_Raw")]
    assert len(raw) == 8
    for folder in raw:
        found = survey(list_files(folder))
        assert (found.series, rejections(found)) == ((), {RAW})


@needs_dcm2niix
def test_of_raw_data_dcm2niix_makes_nothing_either(unpacked, tmp_path):
    for name, folder in unpacked.items():
        if name.endswith("_Raw"):
            assert converted(folder, tmp_path / name) == {}


def test_mosaics_are_rejected_as_such():
    paths = sorted((PUBLIC / "siemens_12bit/In").iterdir())
    assert len(paths) == 3
    for path in paths:
        found = survey(list_files(path))
        assert (found.series, rejections(found)) == ((), {TILED})

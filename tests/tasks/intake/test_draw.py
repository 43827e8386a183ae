"""Heads drawn into a folder read as what they are said to be."""

import cv2
import nibabel as nib
import numpy as np
import pytest

from mriad_model.errors import SettingsError
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from tasks.intake.draw import draw
from tasks.runtime.progress import listening
from tests.support.scans.survey import survey


def test_pictures_stand_in_folders_that_label_them_and_masks_apart(tmp_path):
    drawn = draw(tmp_path / "heads", 1, 2, 3, "png", "flair")
    inside = [each.path.relative_to(tmp_path / "heads").as_posix() for each in drawn]
    assert [place.rpartition("/")[0] for place in inside] == ["scans/no", "scans/yes", "scans/yes"]
    assert [each.mask is None for each in drawn] == [True, False, False]
    for each in drawn[1:]:
        mask = cv2.imread(str(each.mask), cv2.IMREAD_UNCHANGED)
        assert set(np.unique(mask)) == {0, 255}
        assert mask.shape == cv2.imread(str(each.path), cv2.IMREAD_UNCHANGED).shape


def test_a_seed_draws_the_same_bytes_and_another_seed_other_patients(tmp_path):
    one, two, other = (
        draw(tmp_path / name, 0, 1, seed, "nifti", "t1")[0]
        for name, seed in (("one", 0), ("two", 0), ("other", 1))
    )
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.mask.read_bytes() == two.mask.read_bytes()
    volumes = read_nifti(one.path), read_nifti(other.path)
    assert volumes[0].sha256 != volumes[1].sha256
    assert [each.origin.patient_id for each in volumes] == ["0000", "10000"]


def test_the_mask_of_a_volume_lies_on_its_grid(tmp_path):
    (scan,) = draw(tmp_path / "heads", 0, 1, 0, "nifti", "t1")
    image, mask = nib.load(scan.path), nib.load(scan.mask)
    np.testing.assert_array_equal(image.affine, mask.affine)
    assert image.shape == mask.shape
    assert set(np.unique(mask.dataobj)) == {0, 1}


def test_a_series_is_one_scan_in_a_folder_of_its_own(tmp_path):
    scans = draw(tmp_path / "heads", 1, 0, 1, "dicom", "flair")
    found = survey(list_files(tmp_path / "heads"))
    assert (len(found.series), len(found.rejections)) == (1, 0)
    assert {path.parent for path in scans[0].path.iterdir()} == {scans[0].path}
    origin = read_series(found.series[0]).origin
    assert (origin.patient_id, origin.contrast) == ("phantom-10000", "FLAIR")


def test_nothing_is_written_over_and_a_broken_off_try_leaves_nothing_half(tmp_path):
    target = tmp_path / "heads"

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(stop):
        draw(target, 2, 0, 0, "png", "t1")
    assert not target.exists()
    draw(target, 1, 0, 0, "png", "t1")
    with pytest.raises(SettingsError, match="not empty"):
        draw(target, 1, 0, 0, "png", "t1")
    assert len(list(list_files(target))) == 1

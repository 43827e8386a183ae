"""A folder's files sorted by what is in them, and volumes that travel as files."""

import stat
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from PIL import Image

from mriad_model.enums import ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.contents import group_files
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.volume_files import store_volume
from tests.mriad_model.conftest import drawn_head, oblique_affine
from tests.support.places import REPOSITORY
from tests.support.scans.survey import survey


@pytest.fixture(scope="module")
def readers():
    with ReaderPool(2) as started:
        yield started


def write_nifti(path):
    nibabel.save(nibabel.Nifti1Image(drawn_head().T, oblique_affine()), path)
    return path


class TestAFolder:
    def test_is_sorted_by_content_not_by_name(self, series, readers):
        slices = series.classic(reverse=True)
        volume = write_nifti(series.folder / "volume.nii.gz").rename(series.folder / "zz.jpg")
        Image.fromarray(np.eye(40, dtype=np.uint8)).save(series.folder / "picture.png")
        (series.folder / "picture.png").rename(series.folder / "slice.dcm")
        (series.folder / "note.txt").write_text("hello")
        (series.folder / "empty").touch()
        (series.folder / "link").symlink_to(slices[0])
        found = group_files(readers, list_files(series.folder))
        assert [each.path.name for each in found.pictures] == ["empty", "note.txt", "slice.dcm"]
        nifti, dicom = found.volumes
        assert (nifti.kind, [each.path for each in nifti.files]) == (ScanKind.NIFTI, [volume])
        assert (dicom.kind, [each.path for each in dicom.files]) == (ScanKind.DICOM, slices)
        assert dicom.series == survey(list_files(series.folder)).series[0]
        ((link, reason),) = [(file.path.name, each.reason) for file, each in found.rejections]
        assert (link, reason) == ("link", "symlink")

    def test_of_bad_series_is_rejected_file_by_file(self, series, readers):
        series.classic(RescaleSlope="0")
        series.classic(drawn_head((2, 40, 36)), SeriesInstanceUID="1.2.3")
        found = group_files(readers, list_files(series.folder))
        reasons = [each.reason.value for _, each in found.rejections]
        assert reasons == ["no_signal"] * 12 + ["too_few_slices"] * 2
        assert not found.volumes

    def test_of_nothing_holds_nothing(self, tmp_path, readers):
        found = group_files(readers, list_files(tmp_path))
        assert (found.pictures, found.volumes, found.rejections) == ((), (), ())


class TestAStoredVolume:
    @pytest.mark.parametrize("kind", ["dicom", "nifti"])
    def test_is_the_volume_that_was_read(self, series, readers, tmp_path, kind):
        if kind == "dicom":
            series.classic()
            volume = read_series(survey(list_files(series.folder)).series[0])
        else:
            volume = read_nifti(write_nifti(series.folder / "sub-07_T2w.nii"))
        (source,) = group_files(readers, list_files(series.folder)).volumes
        (stored,) = readers.map(store_volume, [(source, tmp_path / "scratch.npy")])
        loaded = stored.load()
        np.testing.assert_array_equal(loaded.voxels, volume.voxels)
        np.testing.assert_array_equal(loaded.affine, volume.affine)
        assert (loaded.origin, loaded.sha256) == (volume.origin, volume.sha256)
        assert isinstance(loaded.voxels, np.memmap)
        assert not loaded.voxels.flags.writeable
        assert stat.S_IMODE(stored.path.stat().st_mode) == 0o600

    def test_that_is_no_good_is_rejected_with_its_reason(self, series, readers, tmp_path):
        series.classic(np.full((5, 40, 36), 7, np.int16))
        (source,) = group_files(readers, list_files(series.folder)).volumes
        (rejected,) = readers.map(store_volume, [(source, tmp_path / "scratch.npy")])
        assert isinstance(rejected, RejectedFile)
        assert rejected.reason.value == "no_signal"

    def test_that_finds_no_room_is_no_fault_of_the_file(self, series, readers, tmp_path):
        write_nifti(series.folder / "a.nii")
        (source,) = group_files(readers, list_files(series.folder)).volumes
        with pytest.raises(FileNotFoundError):
            list(readers.map(store_volume, [(source, tmp_path / "nowhere" / "scratch.npy")]))


def test_a_series_of_hundreds_of_slices_takes_little_more_than_its_size(series, tmp_path):
    """Measured in a process of its own, as the kernel counts it."""
    voxels = np.tile(drawn_head((4, 256, 256)), (100, 1, 1))
    series.classic(voxels)
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from mriad_model.readers.folders import list_files\n"
        "from mriad_model.readers.contents import VolumeSource\n"
        "from tests.support.scans.survey import survey\n"
        "from mriad_model.readers.volume_files import store_volume\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\n"
        "(series,) = survey(list_files(Path(sys.argv[1]))).series\n"
        "source = VolumeSource('dicom', series.files, series)\n"
        "store_volume((source, Path(sys.argv[2])))\n"
        "print(peak() - before)\n"
    )
    command = [sys.executable, "-c", script, str(series.folder), str(tmp_path / "scratch.npy")]
    told = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=REPOSITORY
    ).stdout
    assert int(told) < 1.5 * voxels.nbytes

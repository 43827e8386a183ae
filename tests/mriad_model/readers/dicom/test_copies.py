"""Files that share their UIDs: copies, or other pixels that no volume may mix."""

import shutil

import numpy as np
import pytest
from pydicom import dcmread

from mriad_model.readers.contents import group_files
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.sandbox.pool import ReaderPool
from tests.mriad_model.conftest import SeriesWriter, drawn_head
from tests.support.scans.survey import survey


def twin(series, voxels, edit=None, folder=None):
    """A second exam with the UIDs of the first; names run through those of the first."""
    folder = series.folder if folder is None else folder
    folder.mkdir(exist_ok=True)
    for place, path in enumerate(sorted(series.folder.iterdir())):
        dataset = dcmread(path)
        dataset.PixelData = voxels[place].astype("<i2").tobytes()
        if edit is not None:
            edit(dataset, place)
        dataset.save_as(folder / f"{path.stem}-twin.dcm")


def beside(series):
    """A writer of another series into the same folder."""
    writer = SeriesWriter(series.folder)
    writer.written = 100
    return writer


def voxels_of(found):
    return sorted(read_series(each).voxels.tobytes() for each in found.series)


HEADS = sorted([drawn_head().tobytes(), (drawn_head() + 7).tobytes()])


class TestExamsThatShareAllUids:
    @pytest.mark.parametrize(
        ("keyword", "value"),
        [("StudyTime", "130000"), ("AcquisitionNumber", 2), ("AcquisitionTime", "130000.5")],
    )
    def test_are_parted_by_when_they_were_acquired(self, series, surveyed, keyword, value):
        series.classic(StudyTime="120000", AcquisitionTime="120000.5")
        twin(series, drawn_head() + 7, lambda dataset, _: setattr(dataset, keyword, value))
        found = surveyed()
        assert found.rejections == ()
        assert voxels_of(found) == HEADS

    def test_that_nothing_parts_are_rejected_and_never_mixed(self, series, surveyed):
        series.classic()
        twin(series, drawn_head() + 7)
        found = surveyed()
        assert found.series == ()
        assert len(found.rejections) == 24
        assert {each.reason.value for _, each in found.rejections} == {"duplicate"}

    def test_are_not_mixed_over_folders_either(self, series, tmp_path):
        series.classic()
        twin(series, drawn_head() + 7, folder=tmp_path / "other")
        found = survey(list_files(tmp_path))
        assert found.series == ()
        assert {each.reason.value for _, each in found.rejections} == {"duplicate"}

    def test_leave_other_series_alone(self, series, surveyed):
        series.classic()
        twin(series, drawn_head() + 7)
        beside(series).classic()
        assert len(surveyed().series) == 1

    def test_are_told_in_children_as_here(self, series, surveyed):
        series.classic()
        twin(series, drawn_head() + 7)
        with ReaderPool(1) as readers:
            found = group_files(readers, list_files(series.folder))
        assert found.volumes == ()
        assert {each.reason.value for _, each in found.rejections} == {"duplicate"}


class TestOneChangedSlice:
    def test_makes_the_series_one_that_cannot_be_told(self, series, rejected):
        changed = series.classic()[4]
        dataset = dcmread(changed)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(series.folder / "zzz.dcm")
        assert rejected() == {"duplicate"}


class TestOneUid:
    def test_in_two_series_parts_neither(self, series, surveyed):
        first = series.classic()
        beside(series).classic(
            drawn_head() + 7, edit=lambda dataset, place: share(dataset, place, first)
        )
        found = surveyed()
        assert found.rejections == ()
        assert voxels_of(found) == HEADS

    def test_in_all_slices_of_a_series_is_a_series(self, series, volume):
        series.classic(SOPInstanceUID="1.2.3.4")
        np.testing.assert_array_equal(volume().voxels, drawn_head())


class TestCopies:
    def test_are_copies_however_they_are_compressed(self, series, surveyed, tmp_path):
        series.classic()
        shutil.copytree(series.folder, tmp_path / "kept")
        uids = [dcmread(path).SOPInstanceUID for path in sorted(series.folder.iterdir())]
        again = beside(series)
        again.series_uid, again.study_uid = series.series_uid, series.study_uid
        again.frame_uid = series.frame_uid

        def name(dataset, place):
            dataset.SOPInstanceUID = uids[place]

        again.classic(edit=name, syntax="rle")
        found = surveyed()
        assert found.rejections == ()
        assert [read_series(each).voxels.tobytes() for each in found.series] == [
            drawn_head().tobytes()
        ] * 2

    def test_that_cannot_be_decoded_are_rejected_and_cost_the_series_nothing(
        self, series, surveyed
    ):
        path = series.classic(syntax="jpeg 2000")[3]
        data = bytearray(path.read_bytes())
        data[data.index(b"\xff\x52") + 9] = 200
        (series.folder / "zzz.dcm").write_bytes(data)
        found = surveyed()
        assert len(found.series) == 1
        assert [each.reason.value for _, each in found.rejections] == ["corrupt"]


def share(dataset, place, paths):
    if place >= 8:
        dataset.SOPInstanceUID = dcmread(paths[place]).SOPInstanceUID

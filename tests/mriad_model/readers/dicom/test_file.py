"""Oddities of lawful files: read as they are meant, or rejected with the true cause."""

import shutil

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mriad_model.readers.folders import list_files
from tests.mriad_model.conftest import drawn_head, oblique_affine
from tests.mriad_model.readers.dicom.test_series import DCM2NIIX, as_converted, assert_same_volume
from tests.support.scans.survey import survey

OPTIONAL = (
    "EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "MagneticFieldStrength",
    "TemporalPositionIdentifier", "InstanceNumber", "AcquisitionNumber", "SeriesNumber",
    "SliceThickness", "SpacingBetweenSlices", "ImagesInAcquisition", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "ContrastBolusAgent", "Manufacturer", "ManufacturerModelName",
    "SeriesDescription", "ProtocolName", "StudyInstanceUID", "FrameOfReferenceUID", "PatientID",
    "StudyDate", "StudyTime", "SeriesTime", "AcquisitionDate", "AcquisitionTime",
    "AcquisitionDateTime", "ScanningSequence", "ImageType", "BurnedInAnnotation",
    "ComplexImageComponent", "PixelPresentation", "RescaleType", "AcquisitionContrast",
    "VolumeBasedCalculationTechnique", "EchoPulseSequence", "EchoPlanarPulseSequence",
)  # fmt: skip


def nonsensical(keywords, nonsense):
    """An edit of a dataset: these tags become this text."""

    def edit(dataset, place):
        for keyword in keywords:
            if keyword in dataset:
                del dataset[keyword]
            dataset.add_new(keyword, "LT", nonsense)

    return edit


class TestATagThatNothingNeeds:
    @pytest.mark.parametrize("keyword", OPTIONAL)
    def test_loses_no_scan(self, series, volume, keyword):
        """Written as text, whatever its type should be."""
        series.classic(drawn_head((4, 18, 16)), edit=nonsensical([keyword], "n/a"))
        np.testing.assert_array_equal(volume().voxels, drawn_head((4, 18, 16)))

    @pytest.mark.parametrize("nonsense", ["n/a", "1,5", "", "\\", "1e999"])
    def test_loses_none_where_all_such_tags_are_nonsense(self, series, volume, nonsense):
        series.classic(drawn_head((4, 18, 16)), edit=nonsensical(OPTIONAL, nonsense))
        np.testing.assert_array_equal(volume().voxels, drawn_head((4, 18, 16)))

    def test_loses_none_where_one_slice_alone_has_it(self, series, volume):
        def edit(dataset, place):
            if place == 3:
                del dataset.EchoTime
                dataset.add_new("EchoTime", "LT", "n/a")

        series.classic(edit=edit)
        assert volume().voxels.shape == (12, 40, 36)

    @pytest.mark.parametrize("text", [b"n/a ", b"1,5 "])
    def test_may_be_a_number_that_is_none(self, series, volume, text):
        for path in series.classic(EchoTime="90.0"):
            data = path.read_bytes()
            assert data.count(b"90.0") == 1
            path.write_bytes(data.replace(b"90.0", text))
        assert volume().origin.contrast == "T2w"

    def test_with_a_decimal_comma_is_understood(self, series, volume):
        for path in series.classic(MagneticFieldStrength="1.50"):
            data = path.read_bytes()
            at = data.index(b"\x18\0\x87\0")
            path.write_bytes(data[:at] + data[at:].replace(b"1.50", b"1,50", 1))
        assert volume().origin.scanner == "ACME Coil 1.5 T"

    def test_is_kept_as_text_that_prints(self, series, volume):
        series.classic(Manufacturer="AC\x9b31mME\x07")
        assert volume().origin.scanner == "AC\\x9b31mME\\x07 Coil 3 T"


class TestWithoutItsPreamble:
    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    @pytest.mark.parametrize("prefix", [b"", bytes(128) + b"DICM"])
    def test_and_file_meta_a_file_is_read(self, series, volume, syntax, prefix):
        def edit(dataset, place):
            dataset.file_meta.TransferSyntaxUID = syntax

        for path in series.classic(edit=edit):
            data = path.read_bytes()
            path.write_bytes(prefix + data[data.index(b"\x08\0\x08\0", 132) :])
        np.testing.assert_array_equal(volume().voxels, drawn_head())

    def test_a_file_is_read_by_its_meta(self, series, volume):
        for path in series.classic(syntax="jpeg lossless"):
            path.write_bytes(path.read_bytes()[132:])
        np.testing.assert_array_equal(volume().voxels, drawn_head())

    def test_a_text_that_begins_alike_is_left_to_others(self, tmp_path):
        (tmp_path / "a").write_bytes(b"\x08\0\x16\0 nothing of DICOM's")
        found = survey(list_files(tmp_path))
        assert (len(found.others), found.rejections) == (1, ())


class TestSlicesThatDisown:
    def test_their_frame_of_reference_are_one_volume_without_a_place(self, series, volume):
        def edit(dataset, place):
            dataset.FrameOfReferenceUID = f"1.2.3.{place + 1}"

        series.classic(edit=edit)
        origin = volume().origin
        assert origin.frame_of_reference_uid is None
        assert origin.remarks == ("FrameOfReferenceUID differs from slice to slice",)

    def test_their_series_are_one_volume(self, series, volume):
        def edit(dataset, place):
            dataset.SeriesInstanceUID = f"1.2.3.{place + 1}"

        series.classic(edit=edit)
        np.testing.assert_array_equal(volume().voxels, drawn_head())
        assert volume().origin.remarks == ("SeriesInstanceUID differs from slice to slice",)

    def test_their_time_are_one_volume(self, series, volume):
        def edit(dataset, place):
            dataset.TemporalPositionIdentifier = place + 1

        series.classic(edit=edit)
        np.testing.assert_array_equal(volume().voxels, drawn_head())

    def test_their_type_are_one_volume(self, series, volume):
        def edit(dataset, place):
            if place % 2:
                dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM"]

        series.classic(edit=edit)
        np.testing.assert_array_equal(volume().voxels, drawn_head())
        assert volume().origin.remarks == ("ImageType differs from slice to slice",)


class TestRoundedPositions:
    @staticmethod
    def rounded(dataset, place):
        position = [round(float(each), 1) for each in dataset.ImagePositionPatient]
        dataset.ImagePositionPatient = [f"{each:.1f}" for each in position]

    @pytest.mark.parametrize("degrees", [(0.0, 0.0, 0.0), (12.0, -7.0, 20.0)])
    @pytest.mark.parametrize("step", [1.15, 0.75, 1.25])
    def test_are_no_gap(self, series, volume, tmp_path, degrees, step):
        affine = oblique_affine((1.1, 0.9, step), degrees)
        series.classic(drawn_head((40, 40, 36)), affine, self.rounded, SliceThickness=step)
        ours = volume()
        assert ours.spacing[2] == pytest.approx(step, abs=0.01)
        if DCM2NIIX is not None:
            theirs, _ = as_converted(series.folder, tmp_path / "out")
            assert theirs.shape == (36, 40, 40)

    def test_do_not_hide_a_missing_slice(self, series, rejected):
        affine = oblique_affine((1.1, 0.9, 1.15), (0.0, 0.0, 0.0))
        paths = series.classic(drawn_head((40, 40, 36)), affine, self.rounded)
        paths[20].unlink()
        assert rejected() == {"gap"}


class TestPadding:
    @pytest.mark.parametrize(
        ("value", "stated"), [(-2000, -2000), (-32768, -32768), (-2000, 63536)]
    )
    def test_becomes_air(self, series, volume, value, stated):
        head = drawn_head() + 100
        padded = head.copy()
        padded[:, :8, :8] = value

        def edit(dataset, place):
            dataset.add_new("PixelPaddingValue", "SS" if stated < 0 else "US", stated)

        series.classic(padded, edit=edit)
        ours = volume().voxels
        assert ours[:, 8:].tolist() == head[:, 8:].tolist()
        assert len(np.unique(ours[:, :8, :8])) == 1
        assert head.min() <= ours[0, 0, 0] <= np.percentile(head, 10)

    def test_above_the_head_becomes_air_too(self, series, volume):
        padded = drawn_head(dtype=np.uint16)
        padded[:, :8, :8] = 65535
        series.classic(padded, PixelPaddingValue=65535)
        assert volume().voxels.max() < 2000

    def test_may_be_a_range(self, series, volume):
        padded = drawn_head()
        padded[:, :8, :4], padded[:, :8, 4:8] = -2000, -1500
        series.classic(padded, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1500)
        assert volume().voxels.min() >= 0

    def test_is_told_in_implicit_files_too(self, series, volume):
        padded = drawn_head()
        padded[:, :8, :8] = -2000

        def edit(dataset, place):
            dataset.PixelPaddingValue = -2000
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

        series.classic(padded, edit=edit)
        assert volume().voxels.min() >= 0

    @pytest.mark.parametrize("value", [0, 3])
    def test_that_is_air_changes_no_voxel(self, series, volume, value):
        series.classic(drawn_head(), PixelPaddingValue=value)
        np.testing.assert_array_equal(volume().voxels, drawn_head())

    def test_of_scaled_values_is_that_of_stored_ones(self, series, volume):
        padded = drawn_head()
        padded[:, :8, :8] = -2000
        series.classic(padded, PixelPaddingValue=-2000, RescaleSlope="2", RescaleIntercept="10")
        assert volume().voxels.min() >= 10


@pytest.mark.skipif(DCM2NIIX is None, reason="dcm2niix is not installed")
def test_a_file_without_preamble_is_what_dcm2niix_makes_of_it(series, volume, tmp_path):
    def edit(dataset, place):
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    for path in series.classic(edit=edit):
        data = path.read_bytes()
        path.write_bytes(data[data.index(b"\x08\0\x08\0", 132) :])
    theirs, _ = as_converted(series.folder, tmp_path / "out")
    assert_same_volume(volume(), theirs)
    shutil.rmtree(tmp_path / "out")

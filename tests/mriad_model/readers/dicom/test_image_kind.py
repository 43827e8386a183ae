"""What a DICOM picture is of: all that its header says is read together."""

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mriad_model.readers.volume.contrast import Timing, by_timing, classic_timing, dicom_contrast
from tests.mriad_model.conftest import drawn_head, item, oblique_affine


def type_of(*words):
    return {"ImageType": ["DERIVED", "PRIMARY", *words]}


class TestLeftOut:
    @pytest.mark.parametrize(
        ("tags", "reason"),
        [
            (type_of("P", "ND", "PHASE"), "not_magnitude"),
            (type_of("PHASE MAP", "P", "FFE"), "not_magnitude"),
            (type_of("R_FFE", "FFE"), "not_magnitude"),
            (type_of("I_SE", "SE"), "not_magnitude"),
            (type_of("REAL"), "not_magnitude"),
            (type_of("B0 MAP", "B0", "UNSPECIFIED"), "not_magnitude"),
            ({"ComplexImageComponent": "IMAGINARY"}, "not_magnitude"),
            ({"RescaleType": "Hz"}, "not_magnitude"),
            ({"RescaleType": "mrad"}, "not_magnitude"),
            (type_of("DIFFUSION", "ADC"), "quantitative_map"),
            (type_of("DIFFUSION", "FA"), "quantitative_map"),
            (type_of("T1 MAP", "T1", "UNSPECIFIED"), "quantitative_map"),
            (type_of("T2_STAR_MAP"), "quantitative_map"),
            ({**type_of("CBF"), "SeriesDescription": "perfusion"}, "quantitative_map"),
            ({**type_of("ADC"), "SeriesDescription": "t2_tse"}, "quantitative_map"),
            ({"RescaleType": "10^-6 mm2/s"}, "quantitative_map"),
            ({"RescaleType": "ms"}, "quantitative_map"),
            ({**type_of("OTHER"), "SeriesDescription": "ep2d_diff ADC"}, "quantitative_map"),
            ({**type_of(), "SeriesDescription": "T1 Map MOLLI"}, "quantitative_map"),
            (type_of("M", "SUB"), "derived"),
            (type_of("M", "MIP"), "derived"),
            (type_of("PROJECTION IMAGE"), "derived"),
            (type_of("M", "MNIP"), "derived"),
            ({"VolumeBasedCalculationTechnique": "MAX_IP"}, "derived"),
            ({**type_of("OTHER"), "SeriesDescription": "t1 subtraction"}, "derived"),
            (type_of("SCREEN SAVE"), "screenshot"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "screenshot"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"}, "screenshot"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66"}, "unsupported"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.2"}, "unsupported"),
            ({"PixelPresentation": "COLOR"}, "colour"),
        ],
        ids=str,
    )
    def test_for_its_own_reason(self, series, rejected, tags, reason):
        series.classic(**tags)
        assert rejected() == {reason}

    def test_by_the_units_that_real_world_values_are_mapped_to(self, series, rejected):
        units = item(CodeValue="mm2/s", CodingSchemeDesignator="UCUM", CodeMeaning="mm2/s")
        series.classic(
            RealWorldValueMappingSequence=[item(MeasurementUnitsCodeSequence=[units])],
        )
        assert rejected() == {"quantitative_map"}

    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    def test_by_what_one_maker_writes_privately(self, series, surveyed, syntax):
        def edit(dataset, place):
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.Manufacturer = "GE MEDICAL SYSTEMS"
            dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
            dataset.add_new(0x0043102F, "SS", 1)

        series.classic(edit=edit)
        found = surveyed()
        assert {(r.reason.value, r.detail) for _, r in found.rejections} == {
            ("not_magnitude", "phase, not magnitude")
        }

    def test_frame_by_frame_of_one_enhanced_file(self, series, surveyed):
        """Magnitude and phase at the same places: the magnitude is a scan."""

        def edit(dataset, _):
            frames = dataset.PerFrameFunctionalGroupsSequence
            for magnitude, phase in zip(frames[:12], frames[12:], strict=True):
                phase.PlanePositionSequence = magnitude.PlanePositionSequence
                for frame, letter in ((magnitude, "M"), (phase, "P")):
                    words = ["ORIGINAL", "PRIMARY", "T1", letter]
                    frame.MRImageFrameTypeSequence = [item(FrameType=words)]

        both = drawn_head((24, 40, 36))
        series.enhanced(both, edit=edit, shuffled=False)
        found = surveyed()
        assert [len(each.frames) for each in found.series] == [12]
        assert [frame.index for frame in found.series[0].frames] == list(range(12))
        assert [each.reason.value for _, each in found.rejections] == ["not_magnitude"]


class TestKept:
    @pytest.mark.parametrize(
        "tags",
        [
            {},
            {"ImageType": ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"]},
            {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]},
            {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
            {"ImageType": ["DERIVED", "SECONDARY", "OTHER"]},
            {"ImageType": ["ORIGINAL", "PRIMARY", "M", "DIS3D", "FIL", "MFSPLIT"]},
            {"ImageType": ["ORIGINAL", "PRIMARY", "DIXON", "WATER"]},
            {"ImageType": ["ORIGINAL", "PRIMARY"]},
            {"ImageType": ""},
            {"RescaleType": "US"},
            {"RescaleType": "normalized"},
            {"SeriesDescription": "t2 field map region"},
            {**type_of("M"), "SeriesDescription": "t1_fl3d FA 15"},
            {"ComplexImageComponent": "MAGNITUDE"},
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.4"},
        ],
        ids=str,
    )
    def test_is_magnitude_anatomy(self, series, volume, tags):
        series.classic(**tags)
        assert volume().voxels.shape == (12, 40, 36)

    def test_is_a_head_that_only_its_type_calls_perfusion(self, series, volume):
        """Its name and its timing agree on an anatomical contrast: two against one."""
        flair = {"RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}
        series.classic(SeriesDescription="FLAIR: Jan 10", **type_of("CBF"), **flair)
        assert volume().origin.contrast == "FLAIR"


class TestContrast:
    @pytest.mark.parametrize(
        ("described", "timing", "contrast"),
        [
            ("AX PD/T2 TSE", {"RepetitionTime": 3200, "EchoTime": 12}, "PDw"),
            ("AX PD/T2 TSE", {"RepetitionTime": 3200, "EchoTime": 96}, "T2w"),
            ("t2_tra", {"RepetitionTime": 600, "EchoTime": 12}, "T1w"),
            ("t1_tra", {"RepetitionTime": 4000, "EchoTime": 100}, "T2w"),
            ("AX T2 FS", {"RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}, "FLAIR"),
            ("T1 FLAIR", {"RepetitionTime": 2000, "EchoTime": 20, "InversionTime": 800}, "T1w"),
            ("AX FLAIR", {"RepetitionTime": 9000, "EchoTime": 120}, "FLAIR"),
            ("t1_mprage", {"RepetitionTime": 2300, "EchoTime": 2.98, "InversionTime": 900}, "T1w"),
            ("t1_mp2rage", {"RepetitionTime": 5000, "EchoTime": 2.98}, "T1w"),
            ("ep2d_diff", {"RepetitionTime": 6000, "EchoTime": 90}, "dwi"),
            ("SWI", {"RepetitionTime": 28, "EchoTime": 20, "ScanningSequence": "GR"}, "swi"),
            ("t2 trufi", {"RepetitionTime": 5, "EchoTime": 2, "FlipAngle": 60,
                          "ScanningSequence": "GR"}, "T2w"),
            ("TOF head", {"RepetitionTime": 22, "EchoTime": 3.5, "FlipAngle": 18,
                          "ScanningSequence": "GR"}, "angio"),
            ("", {"RepetitionTime": 6000, "EchoTime": 90, "ScanningSequence": "EP"}, None),
            ("", {"RepetitionTime": 700, "EchoTime": 20, "ScanningSequence": "GR"}, None),
        ],
    )  # fmt: skip
    def test_is_what_the_physics_says(self, described, timing, contrast):
        dataset = item(SeriesDescription=described, **timing)
        assert dicom_contrast(dataset, classic_timing(dataset)).name == contrast

    def test_against_its_name_is_remarked(self, series, volume):
        series.classic(EchoTime=12, RepetitionTime=600)
        origin = volume().origin
        assert origin.contrast == "T1w"
        assert origin.remarks == ("described as T2w, but TE 12, TR 600 ms are those of T1w",)

    def test_as_named_bears_no_remark(self, series, volume):
        series.classic()
        assert (volume().origin.contrast, volume().origin.remarks) == ("T2w", ())

    def test_of_an_enhanced_file_is_that_of_its_frames(self, series, surveyed):
        """Two echoes under one name."""

        def edit(dataset, _):
            dataset.SeriesDescription = "PD/T2"
            frames = dataset.PerFrameFunctionalGroupsSequence
            for early, late in zip(frames[:12], frames[12:], strict=True):
                late.PlanePositionSequence = early.PlanePositionSequence
                for frame, echo in ((early, 12.0), (late, 96.0)):
                    frame.MREchoSequence = [item(EffectiveEchoTime=echo)]
                    frame.MRTimingAndRelatedParametersSequence = [item(RepetitionTime=3200)]

        series.enhanced(drawn_head((24, 40, 36)), edit=edit, shuffled=False)
        assert [each.frames[0].hint.name for each in surveyed().series] == ["PDw", "T2w"]

    def test_is_untold_without_times(self):
        assert by_timing(Timing()) is None


class TestLocalizers:
    def test_are_told_by_name(self, series, rejected):
        series.classic(SeriesDescription="3-plane LOC")
        assert rejected() == {"localizer"}

    def test_are_told_by_the_name_of_the_protocol(self, series, rejected):
        series.classic(SeriesDescription="", ProtocolName="AAHead_Scout")
        assert rejected() == {"localizer"}

    def test_are_told_by_planes(self, series, rejected):
        for degrees in ((0.0, 0.0, 0.0), (90.0, 0.0, 0.0), (0.0, 90.0, 0.0)):
            series.classic(drawn_head((3, 40, 36)), oblique_affine(degrees=degrees))
        assert rejected() == {"localizer"}

    def test_are_told_by_planes_of_one_slice(self, series, rejected):
        for degrees in ((0.0, 0.0, 0.0), (90.0, 0.0, 0.0), (0.0, 90.0, 0.0)):
            series.classic(drawn_head((1, 40, 36)), oblique_affine(degrees=degrees))
        assert rejected() == {"localizer"}

    def test_are_told_by_coverage(self, series, rejected):
        series.classic(drawn_head((5, 40, 36)), oblique_affine((1.1, 0.9, 20)), SliceThickness=8)
        assert rejected() == {"localizer"}

    def test_are_no_thin_gap_between_slices(self, series, volume):
        series.classic(SliceThickness=2)
        assert volume().voxels.shape == (12, 40, 36)

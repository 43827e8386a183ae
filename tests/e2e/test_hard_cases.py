"""Hard cases of public bug reports, each with what is right."""

import pytest

from mriad_model.enums import Verdict
from mriad_model.errors import RejectedFile
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from tests.support.scans.cases import rejected_in, series_in
from tests.support.scans.survey import survey

SAME_VOXELS = (
    "11-mim/in", "17-enh/shuffled", "28-ge382/in", "42-mixedorient/in",
)  # fmt: skip


@pytest.fixture(scope="module")
def infarct(cases):
    (volume,) = series_in(cases / "00-base/infarct")
    return volume


def test_an_infarct_is_suspicious_and_a_healthy_head_normal(cases, flair_judge, infarct):
    (healthy,) = series_in(cases / "00-base/healthy")
    assert flair_judge.verdict(healthy) is Verdict.NORMAL
    assert flair_judge.verdict(infarct) is Verdict.SUSPICIOUS


class TestRightBefore:
    """Cases that always came out right, and still do."""

    @pytest.mark.parametrize("case", SAME_VOXELS)
    def test_the_same_voxels_are_the_same_scan(self, cases, infarct, case):
        (volume,) = series_in(cases / case)
        assert volume.sha256 == infarct.sha256
        assert volume.origin.contrast == "FLAIR"

    def test_a_stray_plane_is_rejected_alone(self, cases):
        assert rejected_in(cases / "42-mixedorient/in") == {"too_few_slices"}

    @pytest.mark.parametrize("case", ["01-signed12/good", "01-signed12/zero-high", "22-jitter/in"])
    def test_other_voxels_of_an_ill_head_are_suspicious(self, cases, flair_judge, case):
        (volume,) = series_in(cases / case)
        assert flair_judge.verdict(volume) is Verdict.SUSPICIOUS

    def test_twelve_signed_bits_are_the_same_wherever_the_high_bits_are(self, cases):
        pair = [series_in(cases / "01-signed12" / each) for each in ("good", "zero-high")]
        (good,), (zero,) = pair
        assert good.sha256 == zero.sha256

    def test_small_negative_values_change_nothing(self, cases, flair_judge):
        volume = read_nifti(cases / "30-neg/sub-06_FLAIR.nii.gz")
        assert flair_judge.verdict(volume) is Verdict.SUSPICIOUS

    @pytest.mark.parametrize("case", ["34-zerosform", "35-nocodes"])
    def test_nifti_files_that_lie_nowhere_are_rejected(self, cases, case):
        (path,) = (cases / case).iterdir()
        with pytest.raises(RejectedFile, match="bad_geometry"):
            read_nifti(path)

    def test_anisotropic_pixels_keep_their_spacing(self, cases, flair_judge):
        (volume,) = series_in(cases / "43-aniso/in")
        assert volume.spacing == pytest.approx((1.55077, 3.10154, 4.0), abs=1e-4)
        assert flair_judge.verdict(volume) is Verdict.SUSPICIOUS


class TestMixed:
    def test_one_uid_in_two_series_costs_neither_a_slice(self, cases, infarct):
        healthy, ill = series_in(cases / "04-dupuid")
        assert len(healthy.voxels) == len(ill.voxels) == 45
        assert ill.sha256 == infarct.sha256
        assert rejected_in(cases / "04-dupuid") == set()


class TestPadding:
    @pytest.mark.parametrize("case", ["neg2000", "neg32768"])
    def test_moves_no_score_and_no_position(self, cases, flair_judge, case):
        (plain,), (padded,) = (series_in(cases / "03-padding" / each) for each in ("none", case))
        assert flair_judge.verdict(padded) is Verdict.SUSPICIOUS
        scored, other = flair_judge.scored(plain), flair_judge.scored(padded)
        assert other.positions == scored.positions
        assert other.score == pytest.approx(scored.score, rel=0.01)


class TestWhatThePictureIs:
    def test_two_echoes_are_two_scans_by_their_timing(self, cases):
        early, late = series_in(cases / "12-pdt2/in")
        assert (early.origin.contrast, late.origin.contrast) == ("PDw", "T2w")
        assert early.origin.remarks == ("described as T2w, but TE 12, TR 3200 ms are those of PDw",)
        assert early.sha256 != late.sha256

    def test_phase_is_left_out_and_magnitude_is_a_scan(self, cases, flair_judge):
        (magnitude,) = series_in(cases / "20-phase/m")
        assert flair_judge.verdict(magnitude) is Verdict.NORMAL
        assert rejected_in(cases / "20-phase/p") == {"not_magnitude"}
        assert series_in(cases / "20-phase/p") == []

    def test_a_localizer_is_one_by_its_name(self, cases):
        assert rejected_in(cases / "09-localizer/in") == {"localizer"}
        assert series_in(cases / "09-localizer/in") == []


class TestIncomplete:
    @pytest.mark.parametrize(("case", "n"), [("odd-only", 23), ("no-top", 33), ("no-bottom", 27)])
    def test_series_are_rejected_with_the_numbers(self, cases, case, n):
        found = survey(list_files(cases / "06-short" / case))
        assert found.series == ()
        assert {(each.reason.value, each.detail) for _, each in found.rejections} == {
            ("incomplete", f"{n} slices, 45 stated by ImagesInAcquisition")
        }


class TestLawful:
    @pytest.mark.parametrize(
        "case", ["14-tetext/in", "18-nopreamble/in", "18b-nopreamble/in", "19-for/in"]
    )
    def test_series_are_the_scan_that_they_are(self, cases, infarct, case):
        (volume,) = series_in(cases / case)
        assert volume.sha256 == infarct.sha256
        assert rejected_in(cases / case) == set()

    def test_without_one_frame_of_reference_there_is_no_place(self, cases):
        (volume,) = series_in(cases / "19-for/in")
        assert volume.origin.frame_of_reference_uid is None

    def test_a_spacing_that_is_no_number_is_corrupt(self, cases):
        assert rejected_in(cases / "15-pscomma/in") == {"corrupt"}

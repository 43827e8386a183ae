"""Hard cases of public bug reports, each with what is right."""

import pytest

from mriad_model.errors import RejectedFile
from mriad_model.nouns import Verdict
from mriad_model.volumes.nifti import read_nifti
from tests.cases import refused_in, series_in

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

    def test_a_stray_plane_is_refused_alone(self, cases):
        assert refused_in(cases / "42-mixedorient/in") == {"too_few_slices"}

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
    def test_nifti_files_that_lie_nowhere_are_refused(self, cases, case):
        (path,) = (cases / case).iterdir()
        with pytest.raises(RejectedFile, match="bad_geometry"):
            read_nifti(path)

    def test_anisotropic_pixels_keep_their_spacing(self, cases, flair_judge):
        (volume,) = series_in(cases / "43-aniso/in")
        assert volume.spacing == pytest.approx((1.55077, 3.10154, 4.0), abs=1e-4)
        assert flair_judge.verdict(volume) is Verdict.SUSPICIOUS

"""The contrast of a NIfTI file: by its name, the JSON file beside it, and its timing."""

import json

import numpy as np
import pytest

from mriad_model.detection.decisions.compatibility import incompatibility
from mriad_model.enums import ScanKind
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.recipes.built_in_recipes import recipe_named
from tests.mriad_model.conftest import drawn_head
from tests.mriad_model.readers.nifti.test_reading import nifti_bytes
from tests.support.places import SHARED

REFERENCES = SHARED / "dicom_public/siemens_12bit/Ref"
HEAD = drawn_head((20, 40, 36))
# As dcm2niix writes them: seconds.
BOLD = {
    "SeriesDescription": "FMRI_AX_ASC", "ProtocolName": "FMRI_AX_ASC", "ScanningSequence": "SE\\EP",
    "SequenceName": "*epfid2d1_64", "EchoTime": 0.03, "RepetitionTime": 2.2, "FlipAngle": 90,
}  # fmt: skip
PLANAR = {"ScanningSequence": "EP", "EchoTime": 0.03, "RepetitionTime": 2.2}
MPRAGE = {
    "SeriesDescription": "t1_mprage_sag", "ScanningSequence": "GR\\IR", "EchoTime": 0.00298,
    "RepetitionTime": 2.3, "InversionTime": 0.9, "FlipAngle": 9,
}  # fmt: skip
SPGR = {"ScanningSequence": "GR", "EchoTime": 0.003, "RepetitionTime": 0.008, "FlipAngle": 12}
SE_T1 = {"ScanningSequence": "SE", "EchoTime": 0.012, "RepetitionTime": 0.6}
SE_T2 = {"ScanningSequence": "SE", "EchoTime": 0.1, "RepetitionTime": 4}
FLAIR = {**SE_T2, "ScanningSequence": ["SE", "IR"], "RepetitionTime": 9, "InversionTime": 2.5}
TOF = {"SeriesDescription": "TOF_3D", **SPGR}


@pytest.fixture
def origin(tmp_path):
    def of(sidecar=None, name="scan.nii", **header):
        path = tmp_path / name
        path.write_bytes(nifti_bytes(HEAD, **header))
        if sidecar is not None:
            text = sidecar if isinstance(sidecar, str) else json.dumps(sidecar)
            path.with_name(name.replace(".nii", ".json")).write_text(text)
        return read_nifti(path).origin

    return of


@pytest.mark.parametrize(
    ("sidecar", "contrast"),
    [
        (BOLD, "bold"),
        (PLANAR, "epi"),
        ({**PLANAR, "ScanningSequence": ["EP", "GR"]}, "epi"),
        ({**PLANAR, "PulseSequenceDetails": "%SiemensSeq%\\ep2d_bold"}, "bold"),
        ({**PLANAR, "TaskName": "faces"}, "bold"),
        ({**PLANAR, "BidsGuess": ["func", "_acq-epfid2_dir-AP_run-2_bold"]}, "bold"),
        ({**PLANAR, "ArterialSpinLabelingType": "PCASL"}, "asl"),
        ({"SeriesDescription": "ep2d_pcasl_tra"}, "asl"),
        ({"SeriesDescription": "brain", "ProtocolName": "DTI_64"}, "dwi"),
        ({"SeriesDescription": "gre_field_mapping", **SPGR}, "fieldmap"),
        (TOF, "angio"),
        (MPRAGE, "T1w"),
        ({"SequenceName": "*tfl3d1_16ns"}, "T1w"),
        ({**MPRAGE, "ContrastBolusIngredient": "GADOLINIUM"}, "T1c"),
        (SPGR, "T1w"),
        (SE_T1, "T1w"),
        (SE_T2, "T2w"),
        (FLAIR, "FLAIR"),
        ({"SeriesDescription": "anat"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_without_a_telling_name_is_what_the_json_file_says(origin, sidecar, contrast):
    found = origin(sidecar)
    assert (found.contrast, found.remarks) == (contrast, ())


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("sub-01_task-rest_bold.nii", "bold"),
        ("sub-01_dwi.nii", "dwi"),
        ("sub-01_asl.nii", "asl"),
        ("sub-01_m0scan.nii", "asl"),
        ("sub-01_magnitude1.nii", "magnitude"),
        ("sub-01_magnitude.nii", "magnitude"),
        ("sub-01_dir-AP_epi.nii", "epi"),
        ("sub-01_dir-AP_sbref.nii", "epi"),
        ("head_asl.nii", "asl"),
        ("sub-01_T1w.nii", "T1w"),
        ("sub-01_FLAIR.nii", "FLAIR"),
        ("IXI012-HH-1211_T1.nii", "T1w"),
        ("T1_magnitude.nii", "T1w"),
        ("Subj1_FL.nii", None),
        ("scan.nii", None),
    ],
)
def test_without_a_json_file_is_what_the_name_says(origin, name, contrast):
    found = origin(name=name)
    assert (found.contrast, found.remarks) == (contrast, ())


@pytest.mark.parametrize(
    ("name", "sidecar", "contrast", "remark"),
    [
        ("sub-1_T1w.nii", BOLD, "bold", "named T1w, but the JSON file beside it describes bold"),
        ("sub-1_T1w.nii", PLANAR, "epi", "named T1w, but the JSON file beside it says epi"),
        ("sub-1_T1w.nii", TOF, "angio", "named T1w, but the JSON file beside it describes angio"),
        (
            "sub-1_T1w.nii", SE_T2, "T2w",
            "named T1w, but TE 100, TR 4000 ms are those of T2w",
        ),
        (
            "sub-1_T1w.nii", {"SeriesDescription": "t2_tse"}, "T2w",
            "named T1w, but the JSON file beside it describes T2w",
        ),
        (
            "sub-1_T1w.nii", {"SeriesDescription": "t2_tse", **SE_T1}, "T1w",
            "named T1w, but the JSON file beside it describes T2w; "
            "TE 12, TR 600 ms are those of T1w",
        ),
        (
            "sub-1_T1w.nii", {"SeriesDescription": "sag gre 3d", **SPGR}, "T1w",
            "named T1w, but the JSON file beside it describes T2starw; "
            "TE 3, TR 8 ms are those of T1w",
        ),
        (
            "scan.nii", {"SeriesDescription": "t2_tse", **SE_T1}, "T1w",
            "described as T2w, but TE 12, TR 600 ms are those of T1w",
        ),
        (
            "sub-1_bold.nii", {"SeriesDescription": "t1 task"}, "bold",
            "named bold, but the JSON file beside it describes T1w",
        ),
        (
            "different heads.nii", {"SeriesDescription": "t1_se", **SE_T1}, "T1w",
            "named dwi, but the JSON file beside it describes T1w",
        ),
    ],
)  # fmt: skip
def test_a_contradiction_is_settled_and_remarked(origin, name, sidecar, contrast, remark):
    found = origin(sidecar, name)
    assert (found.contrast, found.remarks) == (contrast, (remark,))


@pytest.mark.parametrize(
    ("name", "sidecar", "contrast"),
    [
        ("sub-1_T1w.nii", MPRAGE, "T1w"),
        ("sub-1_T1w.nii", SPGR, "T1w"),
        ("sub-1_T1w.nii", {**MPRAGE, "ContrastBolusIngredient": "GADOLINIUM"}, "T1c"),
        ("sub-1_FLAIR.nii", {"SeriesDescription": "t2_spc_da-fl_sag"}, "FLAIR"),
        ("sub-1_FLAIR.nii", {"SeriesDescription": "t2_spc_da-fl_sag", **FLAIR}, "FLAIR"),
        ("sub-1_sbref.nii", BOLD, "epi"),
        ("sub-1_magnitude1.nii", {"SeriesDescription": "gre_field_mapping"}, "magnitude"),
        ("sub-1_T1w.nii", {"EchoTime": 2.98, "RepetitionTime": 2300}, "T1w"),  # milliseconds
        ("sub-1_T1w.nii", {"EchoTime": 100, "RepetitionTime": 4000}, "T1w"),
    ],
)
def test_what_goes_together_bears_no_remark(origin, name, sidecar, contrast):
    found = origin(sidecar, name)
    assert (found.contrast, found.remarks) == (contrast, ())


def test_the_description_in_the_header_is_compared_and_no_more(origin):
    assert origin(descrip=b"bold").contrast is None
    found = origin(name="sub-1_T1w.nii", descrip=b"bold")
    assert found.contrast == "T1w"
    assert found.remarks == ("taken for T1w, but its header is described as bold",)
    assert origin(name="sub-1_T1w.nii", descrip=b"t1 \xff; TE=3").remarks == ()


@pytest.mark.parametrize(
    "sidecar",
    [
        "no JSON",
        "[1, 2]",
        "null",
        "[" * 100_000,
        '{"a": ' * 100_000,
        '{"EchoTime": NaN, "RepetitionTime": Infinity, "InversionTime": -Infinity}',
        '{"EchoTime": 1e999, "RepetitionTime": ' + "9" * 4000 + "}",
        '{"EchoTime": ' + "9" * 10_000 + "}",
        '{"SeriesDescription": "bold", "x": "' + "x" * 2**21 + '"}',
        {"EchoTime": "0.03", "RepetitionTime": [2.2], "FlipAngle": {}, "InversionTime": True},
        {"EchoTime": -0.1, "RepetitionTime": 0, "FlipAngle": -1e300, "ScanningSequence": 7},
        {"SeriesDescription": 1, "ProtocolName": {"bold": 1}, "SequenceName": [None, [["bold"]]]},
        {"BidsGuess": {}, "TaskName": ["", 3], "ContrastBolusIngredient": False},
        {"SeriesDescription": "t1" * 2**18},
    ],
    ids=range(14),
)
def test_a_hostile_json_file_loses_no_scan(origin, sidecar):
    found = origin(sidecar, "sub-1_T1w.nii")
    assert (found.contrast, found.remarks) == ("T1w", ())


def test_it_is_no_part_of_what_tells_a_volume(tmp_path):
    (tmp_path / "a.nii").write_bytes(nifti_bytes(HEAD))
    plain = read_nifti(tmp_path / "a.nii")
    (tmp_path / "a.json").write_text(json.dumps(BOLD))
    described = read_nifti(tmp_path / "a.nii")
    assert plain.identity == described.identity
    np.testing.assert_array_equal(plain.voxels, described.voxels)


@pytest.mark.skipif(not REFERENCES.is_dir(), reason="shared/data/dicom_public is absent")
def test_real_functional_scans_are_another_kind_to_a_model_of_t1w():
    recipe = recipe_named("volume").with_contrast(["T1w"])
    paths = sorted(REFERENCES.glob("*.nii"))
    assert len(paths) == 3
    for path in paths:
        origin = read_nifti(path).origin
        assert origin.contrast == "bold"
        why = incompatibility(recipe, ScanKind.NIFTI, origin.contrast)
        assert why is not None
        assert "cannot judge bold ones" in why

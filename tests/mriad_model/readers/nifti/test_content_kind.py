"""NIfTI files that hold no magnitude anatomy, told by header, name, JSON file or values."""

import json
import struct

import numpy as np
import pytest

from mriad_model.errors import RejectedFile
from mriad_model.readers.nifti.reading import read_nifti
from tests.mriad_model.conftest import drawn_head
from tests.mriad_model.readers.nifti.test_reading import nifti_bytes

HEAD = drawn_head((20, 40, 36))
PLAIN = nifti_bytes(HEAD)


@pytest.fixture
def reason(tmp_path):
    def rejected(data=PLAIN, name="sub-01_T1w.nii", sidecar=None):
        (tmp_path / name).write_bytes(data)
        if sidecar is not None:
            text = sidecar if isinstance(sidecar, str) else json.dumps(sidecar)
            (tmp_path / name.replace(".nii", ".json")).write_text(text)
        try:
            read_nifti(tmp_path / name)
        except RejectedFile as error:
            return error.reason.value
        return None

    return rejected


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sub-01_phase1.nii", "not_magnitude"),
        ("sub-01_phasediff.nii", "not_magnitude"),
        ("sub-01_fieldmap.nii", "not_magnitude"),
        ("sub-01_part-phase_T2starw.nii", "not_magnitude"),
        ("sub-01_part-real_bold.nii", "not_magnitude"),
        ("sub-01_T1map.nii", "quantitative_map"),
        ("sub-01_Chimap.nii", "quantitative_map"),
        ("sub-01_ADC.nii", "quantitative_map"),
        ("sub-01_FA.nii", "quantitative_map"),
        ("sub-01_desc-brain_mask.nii", "label_map"),
        ("sub-01_label-GM_probseg.nii", "label_map"),
        ("sub-01_T1w.nii", None),
        ("sub-01_part-mag_T2starw.nii", None),
        ("sub-01_magnitude1.nii", None),
        ("sub-01_FLAIR.nii", None),
        ("FA.nii", None),
        ("mask of a T1w.nii", None),
    ],
)
def test_the_name_tells(reason, name, wanted):
    assert reason(name=name) == wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (0, None), (3, "quantitative_map"), (5, "quantitative_map"), (1001, "quantitative_map"),
        (1002, "label_map"), (1007, "quantitative_map"), (1011, None), (2003, "quantitative_map"),
    ],
)  # fmt: skip
def test_the_intent_code_tells(reason, code, wanted):
    data = bytearray(PLAIN)
    struct.pack_into("<h", data, 68, code)
    assert reason(bytes(data)) == wanted
    second = bytearray(nifti_bytes(HEAD, version=2))
    struct.pack_into("<i", second, 504, code)
    assert reason(bytes(second)) == wanted


@pytest.mark.parametrize(
    ("sidecar", "wanted"),
    [
        ({"Units": "Hz"}, "not_magnitude"),
        ({"Units": "rad/s"}, "not_magnitude"),
        ({"Units": "ppm"}, "quantitative_map"),
        ({"Units": "arbitrary"}, None),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "not_magnitude"),
        ({"ImageType": ["DERIVED", "PRIMARY", "ADC"]}, "quantitative_map"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SUBTRACTION"]}, "derived"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"]}, None),
        ({"ImageType": "P"}, None),
        ("no JSON", None),
        ("[1, 2]", None),
        ("[" * 100_000, None),
    ],
)
def test_the_json_file_beside_it_tells(reason, sidecar, wanted):
    assert reason(sidecar=sidecar) == wanted


@pytest.mark.parametrize("top", [np.pi, 4096.0])
def test_values_of_phase_tell(reason, top):
    noise = np.random.default_rng(0).uniform(-top, top, HEAD.shape).astype(np.float32)
    inside = HEAD > 300
    noise[inside] = (top * HEAD[inside] / HEAD.max() / 2).astype(np.float32)
    noise.flat[:2] = -top, top
    assert reason(nifti_bytes(noise)) == "not_magnitude"


def test_a_head_scaled_to_mean_0_is_no_phase(reason):
    scaled = (HEAD - HEAD.mean()) / HEAD.std()
    assert reason(nifti_bytes(scaled.astype(np.float32))) is None


def test_complex_values_are_no_magnitude(reason):
    data = bytearray(PLAIN)
    struct.pack_into("<h", data, 70, 32)
    assert reason(bytes(data)) == "not_magnitude"

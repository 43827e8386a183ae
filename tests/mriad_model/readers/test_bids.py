"""Subjects and sessions by BIDS names; contrasts by names, descriptions and timing."""

from pathlib import Path

import pytest

from mriad_model.readers.bids import BidsName, bids_name
from mriad_model.readers.volume.contrast import classic_timing, dicom_contrast, text_contrast
from tests.mriad_model.conftest import item


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("sub-01/ses-02/anat/sub-01_ses-02_acq-mprage_T1w.nii.gz", ("01", "02", "T1w")),
        ("sub-01/anat/sub-01_FLAIR.nii.gz", ("01", None, "FLAIR")),
        ("sub-ab3_run-1_T2w.nii", ("ab3", None, "T2w")),
        ("sourcedata/sub-01/ses-02/dicom/IM0001", ("01", "02", None)),
        ("sub-01/ses-02/anat/sub-09_T1w.nii.gz", ("09", None, "T1w")),
        ("ses-02/scan.nii.gz", (None, None, None)),
        ("scan_T1w.nii.gz", (None, None, None)),
        ("subject-1/sub_01.nii", (None, None, None)),
        ("sub-01 (copy)/x.nii", (None, None, None)),
    ],
)
def test_names_say_subject_session_and_suffix(path, wanted):
    assert bids_name(Path(path)) == BidsName(*wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("t2_tirm_tra_dark-fluid", "FLAIR"),
        ("AX T1 POST GAD", "T1c"),
        ("t1_mprage_sag_p2_iso", "T1w"),
        ("T2W_TSE", "T2w"),
        ("t2*_fl2d_tra_hemo", "T2starw"),
        ("ep2d_diff_3scan_trace", "dwi"),
        ("SWI_Images", "swi"),
        ("PD_TSE", "PDw"),
        ("sub-01_T1map.nii.gz", "map"),
        ("T2* map", "map"),
        ("T1 mapping", "T1w"),
        ("gre_field_mapping", "fieldmap"),
        ("TOF_3D", "angio"),
        ("anat", None),
        ("", None),
    ],
)
def test_descriptions_hint_at_the_contrast(text, wanted):
    assert text_contrast(text) == wanted


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({"RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}, "FLAIR"),
        ({"RepetitionTime": 4000, "EchoTime": 90}, "T2w"),
        ({"RepetitionTime": 500, "EchoTime": 10}, "T1w"),
        ({"RepetitionTime": 500, "EchoTime": 10, "ContrastBolusAgent": "Gd"}, "T1c"),
        ({"RepetitionTime": 3000, "EchoTime": 20}, "PDw"),
        ({"RepetitionTime": 1500, "EchoTime": 50}, None),
        ({"EchoTime": 50}, None),
        ({"SeriesDescription": "t1_se", "ContrastBolusAgent": "Gd"}, "T1c"),
        ({"SeriesDescription": "brain", "ProtocolName": "FLAIR"}, "FLAIR"),
    ],
)
def test_headers_hint_at_the_contrast_by_words_then_by_timing(tags, wanted):
    dataset = item(**tags)
    assert dicom_contrast(dataset, classic_timing(dataset)).name == wanted

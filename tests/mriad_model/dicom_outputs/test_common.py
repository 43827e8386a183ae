"""Whose the DICOM objects of a decision are, and which instance they are."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mriad_model.dicom_outputs import dicom_outputs
from mriad_model.enums import NOTICE, Verdict
from mriad_model.readers.folders import list_files
from tests.mriad_model.dicom_outputs.conftest import SOURCES
from tests.support.scans.dicom_objects import PICTURE, REPORT, SEGMENTS, named, outputs, parsed
from tests.support.scans.survey import survey

highdicom = pytest.importorskip("highdicom")


def test_the_outputs_are_series_of_their_own_in_the_study_of_their_source(series, decisions):
    series.classic(
        PatientBirthDate="19700102", PatientSex="F", StudyDate="20260102", StudyTime="101112",
        StudyID="7", AccessionNumber="A1", ReferringPhysicianName="Roe^Rita", PatientAge="056Y",
    )  # fmt: skip
    made = outputs(decisions.job()).values()
    assert len({each.SeriesInstanceUID for each in made} | {series.series_uid}) == 4
    assert len({each.SOPInstanceUID for each in made}) == 3
    for each in made:
        assert each.StudyInstanceUID == series.study_uid
        assert (each.PatientID, each.PatientName, each.PatientSex) == ("P-17", "Doe^Jane", "F")
        assert (each.PatientBirthDate, each.PatientAge) == ("19700102", "056Y")
        assert (each.StudyDate, each.StudyTime, each.StudyID) == ("20260102", "101112", "7")
        assert (each.AccessionNumber, each.ReferringPhysicianName) == ("A1", "Roe^Rita")
        assert "RESEARCH USE ONLY" in each.SeriesDescription
        assert (each.SoftwareVersions, each.DeviceSerialNumber) == ("0.1.0", "ab12" * 16)


def test_the_same_job_gives_the_same_bytes(series, decisions):
    series.classic()
    job = decisions.job()
    first, second = dicom_outputs(job), dicom_outputs(pickle.loads(pickle.dumps(job)))
    assert first == second
    assert set(first) == {PICTURE, SEGMENTS, REPORT}


@pytest.mark.parametrize(
    "change",
    [
        {"score": 1.5},
        {"decided_at": datetime(2026, 3, 5, tzinfo=UTC)},
        {"software_version": "0.2.0"},
        {"verdict": Verdict.NORMAL},
        {"map_threshold": 0.7},
        {"record_head": None},
    ],
)
def test_another_content_is_another_instance_of_the_same_series(change, made_of):
    made = made_of("classic")
    first, second = parsed(made.objects[0]), outputs(replace(made.jobs[0], **change))
    for kind in first:
        assert first[kind].SeriesInstanceUID == second[kind].SeriesInstanceUID
        assert first[kind].SOPInstanceUID != second[kind].SOPInstanceUID


def test_stacks_of_one_series_have_outputs_of_their_own(series, decisions):
    SOURCES["enhanced, two stacks"](series)
    one, other = map(outputs, decisions.jobs())
    assert all(one[kind].SeriesInstanceUID != other[kind].SeriesInstanceUID for kind in one)


def test_each_output_bears_the_head_of_the_record(series, decisions):
    series.classic()
    line = "Head of the record: 1234:abababababababababababababababab:2026-03-04T05:06:07Z"
    found = outputs(decisions.job())
    assert [each.TextValue for each in named(found[REPORT], "Comment")] == [NOTICE, line]
    assert found[SEGMENTS].ImageComments == line
    assert found[PICTURE].DerivationDescription.endswith(f"{NOTICE} {line}")


def test_the_outputs_are_no_scans_when_they_come_back_to_the_inbox(series, decisions, tmp_path):
    series.classic()
    folder = tmp_path / "back"
    folder.mkdir()
    for kind, data in dicom_outputs(decisions.job()).items():
        (folder / f"{kind}.dcm").write_bytes(data)
    found = survey(list_files(folder))
    assert not found.series
    assert {error.reason.value for _, error in found.rejections} == {"wrong_modality"}


def test_times_are_in_the_time_zone_that_the_source_names(series, decisions):
    series.classic(TimezoneOffsetFromUTC="-0530")
    for each in outputs(decisions.job()).values():
        assert (each.ContentDate, each.ContentTime) == ("20260303", "233607.000089")
        assert each.TimezoneOffsetFromUTC == "-0530"

"""What is taken over from the source: anonymised, sloppy and hostile headers."""

import hashlib

import pytest

from mriad_model.dicom_outputs import dicom_outputs
from mriad_model.errors import RejectedFile
from tests.mriad_model.conftest import item
from tests.support.scans.dicom_objects import outputs

highdicom = pytest.importorskip("highdicom")


class TestPoorSources:
    """Anonymised, sloppy and hostile headers."""

    def test_without_a_frame_of_reference_nothing_is_made(self, series, decisions):
        series.classic(FrameOfReferenceUID="")
        with pytest.raises(RejectedFile, match="FrameOfReferenceUID") as rejected:
            dicom_outputs(decisions.job())
        assert rejected.value.reason.value == "no_frame_of_reference"

    @pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "SeriesInstanceUID"])
    def test_with_one_for_each_slice_nothing_is_made(self, series, decisions, keyword):
        def edit(dataset, place):
            setattr(dataset, keyword, f"1.2.3.{place + 1}")

        series.classic(edit=edit)
        with pytest.raises(RejectedFile, match="of their own") as rejected:
            dicom_outputs(decisions.job())
        assert rejected.value.reason.value == "no_frame_of_reference"

    @pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPClassUID"])
    def test_without_a_study_or_class_nothing_is_made(self, keyword, series, decisions):
        def strip(dataset, _place):
            dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
            del dataset[keyword]

        series.classic(edit=strip)
        with pytest.raises(RejectedFile, match=f"{keyword} is missing") as rejected:
            dicom_outputs(decisions.job())
        assert rejected.value.reason.value == "missing_tags"

    def test_an_anonymised_series_has_outputs_with_empty_tags(self, series, decisions):
        def strip(dataset, _place):
            del dataset.PatientID, dataset.PatientName, dataset.SeriesNumber

        series.classic(edit=strip)
        for each in outputs(decisions.job()).values():
            assert each.PatientID in ("", None)
            assert each["StudyDate"].is_empty
            assert each["AccessionNumber"].is_empty

    def test_values_that_are_none_are_left_empty_and_ids_kept_as_they_are(self, series, decisions):
        def spoil(dataset, _place):
            dataset.PatientID = "P" * 80  # longer than the standard allows
            dataset.AccessionNumber = "accession number 12345"
            dataset.PatientSex = "f"
            dataset.PatientBirthDate = "1st May"
            dataset.StudyTime = "noon"
            dataset.PatientAge = "42"

        with pytest.warns(UserWarning, match="Invalid value|exceeds"):
            series.classic(edit=spoil)
        made = dicom_outputs(decisions.job())
        for data in made.values():
            assert b"P" * 80 in data
            assert b"accession number 12345" in data
            assert b"1st May" not in data
            assert b"noon" not in data

    @pytest.mark.parametrize(
        ("character_set", "name"),
        [
            ("ISO_IR 100", "Müller^Jörg"),
            ("ISO_IR 192", "Øster^Ætius"),
            (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ],
    )
    def test_names_of_any_alphabet_are_kept(self, character_set, name, series, decisions):
        series.classic(SpecificCharacterSet=character_set, PatientName=name)
        for each in outputs(decisions.job()).values():
            assert str(each.PatientName) == name

    def test_an_id_that_is_a_list_of_items_is_no_id(self, series, decisions):
        def nest(dataset, _place):
            del dataset.PatientName
            dataset.add_new("PatientName", "SQ", [item(PatientID="nested")])

        series.classic(edit=nest)
        for each in outputs(decisions.job()).values():
            assert each["PatientName"].is_empty

    def test_a_name_without_end_is_rejected_and_not_repeated(self, series, decisions):
        with pytest.warns(UserWarning, match="exceeds"):
            series.classic(PatientName="Secret^" * 100)
        with pytest.raises(RejectedFile) as rejected:
            dicom_outputs(decisions.job())
        assert "Secret" not in str(rejected.value)
        assert rejected.value.__cause__ is None

    def test_a_uid_that_is_a_path_is_rejected(self, series, decisions):
        with pytest.warns(UserWarning, match="Invalid value"):
            series.classic(StudyInstanceUID="../../evil")
        with pytest.raises(RejectedFile, match="UID") as rejected:
            dicom_outputs(decisions.job())
        assert "evil" not in str(rejected.value)

    def test_a_file_that_changed_since_it_was_listed_is_rejected(self, series, decisions):
        paths = series.classic()
        job = decisions.job()
        for path in paths:
            path.write_bytes(path.read_bytes() + b"\0\0")
        with pytest.raises(RejectedFile) as rejected:
            dicom_outputs(job)
        assert rejected.value.reason.value == "unreadable"

    def test_sources_are_left_as_they_were(self, series, decisions):
        def state():
            return {
                path: hashlib.sha256(path.read_bytes()).digest() for path in series.folder.iterdir()
            }

        series.classic()
        before = state()
        dicom_outputs(decisions.job())
        assert state() == before

"""What the DICOM objects of a decision say, where they lie, and whose they are."""

import hashlib
import pickle
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread

from mriad_model.dicom_outputs import dicom_outputs
from mriad_model.enums import NOTICE, HeatmapKind, Verdict
from mriad_model.errors import RejectedFile
from mriad_model.readers.folders import list_files
from tests.mriad_model.conftest import item
from tests.mriad_model.dicom_outputs.conftest import DICOM_T1, SOURCES, THRESHOLD, Decisions
from tests.support.survey import survey

highdicom = pytest.importorskip("highdicom")

PICTURE = HeatmapKind.SECONDARY_CAPTURE
SEGMENTS = HeatmapKind.SEGMENTATION
REPORT = HeatmapKind.STRUCTURED_REPORT
TO_RAS = np.array([-1, -1, 1])


def outputs(job):
    """The objects of a job, parsed."""
    return {kind: dcmread(BytesIO(data)) for kind, data in dicom_outputs(job).items()}


def marked_places(job):
    """Where the voxels above the threshold lie, by the source's own grid: (N, 3) RAS mm."""
    z, y, x = np.nonzero(np.load(job.anomaly) > THRESHOLD)
    return (job.series.affine @ np.stack([x, y, z, np.ones(len(x))]))[:3].T


def segmented_places(segments):
    """Where the voxels of a SEG lie, by its own tags (PS3.3, C.7.6.2.1.1): (N, 3) RAS mm."""
    shared = segments.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    along_row, along_column = np.reshape(orientation, (2, 3)).astype(float)
    between_rows, between_columns = shared.PixelMeasuresSequence[0].PixelSpacing
    places = []
    frames = segments.pixel_array.reshape(-1, segments.Rows, segments.Columns)
    for frame, groups in zip(frames, segments.PerFrameFunctionalGroupsSequence, strict=True):
        corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        right = np.outer(columns * float(between_columns), along_row)
        down = np.outer(rows * float(between_rows), along_column)
        places.append((corner + right + down) * TO_RAS)
    return np.concatenate(places)


def in_order(places):
    """Rows sorted, in steps wider than rounding and narrower than voxels."""
    steps = np.round(places * 20)
    return places[np.lexsort(steps.T)]


def assert_same_places(job, segments):
    ours, theirs = in_order(segmented_places(segments)), in_order(marked_places(job))
    assert len(ours) == len(theirs) > 0
    np.testing.assert_allclose(ours, theirs, atol=0.01)  # mm


def content(dataset):
    """All content items of a report, depth first."""
    for each in dataset.get("ContentSequence", ()):
        yield each
        yield from content(each)


def named(report, meaning):
    """The content items of one concept."""
    return [
        each
        for each in content(report)
        if "ConceptNameCodeSequence" in each
        and each.ConceptNameCodeSequence[0].CodeMeaning == meaning
    ]


@pytest.mark.parametrize("source", SOURCES)
def test_the_segmentation_marks_the_voxels_above_the_threshold(source, series, decisions):
    SOURCES[source](series)
    jobs = decisions.jobs()
    assert len(jobs) == (2 if "two stacks" in source else 1)
    for job in jobs:
        assert_same_places(job, outputs(job)[SEGMENTS])


@pytest.mark.parametrize("source", SOURCES)
def test_each_segmented_slice_names_the_slice_it_lies_on(source, series, decisions):
    SOURCES[source](series)
    files = {dataset.SOPInstanceUID: dataset for dataset in map(dcmread, series.folder.iterdir())}
    for job in decisions.jobs():
        segments = outputs(job)[SEGMENTS]
        assert segments.FrameOfReferenceUID == series.frame_uid
        for groups in segments.PerFrameFunctionalGroupsSequence:
            (reference,) = groups.DerivationImageSequence[0].SourceImageSequence
            origin = files[reference.ReferencedSOPInstanceUID]
            assert reference.ReferencedSOPClassUID == origin.SOPClassUID
            if "enhanced" in source:
                number = reference.ReferencedFrameNumber
                origin = origin.PerFrameFunctionalGroupsSequence[number - 1]
                origin = origin.PlanePositionSequence[0]
            else:
                assert "ReferencedFrameNumber" not in reference
            position = groups.PlanePositionSequence[0].ImagePositionPatient
            np.testing.assert_allclose(position, origin.ImagePositionPatient, atol=1e-6)


def test_another_reader_finds_the_mask_on_the_series_grid(series, decisions):
    series.classic()
    job = decisions.job()
    read = highdicom.seg.segread(BytesIO(dicom_outputs(job)[SEGMENTS]))
    volume = read.get_volume(combine_segments=True)
    assert np.count_nonzero(volume.array) == np.count_nonzero(np.load(job.anomaly) > THRESHOLD)
    indices = np.argwhere(volume.array)  # (N, 3)
    ours = volume.map_indices_to_reference(indices) * TO_RAS
    np.testing.assert_allclose(in_order(ours), in_order(marked_places(job)), atol=0.01)


@pytest.mark.skipif(not DICOM_T1.is_dir(), reason="shared/data/volumes is absent")
def test_a_real_series_is_segmented_where_it_lies(tmp_path):
    job = Decisions(DICOM_T1, tmp_path).job()
    made = outputs(job)
    assert len(made) == 3
    assert_same_places(job, made[SEGMENTS])


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
def test_another_content_is_another_instance_of_the_same_series(change, series, decisions):
    series.classic()
    first, second = outputs(decisions.job()), outputs(decisions.job(**change))
    for kind in first:
        assert first[kind].SeriesInstanceUID == second[kind].SeriesInstanceUID
        assert first[kind].SOPInstanceUID != second[kind].SOPInstanceUID


@pytest.mark.parametrize("change", [{"score": float("nan")}, {"decided_at": datetime(2026, 3, 5)}])
def test_a_decision_without_a_number_or_a_time_zone_is_none(change, series, decisions):
    series.classic()
    with pytest.raises(ValueError, match=r"finite|time zone"):
        decisions.job(**change)


def test_stacks_of_one_series_have_outputs_of_their_own(series, decisions):
    SOURCES["enhanced, two stacks"](series)
    one, other = map(outputs, decisions.jobs())
    assert all(one[kind].SeriesInstanceUID != other[kind].SeriesInstanceUID for kind in one)


def test_the_report_tells_what_was_decided_by_whom(series, decisions):
    series.classic()
    report = outputs(decisions.job())[REPORT]
    told = {
        meaning: float(named(report, meaning)[0].MeasuredValueSequence[0].NumericValue)
        for meaning in (
            "Anomaly score",
            "Threshold of the anomaly score",
            "p-value against healthy calibration scans",
        )
    }
    assert list(told.values()) == [1.75, 1.25, 0.0125]
    (verdict,) = named(report, "Research verdict")
    assert verdict.ConceptCodeSequence[0].CodeMeaning == "Above the threshold"
    comment, _ = named(report, "Comment")
    assert comment.TextValue == NOTICE
    parameters = {each.TextValue for each in named(report, "Algorithm Parameters")}
    assert {"model 3", f"model sha256 {'ab12' * 16}"} <= parameters
    assert named(report, "Observer Type")[0].ConceptCodeSequence[0].CodeMeaning == "Device"
    assert named(report, "Device Observer Name")[0].TextValue == "mriad 0.1.0"


def test_each_output_bears_the_head_of_the_record(series, decisions):
    series.classic()
    line = "Head of the record: 1234:abababababababababababababababab:2026-03-04T05:06:07Z"
    found = outputs(decisions.job())
    assert [each.TextValue for each in named(found[REPORT], "Comment")] == [NOTICE, line]
    assert found[SEGMENTS].ImageComments == line
    assert found[PICTURE].DerivationDescription.endswith(f"{NOTICE} {line}")


def test_the_report_refers_to_the_segment_and_measures_it(series, decisions):
    series.classic()
    job = decisions.job()
    made = outputs(job)
    (segment,) = named(made[REPORT], "Referenced Segment")
    reference = segment.ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == made[SEGMENTS].SOPInstanceUID
    (volume,) = named(made[REPORT], "Volume")
    measured = float(volume.MeasuredValueSequence[0].NumericValue)
    expected = np.count_nonzero(np.load(job.anomaly) > THRESHOLD) * 1.1 * 0.9 * 2.5 / 1000
    assert measured == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("source", ["classic", "enhanced, shuffled"])
def test_every_source_file_is_evidence_of_the_report(source, series, decisions):
    SOURCES[source](series)
    files = {dcmread(path).SOPInstanceUID for path in series.folder.iterdir()}
    made = outputs(decisions.job())
    listed = {
        instance.ReferencedSOPInstanceUID
        for study in made[REPORT].CurrentRequestedProcedureEvidenceSequence
        for group in study.ReferencedSeriesSequence
        for instance in group.ReferencedSOPSequence
    }
    assert listed == files | {made[SEGMENTS].SOPInstanceUID}
    for kind in (PICTURE, SEGMENTS):
        named_there = [each.ReferencedSOPInstanceUID for each in made[kind].SourceImageSequence]
        assert sorted(named_there) == sorted(files)


def test_a_map_below_the_threshold_has_a_report_and_no_segmentation(series, decisions):
    series.classic()
    made = outputs(decisions.job(empty=True, verdict=Verdict.NORMAL))
    assert set(made) == {PICTURE, REPORT}
    (verdict,) = named(made[REPORT], "Research verdict")
    assert verdict.ConceptCodeSequence[0].CodeMeaning == "Not above the threshold"
    assert not named(made[REPORT], "Referenced Segment")


def test_the_picture_says_research_use_only_above_the_montage(series, decisions):
    series.classic()
    captured = outputs(decisions.job())[PICTURE]
    pixels = captured.pixel_array  # (H, W, 3)
    assert pixels.shape == (captured.Rows, 200, 3)
    band = captured.Rows - 120
    assert band >= 10
    assert (pixels[:band] > 200).mean() > 0.02  # letters
    slope = np.linspace(40, 90, 200)
    np.testing.assert_allclose(pixels[band + 8 :, :, 0].mean(axis=0), slope, atol=4)
    assert captured.BurnedInAnnotation == "NO"  # nothing in it tells who the patient is


def test_the_outputs_are_no_scans_when_they_come_back_to_the_inbox(series, decisions, tmp_path):
    series.classic()
    folder = tmp_path / "back"
    folder.mkdir()
    for kind, data in dicom_outputs(decisions.job()).items():
        (folder / f"{kind}.dcm").write_bytes(data)
    found = survey(list_files(folder))
    assert not found.series
    assert {refusal.reason.value for refusal in found.rejections} == {"wrong_modality"}


def test_times_are_in_the_time_zone_that_the_source_names(series, decisions):
    series.classic(TimezoneOffsetFromUTC="-0530")
    for each in outputs(decisions.job()).values():
        assert (each.ContentDate, each.ContentTime) == ("20260303", "233607.000089")
        assert each.TimezoneOffsetFromUTC == "-0530"


class TestPoorSources:
    """Anonymised, sloppy and hostile headers."""

    def test_without_a_frame_of_reference_nothing_is_made(self, series, decisions):
        series.classic(FrameOfReferenceUID="")
        with pytest.raises(RejectedFile, match="FrameOfReferenceUID") as refused:
            dicom_outputs(decisions.job())
        assert refused.value.reason.value == "no_frame_of_reference"

    @pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "SeriesInstanceUID"])
    def test_with_one_for_each_slice_nothing_is_made(self, series, decisions, keyword):
        def edit(dataset, place):
            setattr(dataset, keyword, f"1.2.3.{place + 1}")

        series.classic(edit=edit)
        with pytest.raises(RejectedFile, match="of their own") as refused:
            dicom_outputs(decisions.job())
        assert refused.value.reason.value == "no_frame_of_reference"

    @pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPClassUID"])
    def test_without_a_study_or_class_nothing_is_made(self, keyword, series, decisions):
        def strip(dataset, _place):
            dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
            del dataset[keyword]

        series.classic(edit=strip)
        with pytest.raises(RejectedFile, match=f"{keyword} is missing") as refused:
            dicom_outputs(decisions.job())
        assert refused.value.reason.value == "missing_tags"

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

    def test_a_name_without_end_is_refused_and_not_repeated(self, series, decisions):
        with pytest.warns(UserWarning, match="exceeds"):
            series.classic(PatientName="Secret^" * 100)
        with pytest.raises(RejectedFile) as refused:
            dicom_outputs(decisions.job())
        assert "Secret" not in str(refused.value)
        assert refused.value.__cause__ is None

    def test_a_uid_that_is_a_path_is_refused(self, series, decisions):
        with pytest.warns(UserWarning, match="Invalid value"):
            series.classic(StudyInstanceUID="../../evil")
        with pytest.raises(RejectedFile, match="UID") as refused:
            dicom_outputs(decisions.job())
        assert "evil" not in str(refused.value)

    def test_a_file_that_changed_since_it_was_listed_is_refused(self, series, decisions):
        paths = series.classic()
        job = decisions.job()
        for path in paths:
            path.write_bytes(path.read_bytes() + b"\0\0")
        with pytest.raises(RejectedFile) as refused:
            dicom_outputs(job)
        assert refused.value.reason.value == "unreadable"

    def test_sources_are_left_as_they_were(self, series, decisions):
        def state():
            return {
                path: hashlib.sha256(path.read_bytes()).digest() for path in series.folder.iterdir()
            }

        series.classic()
        before = state()
        dicom_outputs(decisions.job())
        assert state() == before

"""The report tells what was decided by whom, of which files."""

import numpy as np
import pytest
from pydicom import dcmread

from mriad_model.enums import NOTICE, Verdict
from tests.mriad_model.dicom_outputs.conftest import SOURCES, THRESHOLD
from tests.support.scans.dicom_objects import PICTURE, REPORT, SEGMENTS, named, outputs

highdicom = pytest.importorskip("highdicom")


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


def test_the_report_refers_to_the_segment_and_measures_it(series, decisions):
    series.classic()
    job = decisions.job()
    made = outputs(job)
    (segment,) = named(made[REPORT], "Referenced Segment")
    reference = segment.ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == made[SEGMENTS].SOPInstanceUID
    volume, *_ = named(made[REPORT], "Volume")
    measured = float(volume.MeasuredValueSequence[0].NumericValue)
    expected = np.count_nonzero(np.load(job.anomaly) > THRESHOLD) * 1.1 * 0.9 * 2.5 / 1000
    assert measured == pytest.approx(expected, rel=1e-4)


def test_the_report_tells_each_finding_with_its_place_in_dicoms_axes(series, decisions):
    series.classic()
    report = outputs(decisions.job())[REPORT]

    def numbers(meaning):
        found = named(report, meaning)
        return [float(each.MeasuredValueSequence[0].NumericValue) for each in found]

    assert numbers("Volume")[1:] == pytest.approx([12.3456789, 0.2, 0.15])
    assert numbers("Highest value of the anomaly map") == [5.25, 3.0, 2.5]
    assert numbers("Place of the highest value, to the patient's left") == [-31.5, 1.0, 0.0]
    assert numbers("Place of the highest value, to the patient's back") == [20.0, -40.0, 0.0]
    assert numbers("Place of the highest value, to the patient's head") == [14.5, 8.0, 0.0]
    sides = [each.ConceptCodeSequence[0].CodeMeaning for each in named(report, "Laterality")]
    assert sides == ["Right", "Midline"]


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

"""Structured report: Measurement Report (PS3.16, TID 1500), as Comprehensive SR.

One measurement group is about the whole scan: score, threshold, p-value, verdict and its reason. A
second one, where there is a segmentation, is about its segment: the volume. Then one for each
finding: volume, highest value of the map, its place and side.
"""

from typing import TypeAlias

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from mriad_model.dicom_outputs import codes as words
from mriad_model.dicom_outputs.common import MAKER, complete, identity, instance_uid
from mriad_model.dicom_outputs.job import OutputJob, ReportedFinding
from mriad_model.dicom_outputs.segmentation import LABEL, Mask
from mriad_model.dicom_outputs.series_references import files_of
from mriad_model.dicom_outputs.source import Study, without_patient
from mriad_model.enums import NOTICE, HeatmapKind, Verdict

KIND = HeatmapKind.STRUCTURED_REPORT
CUBIC_MM_PER_ML = 1000.0

Group: TypeAlias = (
    MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations
)


def report(job: OutputJob, study: Study, mask: Mask, segments: Dataset | None) -> Dataset:
    """The report; it refers to the segmentation where there is one, and to all source files."""
    groups: list[Group] = [_scan_group(job)]
    evidence = _evidence(job, study)
    if segments is not None:
        groups.append(_segment_group(job, mask, segments))
        evidence.append(segments)
    groups += [
        _finding_group(job, number, each) for number, each in enumerate(job.findings, start=1)
    ]
    content = MeasurementReport(
        observation_context=_observer(job),
        procedure_reported=words.MR_PROCEDURE,
        imaging_measurements=groups,
    )
    content[0].ContentSequence.append(_notice(job))
    dataset = ComprehensiveSR(
        evidence=evidence,
        content=content,
        **identity(job, KIND),
        is_complete=True,
    )
    dataset.pop("ContributingEquipmentSequence", None)  # as in the segmentation
    dataset.CodingSchemeIdentificationSequence = [words.own_scheme()]
    complete(dataset, job, study, KIND)
    return dataset


def _observer(job: OutputJob) -> ObservationContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=instance_uid(job, KIND, "device"),
        name=f"{MAKER} {job.software_version}",
        manufacturer_name=MAKER,
        model_name=MAKER,
        serial_number=job.model_sha256,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _algorithm(job: OutputJob) -> AlgorithmIdentification:
    threshold = f"map threshold {job.map_threshold:.9g}"
    parameters = [f"model {job.model_id}", f"model sha256 {job.model_sha256}", threshold]
    return AlgorithmIdentification(MAKER, job.software_version, parameters)


def _scan_group(job: OutputJob) -> MeasurementsAndQualitativeEvaluations:
    numbers = [
        (words.SCORE, job.score),
        (words.THRESHOLD, job.threshold),
        (words.P_VALUE, job.p_value),
    ]
    if job.verdict is Verdict.NOT_SCORABLE:
        numbers.clear()  # they would say nothing
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(instance_uid(job, KIND, "scan"), "whole scan"),
        algorithm_id=_algorithm(job),
        measurements=[Measurement(name, value, words.NO_UNIT) for name, value in numbers],
        qualitative_evaluations=[
            QualitativeEvaluation(words.VERDICT, words.VERDICTS[job.verdict]),
            QualitativeEvaluation(words.REASON, words.REASONS[job.reason]),
        ],
        source_images=[
            SourceImageForMeasurementGroup(
                each.sop_class_uid, each.sop_instance_uid, each.frame_numbers
            )
            for each in files_of(job.series)
        ],
    )


def _segment_group(
    job: OutputJob, mask: Mask, segments: Dataset
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    voxel = abs(float(np.linalg.det(job.series.affine[:3, :3])))  # mm^3
    volume = np.count_nonzero(mask) * voxel / CUBIC_MM_PER_ML
    series = SourceSeriesForSegmentation(job.series.frames[0].instance.series_uid)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(instance_uid(job, KIND, "segment"), LABEL),
        referenced_segment=ReferencedSegment(
            segments.SOPClassUID, segments.SOPInstanceUID, 1, source_series=series
        ),
        finding_type=words.UNLIKE_HEALTHY,
        algorithm_id=_algorithm(job),
        measurements=[Measurement(words.VOLUME, volume, words.MILLILITRE)],
    )


def _finding_group(
    job: OutputJob, number: int, finding: ReportedFinding
) -> MeasurementsAndQualitativeEvaluations:
    """A finding: how large, how high, where, on which side."""
    right, front, up = finding.place
    measures = [
        Measurement(words.VOLUME, finding.millilitres, words.MILLILITRE),
        Measurement(words.PEAK, finding.peak, words.NO_UNIT),
        *(
            Measurement(name, value, words.MILLIMETRE)
            for name, value in zip(words.PEAK_PLACE, (-right, -front, up), strict=True)
        ),
    ]
    uid = instance_uid(job, KIND, f"finding {number}")
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid, f"finding {number}"),
        finding_type=words.UNLIKE_HEALTHY,
        algorithm_id=_algorithm(job),
        measurements=measures,
        qualitative_evaluations=None
        if finding.side is None
        else [QualitativeEvaluation(words.LATERALITY, words.SIDES[finding.side])],
    )


def _notice(job: OutputJob) -> ContainerContentItem:
    """Rows 12 to 14 of TID 1500: a container of evaluations in words."""
    container = ContainerContentItem(
        words.QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS
    )
    contains = RelationshipTypeValues.CONTAINS
    lines = (NOTICE, *job.about_record)
    items = [TextContentItem(words.COMMENT, line, contains) for line in lines]
    container.ContentSequence = ContentSequence(items)
    return container


def _evidence(job: OutputJob, study: Study) -> list[Dataset]:
    """The source files, as highdicom wants them: the patient is set afterwards."""
    evidence = []
    for each in files_of(job.series):
        source = without_patient()
        source.SOPClassUID = each.sop_class_uid
        source.SOPInstanceUID = each.sop_instance_uid
        source.StudyInstanceUID = study.study_uid
        source.SeriesInstanceUID = job.series.frames[0].instance.series_uid
        evidence.append(source)
    return evidence

"""From a job to its DICOM files. Imports highdicom."""

from collections.abc import Iterator
from contextlib import contextmanager

from mriad_model.dicom_outputs.common import file_bytes
from mriad_model.dicom_outputs.job import OutputJob
from mriad_model.dicom_outputs.secondary_capture import secondary_capture
from mriad_model.dicom_outputs.segmentation import mask_of, segmentation
from mriad_model.dicom_outputs.source import study_of
from mriad_model.dicom_outputs.structured_report import report
from mriad_model.enums import HeatmapKind, RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.volume.checks import rejecting


def objects_of(job: OutputJob) -> dict[HeatmapKind, bytes]:
    """See `mriad_model.dicom_outputs.dicom_outputs`."""
    with rejecting():
        study = study_of(job.series)
    mask = mask_of(job)
    with rejecting(), _rejected_plainly():
        files = {HeatmapKind.SECONDARY_CAPTURE: file_bytes(secondary_capture(job, study))}
        segments = segmentation(job, study, mask) if mask.any() else None
        if segments is not None:
            files[HeatmapKind.SEGMENTATION] = file_bytes(segments)
        files[HeatmapKind.STRUCTURED_REPORT] = file_bytes(report(job, study, mask, segments))
        return files


@contextmanager
def _rejected_plainly() -> Iterator[None]:
    """Tell only the kind of an error: highdicom's texts quote the values they refuse."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        detail = f"the series' header allows no DICOM output ({type(error).__name__})"
        raise RejectedFile(RejectionReason.MISSING_TAGS, detail) from None

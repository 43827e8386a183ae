"""A decision on a DICOM series, as DICOM objects of the same study.

    job                the decision, and the UIDs that follow from it
    source             the patient and study, copied from the series' own header
    common             what the three objects have in common
    secondary_capture  the montage picture, "RESEARCH USE ONLY" burned in
    segmentation       binary SEG: where the anomaly map is above the threshold, on the series' grid
    structured_report  SR, Measurement Report (TID 1500): score, threshold, p-value, verdict, model

SEG and SR are made by highdicom, an extra (`pip install 'mriad[dicom]'`): nothing of it is
imported before an output is asked for.

The outputs hold the patient's name and ids, as DICOM objects of a study must; nothing else here
does: no message quotes a value of the source.
"""

from importlib.util import find_spec

from mriad_model.dicom_outputs.job import OutputJob
from mriad_model.enums import HeatmapKind
from mriad_model.errors import SettingsError


def available() -> bool:
    """Whether DICOM outputs can be made here: whether highdicom is installed."""
    return find_spec("highdicom") is not None


def dicom_outputs(job: OutputJob) -> dict[HeatmapKind, bytes]:
    """The three DICOM files of a decision; the same job gives the same bytes.

    Without a voxel above the threshold there is no SEGMENTATION: a SEG needs a frame. Raises
    RejectedFile (NO_FRAME_OF_REFERENCE; MISSING_TAGS without a study, or where highdicom rejects
    the header; UNREADABLE where a file has changed), and SettingsError without highdicom.
    """
    if not available():
        raise SettingsError("DICOM outputs need highdicom: pip install 'mriad[dicom]'")
    from mriad_model.dicom_outputs.build import objects_of  # noqa: PLC0415 - highdicom is an extra

    return objects_of(job)

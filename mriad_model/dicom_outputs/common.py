"""Common parts of the three objects: patient, maker, time and notice."""

from datetime import UTC, timedelta, timezone
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid

from mriad_model.dicom_outputs.job import OutputJob
from mriad_model.dicom_outputs.source import Study
from mriad_model.enums import HeatmapKind

MAKER = "mriad"
SERIES_NUMBERS = {  # far from those of a scanner
    HeatmapKind.SECONDARY_CAPTURE: 9801,
    HeatmapKind.SEGMENTATION: 9802,
    HeatmapKind.STRUCTURED_REPORT: 9803,
}
DESCRIPTIONS = {  # at most 64 characters
    HeatmapKind.SECONDARY_CAPTURE: "RESEARCH USE ONLY - mriad anomaly pictures",
    HeatmapKind.SEGMENTATION: "RESEARCH USE ONLY - mriad anomaly segmentation",
    HeatmapKind.STRUCTURED_REPORT: "RESEARCH USE ONLY - mriad anomaly report",
}
UTF_8 = "ISO_IR 192"


def series_uid(job: OutputJob, kind: HeatmapKind) -> UID:
    """The output's own series: one for each source stack, model, threshold and kind."""
    return generate_uid(entropy_srcs=[*job.series_entropy(kind), "series"])


def instance_uid(job: OutputJob, kind: HeatmapKind, use: str = "instance") -> UID:
    """The output's SOP instance, or a UID inside it, such as of its dimensions."""
    return generate_uid(entropy_srcs=[*job.instance_entropy(kind), use])


def identity(job: OutputJob, kind: HeatmapKind) -> dict[str, Any]:
    """The series and instance of an output, as arguments of highdicom's objects."""
    return {
        "series_instance_uid": series_uid(job, kind),
        "series_number": SERIES_NUMBERS[kind],
        "sop_instance_uid": instance_uid(job, kind),
        "instance_number": 1,
        "manufacturer": MAKER,
    }


def complete(dataset: Dataset, job: OutputJob, study: Study, kind: HeatmapKind) -> None:
    """Set patient, study, series, equipment and times, over existing values."""
    dataset.update(study.copied)
    dataset.StudyInstanceUID = study.study_uid
    dataset.SeriesInstanceUID = series_uid(job, kind)
    dataset.SeriesNumber = SERIES_NUMBERS[kind]
    dataset.SeriesDescription = DESCRIPTIONS[kind]
    dataset.InstanceNumber = 1
    dataset.Manufacturer = MAKER
    dataset.ManufacturerModelName = MAKER
    dataset.SoftwareVersions = job.software_version
    dataset.DeviceSerialNumber = job.model_sha256
    day, time = moment(job, study)
    for what in ("Series", "InstanceCreation", "Content"):
        setattr(dataset, f"{what}Date", day)
        setattr(dataset, f"{what}Time", time)
    _set_character_set(dataset, study.copied)


def moment(job: OutputJob, study: Study) -> tuple[str, str]:
    """Date and time of the decision, in the source's time zone; in UTC where it names none."""
    stated = study.offset
    zone = UTC
    if stated is not None:
        minutes = int(stated[1:3]) * 60 + int(stated[3:])
        zone = timezone(timedelta(minutes=-minutes if stated[0] == "-" else minutes))
    here = job.decided_at.astimezone(zone)
    return here.strftime("%Y%m%d"), here.strftime("%H%M%S.%f")


def file_bytes(dataset: Dataset) -> bytes:
    """The dataset as a DICOM file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _set_character_set(dataset: Dataset, copied: Dataset) -> None:
    """UTF-8 where a copied name needs more than ASCII. Our own words never do."""
    if all(str(element.value).isascii() for element in copied):
        if "SpecificCharacterSet" in dataset:
            del dataset.SpecificCharacterSet
    else:
        dataset.SpecificCharacterSet = UTF_8

"""The patient and study of a series, read again from the header of one of its files."""

import re
from dataclasses import dataclass

from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.valuerep import validate_value

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom import tags
from mriad_model.readers.dicom.file import read_header
from mriad_model.readers.dicom.series import Series
from mriad_model.readers.volume.checks import require
from mriad_model.readers.volume.volumes import VolumeLimits

# Of the patient, patient study, general study and frame of reference modules (PS3.3, C.7).
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
OPTIONAL = ("IssuerOfPatientID", "PatientAge", "StudyDescription", "TimezoneOffsetFromUTC")
DEIDENTIFIED = ("PatientIdentityRemoved", "DeidentificationMethod")  # one needs the other
LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
FREE_TEXT = ("LO", "PN", "SH")  # real ones are often too long; an id must be kept as it is
UID_FORM = re.compile(r"[0-9.]{1,64}")
OFFSET_FORM = re.compile(r"[+-](0\d|1[0-4])[0-5]\d")


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What the outputs copy from their source."""

    study_uid: str
    frame_of_reference_uid: str
    copied: Dataset  # of the patient and the study; type 2 attributes are there, if empty
    position_reference: str | None
    lossy: Dataset  # whether the source's pixels had been compressed with loss

    @property
    def offset(self) -> str | None:
        """The time zone of the source's times, as +HHMM; None where it does not say."""
        stated = tags.optional_text(self.copied, "TimezoneOffsetFromUTC")
        return stated if stated and OFFSET_FORM.fullmatch(stated) else None


def study_of(series: Series) -> Study:
    """The study of a series, from the header of its first file.

    Raises RejectedFile: no frame of reference, no study, malformed UIDs, a file that changed or
    cannot be read.
    """
    instance = series.frames[0].instance
    if instance.frame_of_reference_uid is None:
        detail = "scored, but without DICOM outputs: FrameOfReferenceUID is missing"
        raise RejectedFile(RejectionReason.NO_FRAME_OF_REFERENCE, detail)
    if not series.is_placed:
        detail = (
            "scored, but without DICOM outputs: slices have a FrameOfReferenceUID or a "
            "SeriesInstanceUID of their own"
        )
        raise RejectedFile(RejectionReason.NO_FRAME_OF_REFERENCE, detail)
    if instance.study_uid is None:
        raise RejectedFile(RejectionReason.MISSING_TAGS, "StudyInstanceUID is missing")
    _require_uids(series)
    wanted = (*TYPE_2, *OPTIONAL, *DEIDENTIFIED, *LOSSY, "PositionReferenceIndicator")
    # SpecificCharacterSet with them: names are decoded by it.
    header = read_header(instance.found, VolumeLimits(), (*wanted, "SpecificCharacterSet"))
    dataset = header.dataset
    copied = without_patient()
    copied.update(_copy(dataset, (*TYPE_2, *OPTIONAL)))
    deidentified = _copy(dataset, DEIDENTIFIED)
    if len(deidentified) == len(DEIDENTIFIED):
        copied.update(deidentified)
    lossy = _copy(dataset, LOSSY)
    return Study(
        study_uid=instance.study_uid,
        frame_of_reference_uid=instance.frame_of_reference_uid,
        copied=copied,
        position_reference=tags.optional_text(dataset, "PositionReferenceIndicator"),
        lossy=lossy if lossy.get("LossyImageCompression") == "01" else Dataset(),
    )


def without_patient() -> Dataset:
    """A dataset of no patient and no study: what must be there is there, and empty."""
    dataset = Dataset()
    for keyword in TYPE_2:
        setattr(dataset, keyword, None)
    return dataset


def _copy(dataset: Dataset, keywords: tuple[str, ...]) -> Dataset:
    """The tags that have a value, as text; dates, codes and numbers only where they are sound."""
    copied = Dataset()
    for keyword in keywords:
        representation = dictionary_VR(keyword)
        text = tags.raw_text(dataset, keyword)
        if text is None or representation != dataset[keyword].VR:
            continue
        whole = len(text) < tags.LONGEST_TEXT
        require(whole, RejectionReason.CORRUPT, f"{keyword} is too long")
        if representation in FREE_TEXT or _is_valid(representation, text):
            setattr(copied, keyword, text)
    return copied


def _is_valid(representation: str, text: str) -> bool:
    try:
        for value in text.split("\\"):
            validate_value(representation, value, RAISE)
    except ValueError:
        return False
    return True


def _require_uids(series: Series) -> None:
    for instance in {frame.instance for frame in series.frames}:
        of_series = (instance.series_uid, instance.study_uid, instance.frame_of_reference_uid)
        uids = (instance.sop_class_uid, instance.sop_instance_uid, *of_series)
        sound = all(UID_FORM.fullmatch(uid) for uid in uids if uid is not None)
        require(sound, RejectionReason.CORRUPT, "a UID of other signs than digits and dots")

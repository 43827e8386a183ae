"""The nouns of a DICOM file: what its frames share, and what each shows and where it lies."""

from dataclasses import dataclass

from mriad_model.enums import RejectionReason
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.volume.contrast import Hint


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a frame is no magnitude anatomy: a value, which shards write to files."""

    reason: RejectionReason
    detail: str


@dataclass(frozen=True, slots=True)
class Instance:
    """What all frames of one file share."""

    found: FoundFile
    transfer_syntax: str
    sop_class_uid: str | None
    sop_instance_uid: str
    series_uid: str
    study_uid: str | None
    patient_id: str | None  # raw
    frame_of_reference_uid: str | None
    scanner: str | None
    description: str | None
    series_number: int | None
    acquired: tuple[str | None, ...]  # when: dates and times of study, series and acquisition
    acquisition: str | None  # AcquisitionNumber
    number: int | None  # InstanceNumber
    n_acquired: int | None  # ImagesInAcquisition
    rows: int
    columns: int
    n_frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    inverted: bool  # MONOCHROME1: the lowest value is white
    padding: tuple[int, int] | None  # stored values without signal, lowest and highest

    @property
    def series_key(self) -> tuple[str | None, str | None, str]:
        """A series; its patient and study too, as UIDs are reused."""
        return self.patient_id, self.study_uid, self.series_uid


@dataclass(frozen=True, slots=True)
class Frame:
    """One slice as a file holds it. Millimetres, LPS."""

    instance: Instance
    index: int  # in the file, from 0
    position: tuple[float, ...]  # of the first voxel's centre, (3,)
    orientation: tuple[float, ...]  # direction cosines of a row, then of a column, (6,)
    spacing: tuple[float, ...]  # between rows, between columns
    slope: float
    intercept: float
    image_type: str | None
    echo_time: float | None  # ms
    temporal_position: int | None
    stack: str | None
    place: int | None  # in its stack, from 1, as the file says
    thickness: float | None  # mm
    stated_step: float | None  # mm, from slice to slice as the file says
    hint: Hint  # at the contrast
    objection: Objection | None  # why it is no magnitude anatomy

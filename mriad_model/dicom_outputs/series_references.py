"""References to the files of a series, and to the frames of those that hold many."""

from collections import defaultdict
from dataclasses import dataclass

from pydicom.dataset import Dataset

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom.frames import Instance
from mriad_model.readers.dicom.series import Series


@dataclass(frozen=True, slots=True)
class Reference:
    """A file of a series."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_numbers: list[int] | None  # from 1; None: all of the file


def files_of(series: Series) -> list[Reference]:
    """The files of a series, each once, by their first slices. RejectedFile without SOPClassUID."""
    numbers = defaultdict[Instance, list[int]](list)
    for frame in series.frames:
        numbers[frame.instance].append(frame.index + 1)
    return [_reference(each, found) for each, found in numbers.items()]


def references(series: Series, *, frames: bool = True) -> list[Dataset]:
    """Items that name the files (PS3.3, 10.3 and 10.8), with or without the numbers of frames."""
    return [_item(each, frames) for each in files_of(series)]


def _reference(instance: Instance, numbers: list[int]) -> Reference:
    if instance.sop_class_uid is None:
        raise RejectedFile(RejectionReason.MISSING_TAGS, "SOPClassUID is missing")
    frame_numbers = None if len(numbers) == instance.n_frames else sorted(numbers)
    return Reference(instance.sop_class_uid, instance.sop_instance_uid, frame_numbers)


def _item(reference: Reference, frames: bool) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if frames and reference.frame_numbers is not None:
        item.ReferencedFrameNumber = reference.frame_numbers
    return item

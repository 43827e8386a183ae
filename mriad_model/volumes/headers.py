"""From a DICOM header to its frames; or why there are none.

Classic files hold one frame. Enhanced MR files (PS3.3, A.36) hold many, whose place, scaling and
timing stand in functional groups.
"""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from mriad_model.folders import FoundFile
from mriad_model.nouns import RejectionReason
from mriad_model.volumes import tags
from mriad_model.volumes.acceptance import (
    require_grey_mr,
    require_readable_size,
    require_sound,
    require_whole_pixels,
)
from mriad_model.volumes.contrast import dicom_contrast
from mriad_model.volumes.dicom_file import Header
from mriad_model.volumes.frames import Frame, Instance
from mriad_model.volumes.limits import VolumeLimits
from mriad_model.volumes.refusals import refusing, require


def frames_of(found: FoundFile, header: Header, limits: VolumeLimits) -> tuple[Frame, ...]:
    """All frames of a file.

    Raises:
        RejectedFile: it is no MR image, or one that cannot be placed or read.
    """
    with refusing():
        dataset = header.dataset
        require_grey_mr(dataset)
        instance = _instance(found, header)
        require_readable_size(instance, limits)
        require_whole_pixels(instance, header)
        frames = tuple(_frames(dataset, instance))
        for frame in frames:
            require_sound(frame)
        return frames


def _instance(found: FoundFile, header: Header) -> Instance:
    dataset = header.dataset
    frames = tags.optional_number(dataset, "NumberOfFrames")
    return Instance(
        found=found,
        transfer_syntax=header.transfer_syntax,
        sop_class_uid=tags.optional_text(dataset, "SOPClassUID"),
        sop_instance_uid=tags.text(dataset, "SOPInstanceUID"),
        series_uid=tags.text(dataset, "SeriesInstanceUID"),
        study_uid=tags.optional_text(dataset, "StudyInstanceUID"),
        patient_id=tags.optional_text(dataset, "PatientID"),
        frame_of_reference_uid=tags.optional_text(dataset, "FrameOfReferenceUID"),
        scanner=_scanner(dataset),
        contrast=dicom_contrast(dataset),
        rows=tags.whole(dataset, "Rows"),
        columns=tags.whole(dataset, "Columns"),
        n_frames=1 if frames is None else tags.whole(dataset, "NumberOfFrames"),
        bits_allocated=tags.whole(dataset, "BitsAllocated"),
        bits_stored=tags.whole(dataset, "BitsStored"),
        signed=tags.whole(dataset, "PixelRepresentation") == 1,
        inverted=tags.text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
    )


def _scanner(dataset: Dataset) -> str | None:
    field = tags.optional_number(dataset, "MagneticFieldStrength")
    parts = (
        tags.optional_text(dataset, "Manufacturer"),
        tags.optional_text(dataset, "ManufacturerModelName"),
        None if field is None else f"{field:g} T",
    )
    return " ".join(part for part in parts if part) or None


def _frames(dataset: Dataset, instance: Instance) -> Iterator[Frame]:
    own = tags.items(dataset, "PerFrameFunctionalGroupsSequence")
    if len(own) == 0:
        several = instance.n_frames > 1
        require(not several, RejectionReason.MULTI_FRAME, "frames without a place of their own")
        yield _classic_frame(dataset, instance)
        return
    counted = len(own) == instance.n_frames
    require(counted, RejectionReason.CORRUPT, "as many functional groups as frames are needed")
    shared = list(tags.items(dataset, "SharedFunctionalGroupsSequence"))[:1]
    for index, groups in enumerate(own):
        yield _enhanced_frame(dataset, instance, index, [groups, *shared])


def _classic_frame(dataset: Dataset, instance: Instance) -> Frame:
    time = tags.optional_number(dataset, "TemporalPositionIdentifier")
    return Frame(
        instance=instance,
        index=0,
        position=tags.numbers(dataset, "ImagePositionPatient", 3),
        orientation=tags.numbers(dataset, "ImageOrientationPatient", 6),
        spacing=tags.numbers(dataset, "PixelSpacing", 2),
        slope=_or(tags.optional_number(dataset, "RescaleSlope"), 1.0),
        intercept=_or(tags.optional_number(dataset, "RescaleIntercept"), 0.0),
        image_type=tags.optional_text(dataset, "ImageType"),
        echo_time=tags.optional_number(dataset, "EchoTime"),
        temporal_position=None if time is None else int(time),
        stack=None,
    )


def _enhanced_frame(
    dataset: Dataset, instance: Instance, index: int, groups: list[Dataset]
) -> Frame:
    position = tags.functional_group(groups, "PlanePositionSequence")
    orientation = tags.functional_group(groups, "PlaneOrientationSequence")
    measures = tags.functional_group(groups, "PixelMeasuresSequence")
    scaling = tags.functional_group(groups, "PixelValueTransformationSequence")
    content = tags.functional_group(groups, "FrameContentSequence")
    frame_type = tags.functional_group(groups, "MRImageFrameTypeSequence")
    echo = tags.functional_group(groups, "MREchoSequence")
    time = tags.optional_number(content, "TemporalPositionIndex")
    own_type = tags.optional_text(frame_type, "FrameType")
    return Frame(
        instance=instance,
        index=index,
        position=tags.numbers(position, "ImagePositionPatient", 3),
        orientation=tags.numbers(orientation, "ImageOrientationPatient", 6),
        spacing=tags.numbers(measures, "PixelSpacing", 2),
        slope=_or(tags.optional_number(scaling, "RescaleSlope"), 1.0),
        intercept=_or(tags.optional_number(scaling, "RescaleIntercept"), 0.0),
        image_type=own_type or tags.optional_text(dataset, "ImageType"),
        echo_time=tags.optional_number(echo, "EffectiveEchoTime"),
        temporal_position=None if time is None else int(time),
        stack=tags.optional_text(content, "StackID"),
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value

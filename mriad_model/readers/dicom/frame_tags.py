"""From a DICOM header to its frames, or the reason why there are none.

Classic files hold one frame. Enhanced MR files (PS3.3, A.36) hold many, whose place, scaling and
timing stand in functional groups.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from mriad_model.enums import RejectionReason
from mriad_model.readers.dicom import tags
from mriad_model.readers.dicom.acceptance import (
    require_grey_mr,
    require_readable_size,
    require_sound,
    require_whole_pixels,
)
from mriad_model.readers.dicom.file import Header
from mriad_model.readers.dicom.frames import Frame, Instance
from mriad_model.readers.dicom.image_kind import image_type, objection_to
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.volume.checks import rejecting, require
from mriad_model.readers.volume.contrast import Timing, classic_timing, dicom_contrast
from mriad_model.readers.volume.geometry import Voxels
from mriad_model.readers.volume.volumes import VolumeLimits

ACQUIRED = (
    "StudyDate", "StudyTime", "SeriesTime", "AcquisitionNumber",
    "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime",
)  # fmt: skip


def frames_of(found: FoundFile, header: Header, limits: VolumeLimits) -> tuple[Frame, ...]:
    """All frames of a file. Raises RejectedFile unless it is a readable MR image with a place."""
    with rejecting():
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
    several = tags.raw_text(dataset, "NumberOfFrames") is not None
    bits = tags.whole(dataset, "BitsAllocated")
    signed = tags.whole(dataset, "PixelRepresentation") == 1
    return Instance(
        found=found,
        transfer_syntax=header.transfer_syntax,
        sop_class_uid=tags.optional_text(dataset, "SOPClassUID"),
        sop_instance_uid=tags.text(dataset, "SOPInstanceUID"),
        series_uid=tags.text(dataset, "SeriesInstanceUID"),
        study_uid=tags.optional_text(dataset, "StudyInstanceUID"),
        patient_id=tags.raw_text(dataset, "PatientID"),
        frame_of_reference_uid=tags.optional_text(dataset, "FrameOfReferenceUID"),
        scanner=_scanner(dataset),
        description=tags.optional_text(dataset, "SeriesDescription")
        or tags.optional_text(dataset, "ProtocolName"),
        series_number=_whole_or_none(dataset, "SeriesNumber"),
        acquired=tuple(tags.optional_text(dataset, keyword) for keyword in ACQUIRED),
        acquisition=tags.optional_text(dataset, "AcquisitionNumber"),
        number=_whole_or_none(dataset, "InstanceNumber"),
        n_acquired=_whole_or_none(dataset, "ImagesInAcquisition"),
        rows=tags.whole(dataset, "Rows"),
        columns=tags.whole(dataset, "Columns"),
        n_frames=tags.whole(dataset, "NumberOfFrames") if several else 1,
        bits_allocated=bits,
        bits_stored=tags.whole(dataset, "BitsStored"),
        signed=signed,
        inverted=tags.text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        padding=stated_padding(dataset, bits, signed=signed),
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
        yield _frame(dataset, instance, 0, ())
        return
    counted = len(own) == instance.n_frames
    require(counted, RejectionReason.CORRUPT, "as many functional groups as frames are needed")
    shared = list(tags.items(dataset, "SharedFunctionalGroupsSequence"))[:1]
    for index, groups in enumerate(own):
        yield _frame(dataset, instance, index, [groups, *shared])


def _frame(dataset: Dataset, instance: Instance, index: int, groups: Sequence[Dataset]) -> Frame:
    """A frame by its functional groups, or, where it has none, by the dataset of a classic file."""

    def part(keyword: str) -> Dataset:
        return tags.functional_group(groups, keyword) if groups else dataset

    measures, content = part("PixelMeasuresSequence"), part("FrameContentSequence")
    scaling = part("PixelValueTransformationSequence")
    time = "TemporalPositionIndex" if groups else "TemporalPositionIdentifier"
    timing = _enhanced_timing(dataset, groups) if groups else classic_timing(dataset)
    hint = dicom_contrast(dataset, timing)
    return Frame(
        instance=instance,
        index=index,
        position=tags.numbers(part("PlanePositionSequence"), "ImagePositionPatient", 3),
        orientation=tags.numbers(part("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        spacing=tags.numbers(measures, "PixelSpacing", 2),
        slope=tags.number_or(scaling, "RescaleSlope", 1.0),
        intercept=tags.number_or(scaling, "RescaleIntercept", 0.0),
        image_type=image_type(dataset, groups),
        echo_time=timing.echo,
        temporal_position=_whole_or_none(content, time),
        stack=tags.optional_text(content, "StackID") if groups else None,
        place=_whole_or_none(content, "InStackPositionNumber") if groups else None,
        thickness=tags.optional_number(measures, "SliceThickness"),
        stated_step=tags.optional_number(measures, "SpacingBetweenSlices"),
        hint=hint,
        objection=objection_to(dataset, groups, hint),
    )


def _enhanced_timing(dataset: Dataset, groups: Sequence[Dataset]) -> Timing:
    timing = tags.functional_group(groups, "MRTimingAndRelatedParametersSequence")
    modifier = tags.functional_group(groups, "MRModifierSequence")
    echo = tags.functional_group(groups, "MREchoSequence")
    pulse = tags.optional_text(dataset, "EchoPulseSequence")
    return Timing(
        repetition=tags.optional_number(timing, "RepetitionTime"),
        echo=tags.optional_number(echo, "EffectiveEchoTime"),
        inversion=tags.optional_number(modifier, "InversionTimes"),
        flip=tags.optional_number(timing, "FlipAngle"),
        gradient=None if pulse is None else pulse == "GRADIENT",
        inverted=tags.optional_text(modifier, "InversionRecovery") == "YES" if modifier else None,
        planar=tags.optional_text(dataset, "EchoPlanarPulseSequence") == "YES",
    )


def _whole_or_none(dataset: Dataset, keyword: str) -> int | None:
    number = tags.optional_number(dataset, keyword)
    return None if number is None else int(number)


DARK = 5.0  # per cent of the other voxels that are darker than what padding becomes: air
ENOUGH = 1_000_000  # voxels to know that by
SHORT = 2  # bytes
AMBIGUOUS = ("US", "SS", "US or SS", "OW", "UN", None)  # types of the tags, and of unread ones
NEAR = 0.02  # of the range of all other values: so near to the lowest, padding looks like air


def stated_padding(dataset: Dataset, bits: int, *, signed: bool) -> tuple[int, int] | None:
    """The lowest and highest stored value of `bits` that is padding; None where none is stated."""
    value = _stored(dataset, "PixelPaddingValue", bits, signed)
    limit = _stored(dataset, "PixelPaddingRangeLimit", bits, signed)
    if value is None:
        return None
    return (value, value) if limit is None else (min(value, limit), max(value, limit))


def without_padding(voxels: Voxels, padded: NDArray[np.bool_]) -> None:
    """Give padded voxels (Z, Y, X) the grey of air in place, unless all are near the lowest."""
    others = voxels[~padded]
    if others.size in (0, voxels.size):
        return
    low, high = float(others.min()), float(others.max())
    there = voxels[padded].astype(np.float64)
    near = (there >= low - NEAR * (high - low)) & (there <= low + NEAR * (high - low))
    if not near.all():
        every = max(1, others.size // ENOUGH)
        voxels[padded] = np.percentile(others[::every], DARK, method="lower")


def _stored(dataset: Dataset, keyword: str, bits: int, signed: bool) -> int | None:
    element = dataset.get_item(keyword)
    value = None if element is None else element.value
    number: float | None
    if isinstance(value, bytes) and len(value) == SHORT and element.VR in AMBIGUOUS:
        little = getattr(element, "is_little_endian", True)
        number = int.from_bytes(value, "little" if little else "big")
    else:
        number = tags.optional_number(dataset, keyword)
    if number is None:
        return None
    span = 1 << bits
    whole = int(number) % span
    return whole - span if signed and whole >= span // 2 else whole

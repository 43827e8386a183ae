"""From a DICOM header to its frames: what each shows and where it lies; or why it cannot be used.

Classic files hold one frame. Enhanced MR files (PS3.3, A.36) hold many, whose place, scaling and
timing stand in functional groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from mriad_model.errors import RejectedFile
from mriad_model.folders import FoundFile
from mriad_model.nouns import RejectionReason
from mriad_model.volumes import tags
from mriad_model.volumes.codestreams import Codestream
from mriad_model.volumes.contrast import dicom_contrast
from mriad_model.volumes.dicom_file import Header
from mriad_model.volumes.geometry import require_orientation, require_spacing
from mriad_model.volumes.limits import VolumeLimits
from mriad_model.volumes.refusals import refusing, require, shown
from mriad_model.volumes.syntaxes import NATIVE, RLE

GREY = ("MONOCHROME1", "MONOCHROME2")
WIDTHS = (8, 16, 32)  # bits allocated


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
    contrast: str | None
    rows: int
    columns: int
    n_frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    inverted: bool  # MONOCHROME1: the lowest value is white


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


def frames_of(found: FoundFile, header: Header, limits: VolumeLimits) -> tuple[Frame, ...]:
    """All frames of a file.

    Raises:
        RejectedFile: it is no MR image, or one that cannot be placed or read.
    """
    with refusing():
        dataset = header.dataset
        _require_wanted_kind(dataset)
        instance = _instance(found, header)
        _require_size(instance, limits)
        _require_whole_pixels(instance, header)
        return tuple(_frames(dataset, instance))


def _require_wanted_kind(dataset: Dataset) -> None:
    modality = tags.text(dataset, "Modality")
    require(modality == "MR", RejectionReason.WRONG_MODALITY, f"modality {shown(modality)}, not MR")
    image_type = tags.optional_text(dataset, "ImageType") or ""
    kinds = image_type.upper().split("\\")
    require("LOCALIZER" not in kinds, RejectionReason.LOCALIZER, "a localizer")
    require("MOSAIC" not in kinds, RejectionReason.UNSUPPORTED, "slices tiled in one picture")
    burned_in = tags.optional_text(dataset, "BurnedInAnnotation") == "YES"
    require(not burned_in, RejectionReason.BURNED_IN_ANNOTATION, "annotation burned in")
    samples = tags.whole(dataset, "SamplesPerPixel")
    grey = samples == 1 and tags.text(dataset, "PhotometricInterpretation") in GREY
    require(grey, RejectionReason.COLOUR, "not a grey image")
    table = len(tags.items(dataset, "ModalityLUTSequence")) > 0
    require(not table, RejectionReason.UNSUPPORTED, "values go through a look-up table")


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


def _require_size(instance: Instance, limits: VolumeLimits) -> None:
    rows, columns, frames = instance.rows, instance.columns, instance.n_frames
    size = f"{columns}x{rows}, {frames} frames"
    small = max(rows, columns) <= limits.max_side and frames <= limits.max_frames
    small = small and rows * columns * frames <= limits.max_voxels
    require(small, RejectionReason.TOO_LARGE, size)
    large = min(rows, columns) >= limits.min_side and frames > 0
    require(large, RejectionReason.BAD_SHAPE, size)
    allocated, stored = instance.bits_allocated, instance.bits_stored
    require(allocated in WIDTHS, RejectionReason.UNSUPPORTED, f"{allocated} bits a pixel")
    require(0 < stored <= allocated, RejectionReason.CORRUPT, f"{stored} of {allocated} bits")


def _require_whole_pixels(instance: Instance, header: Header) -> None:
    there = header.pixel_bytes
    if there is None:
        raise RejectedFile(RejectionReason.TRUNCATED, "the file ends before its pixel data")
    n_pixels = instance.rows * instance.columns * instance.n_frames
    if header.transfer_syntax in NATIVE:
        needed = n_pixels * instance.bits_allocated // 8
        detail = f"{there:,} of {needed:,} bytes of pixel data"
        require(there >= needed, RejectionReason.TRUNCATED, detail)
        return
    compressed = header.fragments
    detail = f"{len(compressed)} fragments for {instance.n_frames} frames"
    require(len(compressed) >= instance.n_frames, RejectionReason.TRUNCATED, detail)
    if header.transfer_syntax != RLE:
        begun = [codestream for codestream in compressed if codestream is not None]
        agreed = len(begun) == instance.n_frames and all(_agree(each, instance) for each in begun)
        detail = "the compressed pixels have another size than the header says"
        require(agreed, RejectionReason.CORRUPT, detail)


def _agree(codestream: Codestream, instance: Instance) -> bool:
    size = (codestream.rows, codestream.columns, codestream.components)
    return size == (instance.rows, instance.columns, 1) and (
        2 <= codestream.bits <= instance.bits_allocated
    )


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
    return _sound(
        Frame(
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
    return _sound(
        Frame(
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
    )


def _sound(frame: Frame) -> Frame:
    require_orientation(frame.orientation)
    require_spacing(frame.spacing)
    require(frame.slope != 0, RejectionReason.NO_SIGNAL, "RescaleSlope is 0")
    return frame


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value

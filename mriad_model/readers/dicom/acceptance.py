"""Which DICOM files can be part of a volume, by their headers, before a pixel is decoded."""

from pydicom.dataset import Dataset

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom import tags
from mriad_model.readers.dicom.file import Header
from mriad_model.readers.dicom.frames import Frame, Instance
from mriad_model.readers.dicom.image_kind import require_image
from mriad_model.readers.dicom.transfer_syntax import NATIVE, RLE, Codestream
from mriad_model.readers.volume.checks import require, shown
from mriad_model.readers.volume.geometry import require_orientation, require_spacing
from mriad_model.readers.volume.volumes import VolumeLimits

GREY = ("MONOCHROME1", "MONOCHROME2")
WIDTHS = (8, 16, 32)  # bits allocated


def require_grey_mr(dataset: Dataset) -> None:
    """Reject what is no MR, a localizer, coloured, annotated, or not plain grey values."""
    modality = tags.text(dataset, "Modality")
    require(modality == "MR", RejectionReason.WRONG_MODALITY, f"modality {shown(modality)}, not MR")
    require_image(dataset)
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


def require_readable_size(instance: Instance, limits: VolumeLimits) -> None:
    """Reject slices too large, too small, or of bits that no scanner stores."""
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


def require_whole_pixels(instance: Instance, header: Header) -> None:
    """Reject pixel data that are cut short, or compressed to another size than stated."""
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


def require_sound(frame: Frame) -> None:
    """Reject a frame without a sound place, or without signal."""
    require_orientation(frame.orientation)
    require_spacing(frame.spacing)
    require(frame.slope != 0, RejectionReason.NO_SIGNAL, "RescaleSlope is 0")

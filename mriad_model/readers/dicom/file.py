"""One DICOM file: its header, and whether its pixel data are all there, without decoding them.

The file meta is parsed by hand first: pydicom inflates a whole deflated file before it checks it.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread, read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom.transfer_syntax import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    Codestream,
    codestream_at,
    require_readable,
)
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.signatures import DICM, begins_bare, opened, require_size
from mriad_model.readers.volume.checks import rejecting, require
from mriad_model.readers.volume.volumes import VolumeLimits

META_END = 8 * 1024  # bytes; a file meta is a few hundred
LONG_VR = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UN", b"UC", b"UR", b"UT")
UNDEFINED = 0xFFFFFFFF
ITEM, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
PIXEL_DATA = (0x7FE0, 0x0010)
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # as 32 and 64 bit floats, as integers
SEQUENCES = (0x52009229, 0x52009230, 0x00283000)  # shared and per-frame groups, look-up table
ITEM_MARKS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
GE_CREATOR = 0x00430010  # in implicit files, the VR of the next follows from it
GE_IMAGE_TYPE = 0x0043102F  # private to GE: 0 magnitude, 1 phase, 2 real, 3 imaginary
DICOMDIR = "1.2.840.10008.1.3.10"

WANTED: list[str | int] = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID",
    "FrameOfReferenceUID", "Modality", "ImageType", "BurnedInAnnotation",
    "Manufacturer", "ManufacturerModelName", "MagneticFieldStrength",
    "SeriesDescription", "ProtocolName", "ContrastBolusAgent",
    "ScanningSequence", "EchoPulseSequence", "EchoPlanarPulseSequence", "AcquisitionContrast",
    "RepetitionTime", "EchoTime", "InversionTime", "FlipAngle", "TemporalPositionIdentifier",
    "ComplexImageComponent", "PixelPresentation", "VolumeBasedCalculationTechnique",
    "RescaleType", "RealWorldValueMappingSequence", GE_CREATOR, GE_IMAGE_TYPE,
    "StudyDate", "StudyTime", "SeriesTime", "AcquisitionDate", "AcquisitionTime",
    "AcquisitionDateTime", "AcquisitionNumber", "SeriesNumber", "InstanceNumber",
    "ImagesInAcquisition", "SliceThickness", "SpacingBetweenSlices",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """A file's header, and what pixel data follow it."""

    dataset: Dataset  # the wanted tags alone
    transfer_syntax: str
    pixel_bytes: int | None  # uncompressed; None where no pixel data element follows
    fragments: tuple[Codestream | None, ...]  # compressed; None where no frame begins


def read_header(
    found: FoundFile, limits: VolumeLimits, wanted: Sequence[str | int] = WANTED
) -> Header:
    """Read a file up to its pixel data (the `wanted` tags), and walk over those.

    Raises RejectedFile: unsupported, too large, truncated, corrupt, or changed since listed.
    """
    with opened(found.path, found) as file, rejecting():
        require_size(found.size, limits.max_file_bytes)
        meta, meta_end = _file_meta(file.read(META_END))
        detail = "a DICOMDIR is an index; the files themselves are read"
        require(meta.get((2, 2)) != DICOMDIR, RejectionReason.UNSUPPORTED, detail)
        syntax = meta.get((2, 0x10), "")
        require_readable(syntax)
        file.seek(meta_end)
        rationed = _Rationed(file, limits)
        try:
            dataset = read_dataset(
                cast("BinaryIO", rationed),
                is_implicit_VR=syntax == IMPLICIT,
                is_little_endian=syntax != BIG_ENDIAN,
                stop_when=_at_pixels,
                specific_tags=[Tag(keyword) for keyword in wanted],
            )
        except Exception:
            rationed.require_left()  # pydicom makes another error of ours
            raise
        _require_few_items(dataset, limits.max_items)
        implicit, little = dataset.original_encoding
        length = _pixel_length(file, bool(implicit), bool(little))
        if length is None:
            return Header(dataset, syntax, None, ())
        if length == UNDEFINED:
            return Header(dataset, syntax, 0, _walk_fragments(file, found.size))
        return Header(dataset, syntax, min(length, found.size - file.tell()), ())


def pixel_source(file: BinaryIO, syntax: str) -> BinaryIO | Dataset:
    """What pydicom decodes pixels from: the file, or its dataset where it has no file meta."""
    start = file.read(META_END)
    file.seek(0)
    if start[DICM] == b"DICM" and start[132:134] == b"\x02\0":
        return file
    dataset = dcmread(file, force=True)
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    return dataset


def _pixel_length(file: BinaryIO, implicit: bool, little: bool) -> int | None:
    """The length that the pixel data element here states; None at the end of the file."""
    order = "<" if little else ">"
    start = file.read(8)
    if len(start) < 8:
        return None
    group, element, length = struct.unpack(order + "HHL", start)
    known = (group, element) == PIXEL_DATA
    require(known, RejectionReason.UNSUPPORTED, "pixels are not stored as integers")
    if implicit:
        return int(length)
    stated = file.read(4)  # explicit: the VR and two spare bytes stood where the length does
    return int(struct.unpack(order + "L", stated)[0]) if len(stated) == 4 else None


def _walk_fragments(file: BinaryIO, file_size: int) -> tuple[Codestream | None, ...]:
    """Fragments of compressed pixel data (PS3.5, A.4). Raises RejectedFile where cut short."""
    fragments: list[Codestream | None] = []
    while True:
        item = file.read(8)
        if len(item) < 8:
            raise RejectedFile(RejectionReason.TRUNCATED, "compressed pixel data are cut short")
        group, element, length = struct.unpack("<HHL", item)
        if (group, element) == SEQUENCE_END:
            return tuple(fragments[1:])  # the first item is the offset table
        sound = (group, element) == ITEM and length != UNDEFINED
        require(sound, RejectionReason.CORRUPT, "compressed pixel data are no list of items")
        end = file.tell() + length
        require(end <= file_size, RejectionReason.TRUNCATED, "compressed pixel data are cut short")
        fragments.append(codestream_at(file, length))
        file.seek(end)


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in PIXELS


class _Rationed:
    """A file of which only so much may be read, only so often: small elements cost the most."""

    def __init__(self, file: BinaryIO, limits: VolumeLimits) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read
        self._reads, self._bytes = limits.max_header_reads, limits.max_header_bytes

    def read(self, size: int) -> bytes:
        self._reads -= 1
        self._bytes -= size
        self.require_left()
        return self._read(size)

    def require_left(self) -> None:
        """Reject the file once it was read too often, or too much of it."""
        enough = min(self._reads, self._bytes) >= 0
        require(enough, RejectionReason.TOO_LARGE, "a header of too many bytes or elements")


def _require_few_items(dataset: Dataset, most: int) -> None:
    """Count the items of sequences that pydicom keeps as bytes until first use."""
    for tag in SEQUENCES:
        element = dataset.get_item(tag)
        value = None if element is None else element.value
        if isinstance(value, bytes):
            count = max(value.count(mark) for mark in ITEM_MARKS)
            require(count <= most, RejectionReason.TOO_LARGE, f"a sequence of {count:,} items")


def _file_meta(start: bytes) -> tuple[dict[tuple[int, int], str], int]:
    """The UIDs of the file meta (PS3.10, 7.1: explicit VR little endian, group 0002), and its end.

    Files without one are uncompressed little endian; the first element shows the VR (PS3.5, 10.1).
    """
    prefixed = start[DICM] == b"DICM"
    bare = begins_bare(start)
    require(prefixed or bare, RejectionReason.UNSUPPORTED, "not a DICOM file")
    position, meta = (132 if prefixed else 0), dict[tuple[int, int], str]()
    if start[position : position + 2] == b"\x08\0":
        explicit = start[position + 4 : position + 6].isalpha()
        return {(2, 0x10): EXPLICIT if explicit else IMPLICIT}, position
    while True:
        head = start[position : position + 8]
        if len(head) < 8:
            raise RejectedFile(RejectionReason.TRUNCATED, "the file meta is cut short")
        group, element, vr, length = struct.unpack("<HH2sH", head)
        if group != 2:
            return meta, position
        position += 8
        if vr in LONG_VR:
            (length,) = struct.unpack("<L", start[position : position + 4].ljust(4, b"\0"))
            position += 4
        if vr == b"UI":
            value = start[position : position + length]
            meta[group, element] = value.rstrip(b"\0 ").decode("ascii", "replace")
        position += length

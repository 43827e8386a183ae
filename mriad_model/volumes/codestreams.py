"""What a compressed frame says of itself, read without decompressing it.

A decoder takes the memory that the codestream asks for, whatever the DICOM header says, so the
two have to agree before one is called. GDCM ends its process over more bits than it knows.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

START_OF_IMAGE = 0xFFD8  # JPEG and JPEG-LS, ITU-T T.81 B.1.1.3
START_OF_SCAN = 0xFFDA
START_OF_CODESTREAM = 0xFF4F  # JPEG 2000, ITU-T T.800 A.4.1
SIZE = 0xFF51  # JPEG 2000, A.5.1
# Start of frame: T.81 table B.1, without DHT, JPG and DAC; and T.87's for JPEG-LS. Progressive
# ones are no process of a transfer syntax that is read, and decode once for each of their scans.
PROGRESSIVE = {0xFFC2, 0xFFC6, 0xFFCA, 0xFFCE}
START_OF_FRAME = {*range(0xFFC0, 0xFFD0), 0xFFF7} - {0xFFC4, 0xFFC8, 0xFFCC} - PROGRESSIVE
MOST_SEGMENTS = 256  # before the first scan


@dataclass(frozen=True, slots=True)
class Codestream:
    """The size of a compressed frame."""

    rows: int
    columns: int
    components: int
    bits: int  # a sample


def codestream_at(file: BinaryIO, length: int) -> Codestream | None:
    """The JPEG, JPEG-LS or JPEG 2000 codestream that begins at the file's position.

    Args:
        file: positioned at a fragment; left anywhere.
        length: of the fragment, bytes.

    Returns:
        None where no codestream begins here, or it has no size within `length`.
    """
    end = file.tell() + length
    (marker,) = _unpacked(">H", file)
    if marker == START_OF_CODESTREAM:
        return _jpeg2000(file)
    return _jpeg(file, end) if marker == START_OF_IMAGE else None


def _jpeg(file: BinaryIO, end: int) -> Codestream | None:
    """From the start of frame; None unless sound segments lead to the start of a scan.

    Decoders skip what is between segments, and GDCM ends its process over what may follow.
    """
    found = None
    for _ in range(MOST_SEGMENTS):
        marker, size = _unpacked(">HH", file)
        following = file.tell() + size - 2
        if marker < 0xFF00 or size < 2 or following >= end:
            return None
        if marker == START_OF_SCAN:
            return found
        if marker in START_OF_FRAME:
            if found is not None:
                return None
            bits, rows, columns, components = _unpacked(">BHHB", file)
            found = Codestream(rows, columns, components, bits)
        file.seek(following)
    return None


def _jpeg2000(file: BinaryIO) -> Codestream | None:
    """From SIZ: the image area is the reference grid less its offset. Not where subsampled."""
    marker, _length, _profile = _unpacked(">HHH", file)
    if marker != SIZE:
        return None
    right, bottom, left, top = _unpacked(">4L", file)
    *_tiles, components, depth, across, down = _unpacked(">4LH3B", file)
    if (across, down) != (1, 1):
        return None
    return Codestream(bottom - top, right - left, components, (depth & 0x7F) + 1)


def _unpacked(codes: str, file: BinaryIO) -> tuple[int, ...]:
    """Zeros, which are no marker, where the file ends before."""
    size = struct.calcsize(codes)
    return struct.unpack(codes, file.read(size).ljust(size, b"\0"))

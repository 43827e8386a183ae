"""Transfer syntaxes (PS3.5, 10) that are read, each by one pinned decoder.

Deflated ones are rejected: 2 MB of them hold 2 GB, and no parser checks before it inflates.
"""

import struct
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import BinaryIO

from pydicom.pixels.decoders.base import get_decoder

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.paths import escape_path

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
NATIVE = (IMPLICIT, EXPLICIT, BIG_ENDIAN)
DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
RLE = "1.2.840.10008.1.2.5"


PLUGINS = {
    **dict.fromkeys(NATIVE, ""),
    RLE: "pydicom",
    "1.2.840.10008.1.2.4.50": "gdcm",  # JPEG baseline
    "1.2.840.10008.1.2.4.51": "gdcm",  # JPEG extended; 8 bit only
    "1.2.840.10008.1.2.4.57": "gdcm",  # JPEG lossless
    "1.2.840.10008.1.2.4.70": "gdcm",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80": "gdcm",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81": "gdcm",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90": "gdcm",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91": "gdcm",  # JPEG 2000
    "1.2.840.10008.1.2.4.201": "pylibjpeg",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202": "pylibjpeg",  # HTJ2K lossless, resolution first
    "1.2.840.10008.1.2.4.203": "pylibjpeg",  # HTJ2K
}


PACKAGES = {"": "native", "pydicom": "pydicom", "gdcm": "python-gdcm", "pylibjpeg": "pylibjpeg"}


def require_readable(syntax: str) -> None:
    """Reject a transfer syntax that is deflated, unknown, or has no decoder installed."""
    unsupported = RejectionReason.UNSUPPORTED
    if not syntax:
        raise RejectedFile(RejectionReason.MISSING_TAGS, "no transfer syntax in the file meta")
    if syntax in DEFLATED:
        raise RejectedFile(unsupported, "deflated transfer syntax: may inflate to any size")
    if syntax not in PLUGINS:
        raise RejectedFile(unsupported, f"transfer syntax {escape_path(syntax[:64])}")
    plugin = PLUGINS[syntax]
    if plugin and plugin not in get_decoder(syntax).available_plugins:
        raise RejectedFile(unsupported, f"no decoder installed for transfer syntax {syntax}")


def decoder_of(syntax: str) -> str:
    """The decoder and its version, for the record: `native`, or `python-gdcm 3.2.6`."""
    package = PACKAGES[PLUGINS[syntax]]
    if package == "native":
        return package
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


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
    """The JPEG, JPEG-LS or JPEG 2000 codestream at a fragment of so many bytes, or None."""
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

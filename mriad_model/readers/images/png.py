"""PNG files, walked chunk by chunk (PNG 1.2, section 3.2), and their image data counted.

Rejected is what decoders accept silently: bytes behind the end or the last row, a second picture,
megabytes in unknown chunks.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.images.formats import (
    GOES_ON,
    PADDING,
    PNG_SIGNATURE,
    SEVERAL,
    corrupt,
    truncated,
    unsupported,
)

MOST_BEHIND: Final = 4096  # bytes behind the last row: careless writers round their buffers up
MOST_UNKNOWN: Final = 2**20  # bytes in chunks that the standard does not name

_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_KNOWN = _CRITICAL | frozenset(
    b"tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI tEXt zTXt iTXt bKGD hIST pHYs sPLT eXIf tIME"
    b" acTL fcTL oFFs pCAL sCAL gIFg gIFx sTER".split()
)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by type of colour
_ADAM7 = (  # first column and row, step of columns and rows, of each pass
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_PIECE = 2**20  # bytes unpacked at a time


def require_one_plain_png(data: bytes) -> None:
    """Reject a PNG that is damaged, goes on after its end, or holds what no decoder shows."""
    names, unknown = [], 0
    for name, content in _chunks(data):
        if name == b"fdAT":
            raise RejectedFile(RejectionReason.MULTI_FRAME, SEVERAL)
        if name not in _KNOWN:
            if name[:1].isupper():
                raise unsupported(f"chunk {name!r}, which PNG does not know")
            unknown += len(content)
        names.append(name)
    if unknown > MOST_UNKNOWN:
        raise corrupt(f"{unknown:,} bytes in chunks that PNG does not know")
    first = names.index(b"IDAT") if b"IDAT" in names else 0
    n_data = names.count(b"IDAT")
    if names.count(b"IHDR") > 1 or names[first : first + n_data].count(b"IDAT") != n_data:
        raise corrupt("its image data is in several parts; a decoder would show one")


def require_no_data_behind(data: bytes) -> None:
    """Reject image data behind the last row: unpacked once more, in pieces that are not kept."""
    unpacking = zlib.decompressobj()
    left, n_behind = _n_bytes(data), 0
    for name, content in _chunks(data):
        if name != b"IDAT":
            continue
        packed: bytes | memoryview = content
        n_behind += len(content) if unpacking.eof else 0
        while not unpacking.eof:
            try:
                n_unpacked = len(unpacking.decompress(packed, _PIECE))
            except zlib.error:  # of what no decoder had to unpack for its rows
                n_behind += len(packed)
                break
            n_behind += max(n_unpacked - left, 0) + len(unpacking.unused_data)
            left = max(left - n_unpacked, 0)
            packed = unpacking.unconsumed_tail
            if n_behind > MOST_BEHIND or (not packed and n_unpacked < _PIECE):
                break
        if n_behind > MOST_BEHIND:
            raise corrupt("image data behind the last row that its header states")


def _n_bytes(data: bytes) -> int:
    """Bytes of all rows, each with its filter, as the header states them (sections 2.3 and 6)."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">2I5B", data, 16)
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    n_bytes = 0
    for column, row, column_step, row_step in passes:
        columns = -((column - width) // column_step)
        rows = -((row - height) // row_step)
        if columns > 0 and rows > 0:
            n_bytes += rows * (1 + (columns * depth * _CHANNELS[colour] + 7) // 8)
    return n_bytes


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(name, content) of each chunk: length, name, content, CRC-32. IEND ends the file."""
    view, position = memoryview(data), len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[position + 4 : end - 4]) != crc:
            raise corrupt(f"checksum of chunk {name!r} does not fit")
        yield name, view[position + 8 : end - 4]
        if name == b"IEND":
            if data[end:].strip(PADDING):
                raise corrupt(GOES_ON)
            return
        position = end
    raise truncated("its end is missing")

"""JPEG files, walked marker by marker (ITU-T T.81, B.1) before a pixel is decoded.

Rejected is what decoders accept silently: a second picture, a large size over next to no data, and
thousands of scans, each of which costs a pass over the picture.
"""

import re
from typing import Final

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.images.formats import GOES_ON, PADDING, corrupt, truncated

MOST_SCANS: Final = 100  # progressive encoders write about ten, at the most 64
# Huffman codes take a bit or more a block of 8 x 8 pixels: so many pixels a byte at the most.
PIXELS_A_BYTE: Final = 512

_END, _SCAN = 0xD9, 0xDA
_HUFFMAN = (0xC0, 0xC1, 0xC2)  # frames: baseline, extended, progressive
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")  # within data: no stuffing, no restart


def require_one_plain_jpeg(data: bytes, n_pixels: int) -> None:
    """Reject a JPEG that goes on after its end, or whose data and costs do not fit its size.

    One that is cut short, or no sound row of markers, is left to its decoder.
    """
    position, n_scans, in_scans, is_huffman = 2, 0, 0, False
    while (found := _MARKER.match(data, position)) is not None:
        marker, position = found[1][0], found.end()
        if marker == _END:
            if data[position:].strip(PADDING):
                raise corrupt(GOES_ON)
            if is_huffman and in_scans * PIXELS_A_BYTE < n_pixels:
                raise truncated(f"{in_scans:,} bytes of data for {n_pixels:,} pixels")
            return
        if marker in _ALONE:
            continue
        is_huffman |= marker in _HUFFMAN
        position += int.from_bytes(data[position : position + 2], "big")
        if marker == _SCAN:
            n_scans += 1
            if n_scans > MOST_SCANS:
                raise RejectedFile(RejectionReason.TOO_LARGE, f"more than {MOST_SCANS} scans")
            following = _MARKER.search(data, position)
            if following is None:
                return
            in_scans += following.start() - position
            position = following.start()

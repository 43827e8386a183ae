"""PNG files whose chunks are damaged."""

import random

from mriad_model.enums import RejectionReason
from tests.support.scans.pictures import COLOUR, GRAY, encoded


def test_a_png_half_overwritten_is_corrupt(reason):
    data = bytearray(encoded(COLOUR))
    middle = len(data) // 2
    data[middle:-12] = random.Random(0).randbytes(len(data) - 12 - middle)
    assert reason(bytes(data)) == RejectionReason.CORRUPT


def test_an_ancillary_chunk_with_a_bad_checksum_is_corrupt_too(reason):
    data = encoded(GRAY, exif=b"Exif\0\0II*\0")
    assert reason(data.replace(b"II*\0", b"II*\1")) == RejectionReason.CORRUPT

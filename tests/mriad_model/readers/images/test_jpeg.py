"""JPEG files that decode without complaint, and still are not what they say, or cost too much."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from mriad_model.errors import RejectedFile
from mriad_model.readers.images.jpeg import MOST_SCANS, require_one_plain_jpeg
from mriad_model.readers.images.reading import read_image

y, x = np.mgrid[:96, :80]
HEAD = ((((x - 40) / 30) ** 2 + ((y - 48) / 40) ** 2 < 1) * (120 + x)).astype(np.uint8)


def jpeg(pixels=HEAD, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture
def reason(tmp_path):
    def rejected(data):
        path: Path = tmp_path / "a.jpg"
        path.write_bytes(data)
        try:
            read_image(path)
        except RejectedFile as error:
            return error.reason.value
        return None

    return rejected


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"quality": 5}, {"restart_marker_blocks": 2}, {"optimize": True}],
)
def test_a_plain_one_is_read(reason, options):
    assert reason(jpeg(**options)) is None
    assert reason(jpeg(**options) + bytes(64)) is None  # padding


def test_one_of_colours_with_a_preview_in_its_header_is_read(reason):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0" + jpeg(HEAD[:40, :40])
    assert reason(jpeg(np.dstack([HEAD] * 3), exif=exif)) is None


def test_a_constant_large_one_has_data_enough():
    large = jpeg(np.zeros((3000, 3000), np.uint8), quality=1, progressive=True, optimize=True)
    require_one_plain_jpeg(large, 9_000_000)


@pytest.mark.parametrize("between", [b"", b"\0\0", b"text"])
def test_two_in_one_file_are_rejected(reason, between):
    assert reason(jpeg() + between + jpeg(255 - HEAD)) == "corrupt"


def test_thousands_of_scans_are_counted_and_none_is_decoded(reason, monkeypatch):
    data = jpeg(progressive=True)
    at = data.rindex(b"\xff\xda")  # the last scan, over and over
    many = data[:at] + data[at:-2] * (MOST_SCANS + 1) + data[-2:]
    monkeypatch.setattr(ImageFile.ImageFile, "load", _decodes_nothing)
    assert reason(many) == "too_large"


def test_a_header_of_many_pixels_over_little_data_is_rejected(reason):
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    struct.pack_into(">2H", data, at + 5, 7000, 7000)
    assert reason(bytes(data)) == "truncated"


@pytest.mark.parametrize("kept", [3, 20, 300, -2])
def test_one_cut_short_is_rejected_as_before(reason, kept):
    assert reason(jpeg()[:kept]) in ("truncated", "corrupt")


def _decodes_nothing(*_):
    raise AssertionError("decoded")

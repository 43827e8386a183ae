"""Which files are pictures, whole ones and of one frame."""

import cv2
import pytest
from PIL import Image

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.images.reading import read_image
from tests.support.scans.pictures import COLOUR, FORMATS, GRAY, encoded


@pytest.mark.parametrize(
    "data",
    [
        b"patient notes\n" * 40,
        b"\x00\x00\x00\x01Bud1" + bytes(200),  # .DS_Store
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),  # Thumbs.db
        b"GIF89a" + bytes(60),
        b"BMI of the patients\n" * 10,
        bytes(128) + b"DICM" + bytes(100),
        b"\x89",
        b"\xff\xd8",
        b"%PDF-1.7\n",
    ],
)
def test_other_files_are_unsupported(reason, data):
    assert reason(data) == RejectionReason.UNSUPPORTED


def test_other_picture_formats_are_unsupported_whatever_pillow_can_read(reason):
    for kind in ("GIF", "WEBP", "PPM", "TGA"):
        assert reason(encoded(GRAY, kind)) == RejectionReason.UNSUPPORTED


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.95])
def test_a_file_cut_short_is_truncated(reason, kind, share):
    data = encoded(COLOUR, kind)
    assert reason(data[: round(len(data) * share)]) == RejectionReason.TRUNCATED


def test_a_tiff_cut_before_its_directory_is_truncated(reason):
    data = cv2.imencode(".tif", COLOUR)[1].tobytes()  # OpenCV writes the directory last
    big = b"II+\0\x08\0\0\0" + (10**9).to_bytes(8, "little") + bytes(50)
    assert reason(data[: len(data) // 2]) == RejectionReason.TRUNCATED
    assert reason(big) == RejectionReason.TRUNCATED


def test_a_detail_is_one_short_printable_line(tmp_path):
    path = tmp_path / "evil.png"
    path.write_bytes(encoded(GRAY).replace(b"IHDR", b"\x1b[2J"))
    with pytest.raises(RejectedFile) as caught:
        read_image(path)
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) <= 200


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_padding_after_the_end_is_let_pass_and_anything_else_is_not(read, reason, kind):
    data = encoded(GRAY, kind)
    assert read(data + bytes(512) + b"\r\n").sha256 == read(data).sha256
    assert reason(data + b"garbage") == RejectionReason.CORRUPT


def test_a_multi_page_tiff_an_animated_png_and_a_multi_picture_jpeg(reason):
    pages = [Image.fromarray(GRAY), Image.fromarray(GRAY[::-1].copy())]
    for kind in ("TIFF", "PNG", "MPO"):
        data = encoded(pages[0], kind, save_all=True, append_images=pages[1:])
        assert reason(data) == RejectionReason.MULTI_FRAME

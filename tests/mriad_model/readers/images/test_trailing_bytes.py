"""Pictures that decode without complaint while more lies behind, or beside, what is shown."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mriad_model.errors import RejectedFile
from mriad_model.readers.images.png import MOST_BEHIND, MOST_UNKNOWN
from mriad_model.readers.images.reading import read_image

y, x = np.mgrid[:96, :80]
HEAD = ((((x - 40) / 30) ** 2 + ((y - 48) / 40) ** 2 < 1) * (120 + x)).astype(np.uint8)
DEEP = HEAD.astype(np.uint16) * 200
COLOUR = np.dstack([HEAD, HEAD // 2, HEAD // 3])
NOISE = np.random.default_rng(0).integers(1, 255, 96 * 80, np.uint8).tobytes()
IEND = b"\0\0\0\0IEND\xaeB`\x82"


def encoded(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def chunk(name, content):
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png(raw, *between, interlaced=0):
    """HEAD's header over these image data."""
    head = struct.pack(">2I5B", 80, 96, 8, 0, 0, 0, interlaced)
    parts = (chunk(b"IHDR", head), *(chunk(b"IDAT", each) for each in raw), *between)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + IEND


def rows(pixels=HEAD):
    return b"".join(b"\0" + row.tobytes() for row in pixels)


@pytest.fixture
def outcome(tmp_path):
    """The reason of a rejection, or the pixels."""

    def of(data):
        path = tmp_path / "scan"
        path.write_bytes(data)
        try:
            return read_image(path).pixels
        except RejectedFile as error:
            return error.reason.value

    return of


def adam7(pixels):
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    return b"".join(rows(pixels[r::rs, c::cs]) for c, r, cs, rs in (*passes, (0, 1, 1, 2)))


def test_plain_pictures_of_every_kind_are_read(outcome):
    for kind in ("PNG", "BMP", "TIFF"):
        for pixels in (HEAD, COLOUR, HEAD > 0):
            assert not isinstance(outcome(encoded(pixels, kind)), str)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(outcome(encoded(DEEP, kind)), DEEP)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        assert not isinstance(outcome(encoded(HEAD, "TIFF", compression=compression)), str)
    for name in (".tif", ".bmp", ".png"):
        assert not isinstance(outcome(cv2.imencode(name, COLOUR)[1].tobytes()), str)


class TestAPng:
    def test_with_its_data_in_several_chunks_is_read(self, outcome):
        packed = zlib.compress(rows())
        parts = [packed[:10], b"", packed[10:]]
        np.testing.assert_array_equal(outcome(png(parts)), HEAD)

    @pytest.mark.parametrize("behind", [b"", bytes(MOST_BEHIND), NOISE])
    def test_that_is_interlaced_is_counted_by_its_passes(self, outcome, behind):
        found = outcome(png([zlib.compress(adam7(HEAD) + behind)], interlaced=1))
        if behind == NOISE:
            assert found == "corrupt"
        else:
            np.testing.assert_array_equal(found, HEAD)

    def test_with_a_few_bytes_behind_its_rows_is_read(self, outcome):
        for raw in (zlib.compress(rows() + b"x"), zlib.compress(rows()) + b"xyz"):
            np.testing.assert_array_equal(outcome(png([raw])), HEAD)

    @pytest.mark.parametrize(
        "raw",
        [
            [zlib.compress(rows() + rows(HEAD[::-1]))],
            [zlib.compress(rows()) + zlib.compress(rows()) + NOISE],
            [zlib.compress(rows()), NOISE],
            [zlib.compress(rows() + bytes(200_000_000))],
        ],
        ids=["rows", "stream", "chunk", "bomb"],
    )
    def test_with_more_behind_its_rows_is_corrupt(self, outcome, raw):
        assert outcome(png(raw)) == "corrupt"

    @pytest.mark.parametrize("n_bytes", [7, 3_000_000])
    def test_with_bytes_behind_its_end_is_corrupt(self, outcome, n_bytes):
        assert outcome(encoded(HEAD, "PNG") + b"x" * n_bytes) == "corrupt"

    def test_with_a_second_picture_is_rejected(self, outcome):
        packed = zlib.compress(rows())
        again = chunk(b"IDAT", zlib.compress(rows(HEAD[::-1])))
        assert outcome(png([packed], chunk(b"tEXt", b"a\0b"), again)) == "corrupt"
        whole = encoded(HEAD, "PNG")
        assert outcome(whole + whole) == "corrupt"
        assert outcome(png([packed], whole[8:33])) == "corrupt"  # IHDR again

    def test_with_frames_that_its_decoder_takes_for_none_is_multi_frame(self, outcome):
        frame = chunk(b"fdAT", bytes(4) + zlib.compress(rows(HEAD[::-1])))
        broken = chunk(b"acTL", bytes(8))  # says that there are no frames
        whole = png([zlib.compress(rows())], broken, frame)
        assert outcome(whole) == "multi_frame"

    def test_with_chunks_of_its_writer_s_own_is_read_up_to_a_size(self, outcome):
        packed = zlib.compress(rows())
        few, many = (chunk(b"maKe", bytes(n)) for n in (MOST_UNKNOWN, MOST_UNKNOWN + 1))
        np.testing.assert_array_equal(outcome(png([packed], few)), HEAD)
        assert outcome(png([packed], many)) == "corrupt"

    def test_with_a_chunk_that_must_be_understood_is_unsupported(self, outcome):
        assert outcome(png([zlib.compress(rows())], chunk(b"NEWX", b"1"))) == "unsupported"


class TestABmp:
    def test_with_more_than_its_rows_is_corrupt(self, outcome):
        for pixels in (HEAD, COLOUR):
            data = encoded(pixels, "BMP")
            np.testing.assert_array_equal(outcome(data + b"x" * 100), outcome(data))
            assert outcome(data + NOISE) == "corrupt"

    def test_upside_down_or_of_an_old_header_is_told_by_its_rows(self, outcome):
        pixels = HEAD[:, :79].copy()  # rows of 79 bytes are stored as 80
        padded = b"".join(row.tobytes() + b"\0" for row in pixels)
        palette = b"".join(bytes([level] * 3) for level in range(256))
        old = struct.pack("<I4H", 12, 79, 96, 1, 8) + palette
        top_down = struct.pack("<I2i2H6I", 40, 79, -96, 1, 8, 0, 0, 0, 0, 256, 0)
        top_down += b"".join(bytes([level] * 3 + [0]) for level in range(256))
        for head in (old, top_down):
            start = 14 + len(head)
            data = b"BM" + struct.pack("<3I", start + len(padded), 0, start) + head + padded
            assert outcome(data).shape == pixels.shape
            assert outcome(data + NOISE) == "corrupt"


class TestATiff:
    @pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"big_tiff": True}])
    def test_with_bytes_that_no_tag_takes_is_corrupt(self, outcome, options):
        data = encoded(HEAD, "TIFF", **options)
        np.testing.assert_array_equal(outcome(data + b"x" * 100), HEAD)
        assert outcome(data + NOISE) == "corrupt"

    def test_with_a_stack_of_slices_under_the_header_of_one_is_corrupt(self, outcome):
        """In the strip of the first, or between the first and the directory."""
        for counted in (len(HEAD.tobytes()), len(HEAD.tobytes()) + len(NOISE)):
            assert outcome(stacked(HEAD.tobytes() + NOISE, counted)) == "corrupt"
        np.testing.assert_array_equal(outcome(stacked(HEAD.tobytes(), HEAD.size)), HEAD)

    def test_with_one_number_of_bits_for_all_channels_is_counted_whole(self, outcome):
        data = stacked(COLOUR.tobytes(), COLOUR.size, samples=3)
        assert not isinstance(outcome(data), str)
        assert outcome(stacked(COLOUR.tobytes() + NOISE, COLOUR.size, samples=3)) == "corrupt"

    def test_with_long_notes_of_its_maker_is_read(self, outcome):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x927C] = NOISE
        np.testing.assert_array_equal(outcome(encoded(HEAD, "TIFF", exif=exif)), HEAD)


def stacked(data, counted, samples=1):
    tags = ((256, 80), (257, 96), (258, 8), (259, 1), (262, 2 if samples == 3 else 1), (273, 8))
    tags += ((277, samples), (278, 96), (279, counted))
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + body + bytes(4)

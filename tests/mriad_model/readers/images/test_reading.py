"""Reading picture files: what is read, by which rules, and what is refused for which reason."""

import gzip
import io
import os
import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.folders import list_files
from mriad_model.readers.images.decoding import levels_at
from mriad_model.readers.images.reading import ImageScan, ReadLimits, content_sha256, read_image
from tests.support.places import SHARED

KAGGLE = SHARED / "kaggle253"
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")


def slice_like(rows=48, columns=40, dtype=np.uint8, seed=0):
    """A bright ellipse with texture on black, (rows, columns)."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    noise = np.random.default_rng(seed).random((rows, columns))
    top = np.iinfo(dtype).max
    return ((x**2 + y**2 < 0.8) * (0.5 + 0.1 * y + 0.3 * noise) * top).astype(dtype)


GRAY = slice_like()
DEEP = slice_like(dtype=np.uint16)
COLOUR = np.dstack([slice_like(seed=seed) for seed in (1, 2, 3)])


def encoded(picture, kind="PNG", **options):
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    def read_bytes(data, limits=None):
        path = tmp_path / "scan"
        path.write_bytes(data)
        return read_image(path, limits)

    return read_bytes


@pytest.fixture
def reason(read):
    """The reason for which these bytes are refused."""

    def refused(data, limits=None):
        with pytest.raises(RejectedFile) as caught:
            read(data, limits)
        assert caught.value.detail
        return caught.value.reason

    return refused


def luma(colour):
    """ITU-R 601, as the module's rules state it."""
    red, green, blue = (colour[..., channel].astype(np.uint64) for channel in range(3))
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16


# What is read


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_eight_bits_come_out_as_they_went_in(read, kind):
    scan = read(encoded(GRAY, kind))
    assert scan.pixels.dtype == np.uint8
    assert scan.pixels.flags.c_contiguous
    assert scan.bits == 8
    np.testing.assert_array_equal(scan.pixels, GRAY)


def test_a_jpeg_is_read_to_within_its_losses(read):
    smooth = cv2.GaussianBlur(GRAY, (0, 0), 2)
    assert np.abs(read(encoded(smooth, "JPEG", quality=95)).pixels.astype(int) - smooth).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_kept(read, kind):
    scan = read(encoded(DEEP, kind))
    assert scan.pixels.dtype == np.uint16
    assert scan.bits == 16
    np.testing.assert_array_equal(scan.pixels, DEEP)


def tiff(rows, columns, data, *, bits=16, photometric=1, order="<", sample_format=1, samples=1):
    """A minimal uncompressed TIFF, tag by tag (TIFF 6.0, section 2)."""
    tags = [
        (256, 4, 1, columns),
        (257, 4, 1, rows),
        (258, 3, 1, bits),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (277, 3, 1, samples),
        (278, 4, 1, rows),
        (279, 4, 1, len(data)),
        (339, 3, 1, sample_format),
    ]
    body = b""
    for tag, kind, count, value in tags:
        shown = (
            struct.pack(f"{order}I", value) if kind == 4 else struct.pack(f"{order}HH", value, 0)
        )
        body += struct.pack(f"{order}HHI", tag, kind, count) + shown
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(tags)) + body + bytes(4)


def test_big_endian_and_white_is_zero_are_told_apart(read):
    little = tiff(*DEEP.shape, DEEP.astype("<u2").tobytes())
    big = tiff(*DEEP.shape, DEEP.astype(">u2").tobytes(), order=">")
    white = tiff(*DEEP.shape, (0xFFFF - DEEP).astype("<u2").tobytes(), photometric=0)
    white8 = tiff(*GRAY.shape, (255 - GRAY).tobytes(), photometric=0, bits=8)
    for data in (little, big, white):
        np.testing.assert_array_equal(read(data).pixels, DEEP)
    np.testing.assert_array_equal(read(white8).pixels, GRAY)


def test_wider_or_signed_integers_are_read_where_sixteen_bits_hold_them(read, reason):
    signed = DEEP.astype(np.int64) // 2
    for data in (
        tiff(*DEEP.shape, signed.astype("<i2").tobytes(), sample_format=2),
        tiff(*DEEP.shape, signed.astype("<i4").tobytes(), sample_format=2, bits=32),
    ):
        scan = read(data)
        assert scan.bits == 16
        np.testing.assert_array_equal(scan.pixels, signed)
    below = tiff(*DEEP.shape, (signed - 5).astype("<i2").tobytes(), sample_format=2)
    above = tiff(*DEEP.shape, (signed + 70_000).astype("<i4").tobytes(), sample_format=2, bits=32)
    assert reason(below) == reason(above) == RejectionReason.UNSUPPORTED


def test_floating_point_is_refused_with_or_without_nan(reason):
    values = DEEP.astype("<f4")
    values[3, 3] = np.nan
    for data in (DEEP.astype("<f4"), values):
        as_tiff = tiff(*DEEP.shape, data.tobytes(), sample_format=3, bits=32)
        assert reason(as_tiff) == RejectionReason.UNSUPPORTED


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit_becomes_black_and_white(read, kind):
    mask = Image.fromarray(GRAY > 128)
    assert mask.mode == "1"
    np.testing.assert_array_equal(read(encoded(mask, kind)).pixels, (GRAY > 128) * np.uint8(255))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_colour_becomes_luma_by_one_rule(read, kind):
    np.testing.assert_array_equal(read(encoded(COLOUR, kind)).pixels, luma(COLOUR))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_a_palette_is_looked_up(read, kind):
    picture = Image.fromarray(COLOUR).quantize(16)
    np.testing.assert_array_equal(
        read(encoded(picture, kind)).pixels, luma(np.asarray(picture.convert("RGB")))
    )


def test_cmyk_is_read_through_rgb(read):
    picture = Image.fromarray(COLOUR).convert("CMYK")
    expected = luma(np.asarray(picture.convert("RGB")))
    np.testing.assert_array_equal(read(encoded(picture, "TIFF")).pixels, expected)
    lossy = read(encoded(picture, "JPEG", quality=100)).pixels
    assert np.abs(lossy.astype(int) - expected.astype(int)).mean() < 2


def test_what_is_transparent_lies_on_black(read):
    alpha = np.where(np.arange(40) < 20, 255, 100).astype(np.uint8) * np.ones((48, 1), np.uint8)
    on_black = np.rint(GRAY * (alpha / 255.0))
    for picture in (
        Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(alpha)]),
        Image.fromarray(np.dstack([GRAY, GRAY, GRAY, alpha])),
    ):
        np.testing.assert_array_equal(read(encoded(picture)).pixels, on_black)


def test_a_transparent_colour_lies_on_black(read):
    value = int(GRAY.max())
    expected = np.where(value == GRAY, 0, GRAY)
    np.testing.assert_array_equal(read(encoded(GRAY, transparency=value)).pixels, expected)
    palette = Image.fromarray(GRAY).convert("P")
    np.testing.assert_array_equal(read(encoded(palette, transparency=value)).pixels, expected)
    deep = int(DEEP.max())
    data = encoded(DEEP, transparency=deep)
    np.testing.assert_array_equal(read(data).pixels, np.where(deep == DEEP, 0, DEEP))


def test_sixteen_bits_a_channel_are_not_cut_to_eight(read, reason):
    alpha = np.where(np.arange(40) < 20, 65535, 30_000).astype(np.uint16)
    colour = np.dstack([slice_like(dtype=np.uint16, seed=seed) for seed in (1, 2, 3)])
    bgr = colour[..., ::-1]
    plain = cv2.imencode(".png", bgr)[1].tobytes()
    seen = cv2.imencode(".png", np.dstack([bgr, np.broadcast_to(alpha, DEEP.shape)]))[1].tobytes()
    equal = cv2.imencode(".png", np.dstack([DEEP, DEEP, DEEP]))[1].tobytes()
    np.testing.assert_array_equal(read(plain).pixels, luma(colour))
    np.testing.assert_array_equal(
        read(seen).pixels, np.rint(luma(colour) * (alpha / 65535.0)).astype(np.uint16)
    )
    assert read(equal).sha256 == content_sha256(DEEP)
    assert reason(cv2.imencode(".tif", bgr)[1].tobytes()) == RejectionReason.UNSUPPORTED


def test_sixteen_bit_gray_with_alpha_is_composited(read):
    alpha = np.where(np.arange(40) < 20, 65535, 30_000).astype(np.uint16)
    rows = np.dstack([DEEP, np.broadcast_to(alpha, DEEP.shape)]).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    data = png_of(*DEEP.shape, bits=16, colour=4, raw=raw)
    np.testing.assert_array_equal(
        read(data).pixels, np.rint(DEEP * (alpha / 65535.0)).astype(np.uint16)
    )


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(rows, columns, *, bits=8, colour=0, raw=b""):
    head = struct.pack(">IIBBBBB", columns, rows, bits, colour, 0, 0, 0)
    chunks = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_pixels_upright(read, kind, orientation):
    picture = Image.fromarray(cv2.GaussianBlur(GRAY, (0, 0), 2))
    exif = picture.getexif()
    exif[0x0112] = orientation
    data = encoded(picture, kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    scan = read(data)
    assert scan.pixels.shape == ((48, 40) if orientation < 5 else (40, 48))
    np.testing.assert_array_equal(scan.pixels, expected)


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"x"],
)
def test_damaged_exif_does_not_cost_the_scan(read, exif):
    assert read(encoded(GRAY, "JPEG", exif=exif)).pixels.shape == GRAY.shape
    assert read(encoded(GRAY, "PNG", exif=exif)).pixels.shape == GRAY.shape


def test_the_name_says_nothing(tmp_path):
    for name in ("a.jpg", "a.DCM", "a", "a.txt"):
        (tmp_path / name).write_bytes(encoded(GRAY, "PNG"))
        assert read_image(tmp_path / name).sha256 == content_sha256(GRAY)


def test_a_name_in_any_bytes_is_opened(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.png"))
    path.write_bytes(encoded(GRAY))
    assert read_image(path).sha256 == content_sha256(GRAY)


@pytest.mark.parametrize("pixels", [GRAY, DEEP], ids=["8 bits", "16 bits"])
def test_levels_are_those_that_sorting_gives(pixels):
    percents = (0, 0.5, 1, 50, 99, 99.5, 100)
    expected = np.percentile(pixels, percents, method="inverted_cdf")
    assert levels_at(pixels, percents) == expected.tolist()


# Identity


def test_the_same_pixels_are_the_same_scan_in_any_file(read):
    colour = Image.fromarray(GRAY).convert("RGB")
    opaque = Image.fromarray(GRAY).convert("RGBA")
    files = [
        encoded(GRAY, "PNG"),
        encoded(GRAY, "PNG", compress_level=1),
        encoded(GRAY, "BMP"),
        encoded(GRAY, "TIFF"),
        encoded(GRAY, "TIFF", compression="tiff_lzw"),
        encoded(GRAY, "TIFF", compression="tiff_adobe_deflate"),
        encoded(colour, "PNG"),
        encoded(colour, "BMP"),
        encoded(opaque, "PNG"),
        encoded(opaque, "TIFF"),
        encoded(Image.fromarray(GRAY).convert("P"), "PNG"),
    ]
    assert {read(data).sha256 for data in files} == {content_sha256(GRAY)}


def test_other_pixels_shape_or_depth_are_another_scan():
    changed = GRAY.copy()
    changed[0, 0] ^= 1
    ids = [content_sha256(x) for x in (GRAY, changed, GRAY.T, GRAY.astype(np.uint16))]
    assert len(set(ids)) == 4


def test_identity_does_not_depend_on_memory_layout():
    big_endian = DEEP.astype(">u2")
    assert content_sha256(np.asfortranarray(DEEP)) == content_sha256(DEEP)
    assert content_sha256(big_endian) == content_sha256(DEEP)


def test_the_identity_is_fixed_for_ever():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert content_sha256(pixels).startswith("dc433d1294f9ce1c")


# What is refused


def test_an_empty_file(reason):
    assert reason(b"") == RejectionReason.EMPTY


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


def test_a_png_bomb_is_too_large_before_anything_is_unpacked(reason):
    packed = zlib.compressobj(9)
    start = packed.compress(b"") + packed.flush(zlib.Z_FULL_FLUSH)
    thousand_rows = packed.compress(bytes(30_001_000)) + packed.flush(zlib.Z_FULL_FLUSH)
    raw = start + 30 * thousand_rows + packed.flush()
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")
    assert len(data) < 1_000_000
    tracemalloc.start()
    assert reason(data) == RejectionReason.TOO_LARGE
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", FORMATS)
def test_sizes_are_checked_from_the_header(reason, kind):
    assert reason(encoded(GRAY, kind), ReadLimits(max_pixels=1000)) == RejectionReason.TOO_LARGE


def test_a_tiff_that_claims_a_huge_picture_is_too_large(reason):
    assert reason(tiff(60_000, 60_000, b"")) == RejectionReason.TOO_LARGE


def test_a_file_over_the_byte_cap_is_too_large(reason, tmp_path):
    assert reason(encoded(GRAY), ReadLimits(max_bytes=100)) == RejectionReason.TOO_LARGE
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(RejectedFile, match="too_large"):
        read_image(tmp_path / "sparse")


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


@pytest.mark.parametrize("kind", FORMATS)
def test_no_file_cut_anywhere_gives_other_pixels(tmp_path, kind):
    data = encoded(COLOUR, kind)
    whole = tmp_path / "whole"
    whole.write_bytes(data)
    expected = read_image(whole).sha256
    for end in [*random.Random(0).sample(range(len(data)), 60), len(data) - 1, len(data) - 2]:
        (tmp_path / "cut").write_bytes(data[:end])
        try:
            found = read_image(tmp_path / "cut").sha256
        except RejectedFile:
            continue
        assert found == expected  # what was cut off held no pixels


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_padding_after_the_end_is_let_pass_and_anything_else_is_not(read, reason, kind):
    data = encoded(GRAY, kind)
    assert read(data + bytes(512) + b"\r\n").sha256 == read(data).sha256
    assert reason(data + b"garbage") == RejectionReason.CORRUPT


def test_a_png_half_overwritten_is_corrupt(reason):
    data = bytearray(encoded(COLOUR))
    middle = len(data) // 2
    data[middle:-12] = random.Random(0).randbytes(len(data) - 12 - middle)
    assert reason(bytes(data)) == RejectionReason.CORRUPT


def test_an_ancillary_chunk_with_a_bad_checksum_is_corrupt_too(reason):
    data = encoded(GRAY, exif=b"Exif\0\0II*\0")
    assert reason(data.replace(b"II*\0", b"II*\1")) == RejectionReason.CORRUPT


def test_a_multi_page_tiff_an_animated_png_and_a_multi_picture_jpeg(reason):
    pages = [Image.fromarray(GRAY), Image.fromarray(GRAY[::-1].copy())]
    for kind in ("TIFF", "PNG", "MPO"):
        data = encoded(pages[0], kind, save_all=True, append_images=pages[1:])
        assert reason(data) == RejectionReason.MULTI_FRAME


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_picture_has_no_signal(reason, value):
    for kind in FORMATS:
        data = encoded(np.full((48, 40), value, np.uint8), kind)
        assert reason(data) == RejectionReason.NO_SIGNAL
    deep = encoded(np.full((48, 40), value * 257, np.uint16))
    assert reason(deep) == RejectionReason.NO_SIGNAL


def test_a_picture_all_transparent_has_no_signal(reason):
    clear = np.dstack([COLOUR, np.zeros((48, 40), np.uint8)])
    assert reason(encoded(clear)) == RejectionReason.NO_SIGNAL


@pytest.mark.parametrize("shape", [(1, 1), (2, 4000), (4000, 2), (31, 31), (40, 161)])
def test_a_picture_too_small_or_too_long_has_a_bad_shape(reason, shape):
    data = encoded(slice_like(*shape))
    assert reason(data) == RejectionReason.BAD_SHAPE


def test_the_smallest_and_longest_allowed_are_read(read):
    assert read(encoded(slice_like(32, 128))).pixels.shape == (32, 128)


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(RejectedFile, match="not_regular"):
            read_image(path)


def test_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(GRAY))
    (tmp_path / "link.png").symlink_to("a.png")
    with pytest.raises(RejectedFile, match="symlink"):
        read_image(tmp_path / "link.png")


def test_what_the_disk_refuses_is_unreadable(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    with pytest.raises(RejectedFile, match="unreadable: No such file"):
        read_image(path)
    path.write_bytes(encoded(GRAY))

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mriad_model.files.os.open", refuse)
    with pytest.raises(RejectedFile, match="unreadable: Permission denied"):
        read_image(path)


def test_running_out_of_memory_rejects_the_file_and_goes_on(reason, monkeypatch):
    def no_memory(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("mriad_model.readers.images.decoding.Image.Image.convert", no_memory)
    assert reason(encoded(COLOUR)) == RejectionReason.TOO_LARGE


# Hostile bytes

SEEDS = {
    **{kind: encoded(COLOUR, kind) for kind in FORMATS},
    "gray JPEG": encoded(GRAY, "JPEG", progressive=True),
    "deep PNG": encoded(DEEP, "PNG"),
    "palette PNG": encoded(Image.fromarray(COLOUR).quantize(16), "PNG", transparency=3),
    "LZW TIFF": encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    "deep TIFF": encoded(DEEP, "TIFF"),
    "palette BMP": encoded(Image.fromarray(COLOUR).quantize(16), "BMP"),
}


@st.composite
def damaged(draw):
    """A good file with some bytes changed, cut out or put in; changes crowd in the header."""
    data = bytearray(SEEDS[draw(st.sampled_from(sorted(SEEDS)))])
    for _ in range(draw(st.integers(1, 6))):
        reach = draw(st.sampled_from([64, 256, len(data)]))
        at = draw(st.integers(0, max(min(reach, len(data)) - 1, 0)))
        match draw(st.sampled_from(["change", "change", "cut", "insert", "end"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case "cut":
                del data[at : at + draw(st.integers(1, 40))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=20))
            case "end":
                del data[at:]
    return bytes(data)


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=damaged())
def test_damaged_files_give_a_scan_or_a_reason_and_nothing_else(read, data):
    try:
        scan = read(data)
    except RejectedFile:
        return
    assert isinstance(scan, ImageScan)
    assert scan.pixels.dtype in (np.uint8, np.uint16)
    assert scan.pixels.min() < scan.pixels.max()


# Real files


@pytest.mark.skipif(not KAGGLE.is_dir(), reason="shared/data/kaggle253 is absent")
def test_all_253_real_images_are_read_as_228_scans():
    scans = [read_image(found.path) for found in list_files(KAGGLE)]
    assert len(scans) == 253
    assert len({scan.sha256 for scan in scans}) == 228


def test_a_packed_file_that_is_no_nifti_is_called_one(read):
    with pytest.raises(RejectedFile) as raised:
        read(gzip.compress(bytes(128) + b"DICM"))
    assert raised.value.reason is RejectionReason.UNSUPPORTED
    assert "a gzip file" in raised.value.detail
    assert "unpack it" in raised.value.detail

"""From any picture to grey pixels: the rules, and what they reject."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from mriad_model.enums import RejectionReason
from mriad_model.readers.images.decoding import levels_at
from mriad_model.readers.images.reading import content_sha256
from tests.support.scans.pictures import COLOUR, DEEP, GRAY, encoded, png_of, slice_like, tiff


def luma(colour):
    """ITU-R 601, as the module's rules state it."""
    red, green, blue = (colour[..., channel].astype(np.uint64) for channel in range(3))
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16


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


def test_floating_point_is_rejected_with_or_without_nan(reason):
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


@pytest.mark.parametrize("pixels", [GRAY, DEEP], ids=["8 bits", "16 bits"])
def test_levels_are_those_that_sorting_gives(pixels):
    percents = (0, 0.5, 1, 50, 99, 99.5, 100)
    expected = np.percentile(pixels, percents, method="inverted_cdf")
    assert levels_at(pixels, percents) == expected.tolist()

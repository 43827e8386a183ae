import cv2
import numpy as np
import pytest

from mriad_model.enums import NOTICE
from mriad_model.heatmaps import captions
from mriad_model.heatmaps.captions import footer, text_row, text_size
from mriad_model.heatmaps.overlay import ColourScale, displayed, encode, montage, overlay

SCALE = ColourScale(1.0, 3.0)
CAPTION = "suspicious · score 3.21"


def gray(rows=128, columns=128, dtype=np.uint8):
    ramp = np.linspace(0, 0.8, columns) * np.ones((rows, 1))
    return (ramp * np.iinfo(dtype).max).astype(dtype)


def flat_map(value, rows=128, columns=128):
    return np.full((rows, columns), value, np.float32)


def colourfulness(picture):
    return np.ptp(picture.astype(int), axis=2)


def test_a_map_at_or_below_the_scale_leaves_the_scan_as_it_is():
    for value in (1.0, 0.0, -50.0):
        picture = overlay(gray(), flat_map(value), SCALE, CAPTION)[:128]
        np.testing.assert_array_equal(picture, gray()[..., None].repeat(3, axis=2))


def test_colour_grows_with_the_map_and_stays_full_above_the_scale():
    shown = [
        colourfulness(overlay(gray(), flat_map(value), SCALE, "")[:128]).mean()
        for value in (1.0, 1.4, 1.8, 2.2)
    ]
    assert shown == sorted(shown)
    assert shown[0] == 0
    top, above = (overlay(gray(), flat_map(value), SCALE, "") for value in (3.0, 1e6))
    np.testing.assert_array_equal(top, above)


def test_the_anatomy_shows_through_the_worst_finding():
    row = overlay(gray(), flat_map(9), SCALE, "")[64].sum(axis=1).astype(int)
    assert np.all(np.diff(row) >= 0)
    assert row[-1] > row[0] + 100


def test_colour_lies_where_the_map_is_high_and_nowhere_else():
    anomaly = flat_map(0)
    anomaly[40:60, 70:90] = 3
    coloured = colourfulness(overlay(gray(), anomaly, SCALE, "")[:128]) > 0
    np.testing.assert_array_equal(coloured, anomaly > 0)


def test_the_same_value_has_the_same_colour_whatever_else_the_map_holds():
    calm, wild = flat_map(2), flat_map(2)
    wild[:10] = 100
    one, other = (overlay(gray(), anomaly, SCALE, "")[10:128] for anomaly in (calm, wild))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("width", [1, 2, 8, 32, 50, 96, 128, 200, 512, 2048])
def test_the_picture_keeps_the_scans_size_and_adds_a_footer(width):
    rows = max(width, 8)
    pixels = gray(rows, width)
    picture = overlay(pixels, flat_map(0, rows, width), SCALE, "a caption far too long " * 20)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (width, 3)
    assert picture.shape[0] > rows
    np.testing.assert_array_equal(picture[:rows, :, 0], pixels)


def test_the_footers_height_depends_on_the_width_alone():
    bar = bytes(range(30))
    assert footer(300, bar, "").shape == footer(300, bar, "words " * 99).shape


@pytest.mark.parametrize("width", [96, 128, 256, 512, 1024, 2048])
def test_the_whole_notice_fits_from_96_pixels_on(width):
    size = text_size(width)
    lines = captions._notice_lines(width, size)
    assert " ".join(lines) == NOTICE
    for line in lines:
        assert captions._length(line, size) <= width


@pytest.mark.parametrize("width", [32, 40, 64, 85])
def test_narrow_pictures_bear_a_shorter_notice(width):
    notice = " ".join(captions._notice_lines(width, text_size(width)))
    assert notice in captions.SHORTER_NOTICES[1:]


def test_text_leaves_ink_and_none_of_it_touches_the_edges():
    for width in (64, 128, 512):
        row = text_row("gjpqy ÅÄ", width, text_size(width), 255)[..., 0]
        assert row.max() > 200
        assert set(row[:, 0]) | set(row[:, -1]) | set(row[-1]) == {captions.PAPER}


def test_what_is_no_judgement_has_no_colour_bar_and_the_same_height():
    with_bar, without = (
        overlay(gray(), flat_map(0), SCALE, "not scorable", barred=barred)
        for barred in (True, False)
    )
    assert with_bar.shape == without.shape
    assert colourfulness(with_bar[128:]).max() > 0
    assert colourfulness(without[128:]).max() == 0
    rows = np.flatnonzero((with_bar != without).any(axis=(1, 2)))
    assert set(rows) <= set(range(128, 128 + round(1.5 * text_size(128))))
    assert (without[rows] == captions.PAPER).all()


def test_a_caption_too_long_ends_in_an_ellipsis():
    assert captions._fitted("suspicious · score 3.21", 66, 10) == "suspicious…"
    assert captions._fitted("short", 70, 10) == "short"
    assert captions._fitted("anything", 1, 10) == ""


def test_sixteen_bit_scans_are_windowed_so_that_one_hot_pixel_does_not_blacken_them():
    pixels = (np.linspace(100, 900, 128 * 128).reshape(128, 128)).astype(np.uint16)
    pixels[5, 5] = 65_535
    shown = displayed(pixels)
    assert shown.dtype == np.uint8
    assert 120 < shown.mean() < 136
    dot = np.zeros((64, 64), np.uint16)
    dot[3, 3] = 9
    assert displayed(dot).max() == 255


def test_eight_bit_scans_are_shown_as_they_are():
    np.testing.assert_array_equal(displayed(gray()), gray())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_never_drawn_as_calm(bad):
    anomaly = flat_map(0)
    anomaly[3, 3] = bad
    with pytest.raises(ValueError, match="finite"):
        overlay(gray(), anomaly, SCALE, "")


def test_a_map_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(64, 64\)"):
        overlay(gray(), flat_map(0, 64, 64), SCALE, "")


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (np.nan, 1), (0, np.inf)])
def test_a_scale_that_scales_nothing_is_refused(low, high):
    with pytest.raises(ValueError, match="low < high"):
        ColourScale(low, high)


def test_encoding_is_deterministic_and_close_to_what_was_drawn():
    anomaly = cv2.GaussianBlur(np.pad(flat_map(40, 8, 8), 60), (0, 0), 12)
    picture = overlay(gray(), anomaly, SCALE, CAPTION)
    data = encode(picture)
    assert data == encode(picture.copy())
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < 1


def test_a_montage_lays_pictures_of_any_size_in_rows():
    pictures = [overlay(gray(), flat_map(2), SCALE, ""), gray(50, 200), gray(300, 100)]
    sheet = montage(pictures, columns=2, tile=120, captions=["one", "two", ""])
    caption = sheet.shape[0] // 2 - 120
    assert sheet.shape == (2 * (120 + caption), 240, 3)
    assert (sheet[:120, :120] != captions.PAPER).any()
    assert (sheet[-120 - caption :, 120:] == captions.PAPER).all()


def test_a_montage_needs_pictures_and_a_caption_for_each():
    with pytest.raises(ValueError, match="captions"):
        montage([gray()], columns=2, tile=64, captions=[])
    with pytest.raises(ValueError, match="no pictures"):
        montage([], columns=2, tile=64, captions=[])


@pytest.mark.parametrize("width", [64, 96, 128, 157, 219, 256, 512])
def test_the_colour_bar_has_a_label_at_each_end_whatever_the_width(width):
    band = footer(width, bytes([255, 0, 0] * 2), "")
    bar = band[: round(1.5 * text_size(width))]
    ink = (np.ptp(bar.astype(int), axis=2) == 0) & (bar[..., 0] > captions.PAPER + 40)
    columns = np.flatnonzero(ink.any(axis=0))
    coloured = np.flatnonzero((np.ptp(bar.astype(int), axis=2) > 0).any(axis=0))
    assert columns.min() < coloured.min()
    assert columns.max() > coloured.max()
    assert len(coloured) >= width / 5


def test_the_footers_height_is_told():
    for width in (64, 157, 512):
        assert captions.footer_height(width) == len(footer(width, bytes(768), CAPTION))

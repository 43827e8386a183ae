import cv2
import numpy as np
import pytest

from mriad_model.preprocessing.foreground import (
    ACROSS,
    DOWN,
    THICK,
    _without_lines,
    bounding_box,
    head_mask,
)

SHAPE = (192, 160)
CENTRE, AXES = (80, 96), (52, 70)


def ellipse(scale=1.0):
    drawn = np.zeros(SHAPE, np.uint8)
    axes = (round(AXES[0] * scale), round(AXES[1] * scale))
    cv2.ellipse(drawn, CENTRE, axes, 0, 0, 360, 1, cv2.FILLED)
    return drawn.astype(np.bool_)


def drawn_head():
    """Scalp, a dark skull that parts it from the brain, and dark ventricles."""
    pixels = np.zeros(SHAPE, np.uint8)
    pixels[ellipse()] = 200
    pixels[ellipse(0.93)] = 4
    pixels[ellipse(0.85)] = 110
    pixels[ellipse(0.25)] = 10
    return pixels


def overlap(mask):
    return (mask & ellipse()).sum() / (mask | ellipse()).sum()


def framed(pixels):
    cv2.rectangle(pixels, (2, 2), (157, 189), 255, 2)


def lettered(pixels):
    cv2.putText(pixels, "L 3T", (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)


def margined(pixels):
    pixels[:, :14] = 255
    pixels[:, -14:] = 255


def ruled(pixels):
    pixels[96, 120:] = 255


def on_white(pixels):
    outside = ~ellipse(1.04)
    pixels[outside] = 255


def on_grey(pixels):
    pixels[~ellipse()] = 45


def noisy(pixels):
    noise = np.random.default_rng(0).normal(0, 5, pixels.shape)
    pixels[:] = (pixels + noise).clip(0, 255)


@pytest.mark.parametrize(
    "spoil", [None, framed, lettered, margined, ruled, on_white, on_grey, noisy]
)
def test_the_head_is_found_with_its_scalp(spoil):
    pixels = drawn_head()
    if spoil:
        spoil(pixels)

    assert overlap(head_mask(pixels)) > 0.95


def test_ventricles_and_skull_belong_to_the_head():
    mask = head_mask(drawn_head())

    assert mask[ellipse(0.9)].all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_scale_of_the_values_does_not_matter(dtype):
    mask = head_mask(drawn_head().astype(dtype) * dtype(50))

    np.testing.assert_array_equal(mask, head_mask(drawn_head()))


@pytest.mark.parametrize("value", [0, 7, 255])
def test_where_nothing_stands_out_all_is_foreground(value):
    assert head_mask(np.full((20, 30), value, np.uint8)).all()


def test_a_bounding_box_is_tight():
    mask = np.zeros((20, 30), np.bool_)
    mask[3:8, 10:21] = True

    assert bounding_box(mask) == (3, 10, 5, 11)


def without_lines_the_plain_way(bright):
    thin = cv2.subtract(bright, cv2.morphologyEx(bright, cv2.MORPH_OPEN, THICK))
    for line in (ACROSS, DOWN):
        bright = cv2.subtract(bright, cv2.morphologyEx(thin, cv2.MORPH_OPEN, line))
    return bright


def test_a_line_that_reaches_the_edge_is_taken_off_though_it_is_short():
    bright = np.zeros((200, 200), np.uint8)
    bright[100, :40] = 1
    bright[:40, 100] = 1

    assert not _without_lines(bright).any()


def test_lines_across_a_small_picture_are_taken_off():
    bright = np.zeros((60, 60), np.uint8)
    bright[30] = 1
    bright[:, 20] = 1

    assert not _without_lines(bright).any()


def test_looking_for_lines_first_takes_off_the_same():
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = rng.integers(8, 150, 2)
        bright = (rng.random((height, width)) < rng.choice([0.02, 0.2])).astype(np.uint8)
        for _ in range(3):
            row, column, length = rng.integers(0, (height, width, 140))
            bright[row, column : column + length] = 1
            bright[row : row + length, column] = 1

        np.testing.assert_array_equal(_without_lines(bright), without_lines_the_plain_way(bright))

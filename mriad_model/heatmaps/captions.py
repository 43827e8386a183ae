"""Text on pictures: small, legible, cut to fit, and always with the notice."""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from mriad_model.enums import NOTICE

Picture = npt.NDArray[np.uint8]

# A picture stands alone in a viewer or a PACS, and on pages beside standard deviations.
SCORE = "score {score:.3g} (model {model}'s unit)"

SHORTER_NOTICES = (NOTICE, "Research use only", "RUO")  # RUO: 21 CFR 809.10(c)
MAX_NOTICE_LINES = 4
NOT_SCORABLE = "not scorable"
NO_BAR = b""  # no colours: of a scan that is not judged
# Of the colour bar's ends, with the share of the width that the bar keeps: the first that fit.
ENDS = (
    ("like healthy", "unlike healthy", 1 / 3),
    ("like", "unlike", 1 / 5),
    ("-", "+", 1 / 5),
)
PAPER = 18  # gray of the band
INK = 214
FAINT_INK = 165
WIDE_GAPS_BELOW = 13  # pixels: there, one space of this type rounds to next to nothing
ELLIPSIS = "…"


def footer(width: int, bar: bytes, caption: str) -> Picture:
    """A band for below a picture: colour bar, caption, notice; (h, width, 3) uint8, BGR.

    Its height depends on the width alone. `bar` holds colours from low to high, BGR, 3 bytes each;
    with `NO_BAR` its row is empty.
    """
    size = text_size(width)
    above, below = _fixed_rows(width, size, bar)
    return np.vstack((above, text_row(caption, width, size, INK), below))


def footer_height(width: int) -> int:
    """How many rows `footer` has below a picture of this width."""
    return len(footer(width, bytes(6), ""))


def text_size(width: int) -> int:
    """The size of type, in pixels, for a picture of this width."""
    return min(max(6 + round(width / 64), 10), 36)


def text_row(text: str, width: int, size: int, ink: int) -> Picture:
    """One line of text on the band's paper, cut to fit; (1.4 size, width, 3) uint8."""
    height, margin = round(1.4 * size), _margin(size)
    canvas = Image.new("L", (width, height), PAPER)
    fitted = _fitted(text, width - 2 * margin, size)
    if fitted:
        where, text = (margin, height - size // 2), _spaced(fitted, size)
        ImageDraw.Draw(canvas).text(where, text, ink, _font(size), anchor="ls")
    return np.asarray(cv2.cvtColor(np.asarray(canvas), cv2.COLOR_GRAY2BGR), np.uint8)


def _margin(size: int) -> int:
    return size // 3


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _length(text: str, size: int) -> float:
    """Width in pixels, as `text_row` sets it."""
    return _font(size).getlength(_spaced(text, size))


def _spaced(text: str, size: int) -> str:
    return text.replace(" ", "  ") if size < WIDE_GAPS_BELOW else text


def _fitted(text: str, room: float, size: int) -> str:
    """The text, or as much of it as there is room for, with an ellipsis."""
    length = _length(text, size)
    if length <= room:
        return text
    likely = round(len(text) * room / length) + 2  # characters
    for end in range(min(likely, len(text) - 1), 0, -1):
        cut = text[:end].rstrip(" ·,") + ELLIPSIS
        if _length(cut, size) <= room:
            return cut
    return ""


@lru_cache(maxsize=64)
def _fixed_rows(width: int, size: int, bar: bytes) -> tuple[Picture, Picture]:
    """The texts above and below the caption: drawn once for all pictures of a width."""
    notice = [text_row(line, width, size, FAINT_INK) for line in _notice_lines(width, size)]
    bottom = np.full((size // 3, width, 3), PAPER, np.uint8)
    return _bar_row(width, size, bar), np.vstack((*notice, bottom))


def _notice_lines(width: int, size: int) -> tuple[str, ...]:
    """The longest form of the notice that the width takes, broken into lines."""
    room = width - 2 * _margin(size)
    for notice in SHORTER_NOTICES:
        lines = _wrapped(notice, room, size)
        if len(lines) <= MAX_NOTICE_LINES and all(_length(line, size) <= room for line in lines):
            return lines
    return ()


def _wrapped(text: str, room: float, size: int) -> tuple[str, ...]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _length(longer, size) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return tuple(lines)


def _bar_row(width: int, size: int, colours: bytes) -> Picture:
    """The colour bar, between its two labels: in full, shorter ones, or signs; or nothing."""
    margin = _margin(size)
    height = round(1.5 * size)
    row = np.full((height, width, 3), PAPER, np.uint8)
    if colours == NO_BAR:
        return row
    left = right = margin
    for like, unlike, share in ENDS:
        labels = (_length(like, size), _length(unlike, size))
        if width - sum(labels) - 4 * margin > width * share:
            left, right = (round(label) + 2 * margin for label in labels)
            line = text_row(like, width, size, FAINT_INK)
            row[-len(line) :] = line
            line = text_row(unlike, right, size, FAINT_INK)
            row[-len(line) :, width - right :] = line
            break
    thickness = max(size // 2, 4)
    top = height - round(0.4 * size) - thickness
    length = width - left - right
    if length > 0:
        bar = np.frombuffer(colours, np.uint8).reshape(1, -1, 3)
        row[top : top + thickness, left : left + length] = cv2.resize(bar, (length, thickness))
    return row

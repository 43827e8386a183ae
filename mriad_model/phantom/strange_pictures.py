"""Pictures that show no MR of a head: noise, things one before another, and head CT.

Things that cover each other have the edges and grey values of photographs (the dead leaves model:
Lee, Mumford and Huang 2001, *Occlusion models for natural images*). Head CT is a drawn head in
Hounsfield units, seen in a brain window. A seed is a picture; nothing comes from a camera or from a
scan.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.head import draw_head
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import draw_plane, lesion_of
from mriad_model.phantom.scanner import Contrast, Tissue, axial_grid

Grey = NDArray[np.uint8]
Array = NDArray[np.float32]

SIZE: Final = 192  # pixels a side
HOUNSFIELD: Final = {
    Tissue.AIR: -1000,
    Tissue.FAT: -90,
    Tissue.MUSCLE: 55,
    Tissue.BONE: 900,
    Tissue.MARROW: 500,
    Tissue.CSF: 10,
    Tissue.GREY: 38,
    Tissue.WHITE: 30,
    Tissue.STRIATUM: 37,
    Tissue.PALLIDUM: 37,
    Tissue.THALAMUS: 37,
    Tissue.DURA: 60,
    Tissue.SKIN: 50,
    Tissue.EYE: 10,
    Tissue.BRAINSTEM: 32,
}
WITH_LESION: Final = 3  # of so many heads one


def strange_picture(seed: int) -> Grey:
    """Noise, or things one before another, lit from a side; some lie before a dark ground."""
    rng = np.random.default_rng([seed, 7])
    kind = seed % 4
    picture = _clouds(rng, float(rng.uniform(0, 2.5)))
    if kind:
        things = cv2.GaussianBlur(_things(rng), (0, 0), float(rng.uniform(0.5, 2)))
        share = np.float32(rng.uniform(0, 0.5))
        picture = ((1 - share) * things + share * picture) * _light(rng)
    if kind == 3:
        there = _one_thing(rng)
        ground = np.float32(rng.uniform(0, 0.12)) * _clouds(rng, 1.5)
        picture = (np.float32(0.9) * picture + np.float32(0.1)) * there + ground * (1 - there)
    scaled = _from_0_to_1(picture) ** np.float32(rng.uniform(0.5, 1.8))
    return np.asarray(scaled * 255, np.uint8)


def head_ct(seed: int) -> Grey:
    """An axial slice of a seed's head as CT, one in three with a lesion, in a brain window."""
    rng = np.random.default_rng([seed, 99])
    head = draw_head(seed)
    lesion = lesion_of(seed, list(Lesion)[seed % len(Lesion)]) if seed % WITH_LESION == 0 else None
    grid = axial_grid(head.pose, head.pose.level, (SIZE, SIZE))
    level, width = rng.uniform(30, 50), rng.uniform(70, 160)  # of the window, in Hounsfield units
    table = np.zeros(256, np.float32)
    table[[int(tissue) for tissue in HOUNSFIELD]] = list(HOUNSFIELD.values())
    labels = draw_plane(head, Contrast.T1, lesion, grid).labels
    image = cv2.GaussianBlur(table[labels], (0, 0), 1.0)
    image = image + rng.normal(size=image.shape) * rng.uniform(1, 6)
    return np.asarray(np.clip((image - level) / width + 0.5, 0, 1) * 255, np.uint8)


def _clouds(rng: np.random.Generator, slope: float) -> Array:
    """Noise whose amplitude falls with frequency to the power of `slope`, in [0, 1]."""
    across, down = np.fft.rfftfreq(SIZE), np.fft.fftfreq(SIZE)
    frequency = np.hypot(down[:, None], across[None])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(SIZE, SIZE))) / frequency**slope
    return _from_0_to_1(np.fft.irfft2(spectrum, s=(SIZE, SIZE)).astype(np.float32))


def _things(rng: np.random.Generator) -> Array:
    """Ellipses and rectangles of all sizes, the later before the earlier."""
    picture = np.full((SIZE, SIZE), rng.uniform(), np.float32)
    lengths = np.exp(rng.uniform(np.log(2), np.log(0.7 * SIZE), size=int(rng.integers(10, 250))))
    if rng.random() < 0.7:
        lengths = np.sort(lengths)[::-1]
    for length in lengths:
        place = float(rng.integers(SIZE)), float(rng.integers(SIZE))
        sides = float(length), float(length * rng.uniform(0.3, 1))
        grey = float(rng.uniform() ** rng.uniform(0.5, 2))
        _paint(picture, place, sides, grey, rng)
    return picture


def _one_thing(rng: np.random.Generator) -> Array:
    """1 where one large ellipse or rectangle is, else 0."""
    picture = np.zeros((SIZE, SIZE), np.float32)
    place, sides = rng.uniform(40, 152, 2).tolist(), rng.uniform(80, 260, 2).tolist()
    _paint(picture, (place[0], place[1]), (sides[0], sides[1]), 1.0, rng)
    return picture


def _paint(
    picture: Array,
    place: tuple[float, float],
    sides: tuple[float, float],
    grey: float,
    rng: np.random.Generator,
) -> None:
    if rng.random() < 0.5:
        box = place, sides, float(rng.uniform(0, 180))
        cv2.ellipse(picture, box, grey, -1, cv2.LINE_AA)
    else:  # two in three stand upright
        box = place, sides, float(rng.choice([0.0, 0.0, rng.uniform(0, 90)]))
        cv2.fillPoly(picture, [cv2.boxPoints(box).astype(np.int32)], grey, cv2.LINE_AA)


def _light(rng: np.random.Generator) -> Array:
    """From a side, (S, S) about 1."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.8)
    slope = (np.cos(angle) * x + np.sin(angle) * y) / 1.5
    return np.asarray(1 + size * slope, np.float32)


def _from_0_to_1(values: Array) -> Array:
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(float(high - low), 1e-6), np.float32)

"""Tissues, and how a plane is painted with them."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.head import Pose
from mriad_model.phantom.shapes import Array, PlaneGrid, WaveField, wave_field

Window = tuple[slice, slice]
EVERYWHERE: Window = (slice(None), slice(None))


class Tissue(IntEnum):
    """What a voxel is made of; the values are those of `PhantomVolume.labels`."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    MARROW = 4
    CSF = 5
    GREY = 6
    WHITE = 7
    STRIATUM = 8
    PALLIDUM = 9
    THALAMUS = 10
    DURA = 11
    SKIN = 12
    EYE = 13
    BRAINSTEM = 14


BRAIN = frozenset(
    {
        Tissue.GREY,
        Tissue.WHITE,
        Tissue.STRIATUM,
        Tissue.PALLIDUM,
        Tissue.THALAMUS,
        Tissue.BRAINSTEM,
    }
)


class Canvas:
    """A plane being painted, back to front: signal (H, W) float32 and labels (H, W) uint8."""

    def __init__(self, shape: tuple[int, int], signals: dict[Tissue, float]) -> None:
        self.signal = np.full(shape, signals[Tissue.AIR], np.float32)
        self.labels = np.full(shape, int(Tissue.AIR), np.uint8)
        self._signals = signals

    def paint(self, tissue: Tissue, coverage: Array, window: Window = EVERYWHERE) -> None:
        """Lay a tissue over a window of what is there, as far as it covers each voxel (0..1)."""
        signal = self.signal[window]
        signal += coverage * (np.float32(self._signals[tissue]) - signal)
        self.labels[window][coverage > np.float32(0.5)] = tissue

    def blend(self, signal: float, coverage: Array) -> None:
        """Move the signal towards a value, leaving the labels: what a lesion does to tissue."""
        self.signal += coverage * (np.float32(signal) - self.signal)

    def is_one_of(self, tissues: frozenset[Tissue]) -> NDArray[np.bool_]:
        """Where the label is one of these, (H, W)."""
        table = np.zeros(256, np.bool_)
        table[[int(t) for t in tissues]] = True
        return table[self.labels]


class Contrast(StrEnum):
    """What the scan is weighted by."""

    T1 = "t1"
    FLAIR = "flair"


_T1 = {
    Tissue.AIR: 0.0,
    Tissue.FAT: 1.12,
    Tissue.MUSCLE: 0.48,
    Tissue.BONE: 0.07,
    Tissue.MARROW: 0.62,
    Tissue.CSF: 0.2,
    Tissue.GREY: 0.62,
    Tissue.WHITE: 0.94,
    Tissue.STRIATUM: 0.73,
    Tissue.PALLIDUM: 0.84,
    Tissue.THALAMUS: 0.79,
    Tissue.DURA: 0.42,
    Tissue.SKIN: 0.55,
    Tissue.EYE: 0.24,
    Tissue.BRAINSTEM: 0.86,
}


_FLAIR = {
    Tissue.AIR: 0.0,
    Tissue.FAT: 0.92,
    Tissue.MUSCLE: 0.4,
    Tissue.BONE: 0.06,
    Tissue.MARROW: 0.5,
    Tissue.CSF: 0.12,
    Tissue.GREY: 0.74,
    Tissue.WHITE: 0.6,
    Tissue.STRIATUM: 0.68,
    Tissue.PALLIDUM: 0.56,
    Tissue.THALAMUS: 0.66,
    Tissue.DURA: 0.4,
    Tissue.SKIN: 0.5,
    Tissue.EYE: 0.14,
    Tissue.BRAINSTEM: 0.62,
}


def tissue_signals(contrast: Contrast, rng: np.random.Generator) -> dict[Tissue, float]:
    """Signal of each tissue in one scan; grey and white stand a varying way apart."""
    table = dict(_T1 if contrast is Contrast.T1 else _FLAIR)
    flatness = rng.uniform(0.0, 0.32)  # 1: no grey-white contrast at all
    white = table[Tissue.WHITE]
    for tissue in (
        Tissue.GREY,
        Tissue.STRIATUM,
        Tissue.PALLIDUM,
        Tissue.THALAMUS,
        Tissue.BRAINSTEM,
    ):
        table[tissue] += flatness * (white - table[tissue])
    table[Tissue.FAT] *= rng.uniform(0.6, 1.2)
    table[Tissue.MARROW] *= rng.uniform(0.45, 1.15)
    table[Tissue.MUSCLE] *= rng.uniform(0.85, 1.15)
    table[Tissue.CSF] *= rng.uniform(0.75, 1.3)
    return table


@dataclass(frozen=True, slots=True)
class Scanner:
    """One scan's settings, drawn by seed."""

    snr: float  # signal of white matter over the noise's sigma
    blur: float  # sigma of the point spread, mm
    bias: WaveField
    bias_size: float
    coil: float  # how much brighter the rim is than the centre
    ghost: float  # strength of the motion ghost, 0 in most scans
    ghost_shift: float  # share of the image height
    interpolation: float  # sigma in pixels of the smoothing that noise goes through
    gain: float  # the grey value of white matter, of 255


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """A scanner on a day."""
    return Scanner(
        snr=rng.uniform(17, 45),
        blur=rng.uniform(0.45, 0.85),
        bias=wave_field(rng, 260, 10),
        bias_size=rng.uniform(0.02, 0.09),
        coil=rng.uniform(-0.02, 0.22),
        ghost=rng.uniform(0.02, 0.06) if rng.random() < 0.15 else 0.0,
        ghost_shift=rng.uniform(0.12, 0.5),
        interpolation=rng.uniform(0.0, 0.75),
        gain=rng.uniform(135, 215),
    )


def rotation(pose: Pose) -> NDArray[np.float64]:
    """Scanner to head coordinates, (3, 3): turn in the plane, then roll, then nod."""
    ct, st = np.cos(pose.turn), np.sin(pose.turn)
    cr, sr = np.cos(pose.roll), np.sin(pose.roll)
    cn, sn = np.cos(pose.tilt), np.sin(pose.tilt)
    turn = np.array([[ct, -st, 0], [st, ct, 0], [0, 0, 1]])
    roll = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    nod = np.array([[1, 0, 0], [0, cn, -sn], [0, sn, cn]])
    matrix: NDArray[np.float64] = nod @ roll @ turn
    return matrix


def axial_grid(pose: Pose, level: float, shape: tuple[int, int]) -> PlaneGrid:
    """The plane at `level` mm above the head's origin; its field of view spans the longer side."""
    height, width = shape
    pixel = pose.field_of_view / max(shape)
    matrix = rotation(pose)
    centre = matrix @ np.array([0.0, 0.0, level]) + np.array([0.0, -17.0, 0.0])
    across, down = matrix[:, 0] * pixel, -matrix[:, 1] * pixel
    shift = np.array(pose.shift) / pixel
    origin = centre - across * ((width - 1) / 2 + shift[0]) - down * ((height - 1) / 2 + shift[1])
    return PlaneGrid(origin, down, across, shape)


def acquire(signal: Array, scanner: Scanner, grid: PlaneGrid, rng: np.random.Generator) -> Array:
    """The magnitude image of a plane, (H, W) float32 on the scale 0..255, not yet clipped."""
    pixel = float(np.linalg.norm(grid.across))
    blurred = cv2.GaussianBlur(signal, (0, 0), max(scanner.blur / pixel, 0.3))
    image: Array = blurred.astype(np.float32, copy=False) * _sensitivity(scanner, grid)
    if scanner.ghost:
        moved = np.roll(image, int(scanner.ghost_shift * grid.shape[0]), axis=0)
        image = image + np.float32(scanner.ghost) * (moved - image)
    return rician(image, scanner, rng) * np.float32(scanner.gain)


def _sensitivity(scanner: Scanner, grid: PlaneGrid) -> Array:
    """The receive coils' smooth gain, about 1, (H, W)."""
    x, y, _ = grid.points()
    rim = (x * x + (y + 17) * (y + 17)) * np.float32(1 / 80**2)
    gain: Array = np.exp(
        np.float32(scanner.bias_size) * scanner.bias.on(grid)
        + np.float32(scanner.coil) * (rim - 0.5)
    )
    return gain


def rician(image: Array, scanner: Scanner, rng: np.random.Generator) -> Array:
    """Magnitude of the signal with complex Gaussian noise (Gudbjartsson & Patz 1995)."""
    sigma = np.float32(1 / scanner.snr)
    noise = rng.standard_normal((2, *image.shape), dtype=np.float32)
    if scanner.interpolation > 0.25:
        width = scanner.interpolation
        noise = np.stack([cv2.GaussianBlur(part, (0, 0), width) for part in noise])
        sigma = np.float32(sigma / noise.std())
    magnitude: Array = np.hypot(image + sigma * noise[0], sigma * noise[1])
    return magnitude

"""What the scanner does to a head: pose, coil sensitivity, blur, motion, noise, scaling."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.fields import Array, PlaneGrid, WaveField, wave_field
from mriad_model.phantom.head import Pose


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
    gain: float  # where white matter comes to lie, of 255


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
    """The plane at `level` mm above the head's origin, as the scanner sees it.

    The field of view spans the longer side of the shape.
    """
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

"""What one head is: the numbers and fields that a seed draws, all else is geometry.

Coordinates are millimetres in a head frame like the MNI one: x to the image's right, y to the
front, z to the top, the origin near the anterior commissure.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.shapes import WaveField, wave_field


@dataclass(frozen=True, slots=True)
class Skull:
    """The shape of brain and head. Lengths in mm."""

    half_width: float
    half_length: float
    half_height: float
    taper: float  # how much narrower the front is than the back
    squareness: float
    csf: float  # between brain and inner table
    bone: float
    scalp: float
    lumps: WaveField
    thickness: WaveField


@dataclass(frozen=True, slots=True)
class Cortex:
    """How the cortex folds. Lengths in mm."""

    folds: WaveField
    side_offsets: NDArray[np.float64]  # phase by hemisphere: alike, not mirrored
    meander: tuple[WaveField, WaveField, WaveField]
    meander_size: float
    sulcal_depth: float
    sulcal_width: float  # half the width of an open sulcus
    depth_field: WaveField
    thickness: float
    fissure: float  # half the width of the interhemispheric fissure
    insula: tuple[float, float]  # x of the insula, left and right
    sylvian_tilt: float


@dataclass(frozen=True, slots=True)
class Deep:
    """Ventricles and deep grey matter."""

    ventricles: tuple[float, float]  # scale of the lateral ventricles, left and right
    occipital_reach: tuple[float, float]  # mm added to the occipital horns
    frontal_spread: float
    third: float  # half the width of the third ventricle, mm
    nuclei: float  # scale of the deep grey nuclei
    septum: float  # mm off the midline


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head lies in the scanner, and what the scanner sees of it."""

    tilt: float  # radians about x: the nod
    roll: float  # about y
    turn: float  # about z, in the axial plane
    shift: tuple[float, float]  # mm
    field_of_view: float  # mm, of the square image
    level: float  # z of the slice that phantom_slice shows


@dataclass(frozen=True, slots=True)
class Head:
    """One person, given by a seed."""

    seed: int
    age: float  # years
    skull: Skull
    cortex: Cortex
    deep: Deep
    pose: Pose
    warp: tuple[WaveField, WaveField, WaveField]
    warp_size: float
    texture: WaveField
    fine_texture: WaveField


def _triple(
    rng: np.random.Generator, wavelength: float, n_waves: int
) -> tuple[WaveField, WaveField, WaveField]:
    x, y, z = (wave_field(rng, wavelength, n_waves) for _ in range(3))
    return x, y, z


def _skull(rng: np.random.Generator, atrophy: float) -> Skull:
    size = rng.normal(1, 0.03)
    return Skull(
        half_width=size * rng.normal(66, 2.6),
        half_length=size * rng.normal(85, 3.4),
        half_height=size * rng.normal(68, 2.5),
        taper=rng.uniform(0.02, 0.12),
        squareness=rng.uniform(0.05, 0.3),
        csf=0.8 + 1.2 * atrophy + rng.uniform(0, 0.6),
        bone=rng.uniform(3.8, 6.5),
        scalp=rng.uniform(3.2, 7.0),
        lumps=wave_field(rng, 120, 12),
        thickness=wave_field(rng, 75, 12),
    )


def _cortex(rng: np.random.Generator, atrophy: float) -> Cortex:
    n_waves = 28
    return Cortex(
        folds=wave_field(rng, rng.uniform(14.0, 17.5), n_waves, spread=0.22),
        side_offsets=rng.normal(0, 0.42, size=n_waves),
        meander=_triple(rng, 34, 14),
        meander_size=rng.uniform(2.5, 4.0),
        sulcal_depth=rng.uniform(16, 23),
        sulcal_width=0.1 + 0.55 * atrophy + rng.uniform(0, 0.2),
        depth_field=wave_field(rng, 26, 14),
        thickness=rng.uniform(3.3, 4.2) - 0.5 * atrophy,
        fissure=0.5 + 0.9 * atrophy + rng.uniform(0, 0.4),
        insula=(rng.normal(37.5, 1.2), rng.normal(37.5, 1.2)),
        sylvian_tilt=rng.uniform(1.6, 2.4),
    )


def _deep(rng: np.random.Generator, atrophy: float) -> Deep:
    size = 0.72 + 0.75 * atrophy + rng.uniform(-0.1, 0.22)
    skew = rng.normal(0, 0.05)
    return Deep(
        ventricles=(size * (1 + skew), size * (1 - skew)),
        occipital_reach=(rng.uniform(-14, 8), rng.uniform(-14, 8)),
        frontal_spread=rng.uniform(0.9, 1.15),
        third=rng.uniform(0.9, 1.8) + 2.0 * atrophy,
        nuclei=rng.normal(1, 0.05),
        septum=rng.normal(0, 0.6),
    )


def _pose(rng: np.random.Generator) -> Pose:
    return Pose(
        tilt=np.deg2rad(rng.normal(0, 6)),
        roll=np.deg2rad(rng.normal(0, 1.6)),
        turn=np.deg2rad(rng.normal(0, 3.5)),
        shift=(rng.normal(0, 4), rng.normal(0, 5)),
        field_of_view=rng.uniform(212, 256),
        level=rng.uniform(-6, 42),
    )


def draw_head(seed: int) -> Head:
    """The head of a seed. The same seed is the same head, whatever else was drawn."""
    rng = np.random.default_rng([seed, 1])
    age = rng.uniform(20, 85)
    atrophy = float(np.clip((age - 25) / 60 + rng.normal(0, 0.18), 0, 1.1))
    return Head(
        seed=seed,
        age=age,
        skull=_skull(rng, atrophy),
        cortex=_cortex(rng, atrophy),
        deep=_deep(rng, atrophy),
        pose=_pose(rng),
        warp=_triple(rng, 105, 12),
        warp_size=rng.uniform(0.6, 1.4),
        texture=wave_field(rng, 40, 14),
        fine_texture=wave_field(rng, 7, 30, spread=0.5),
    )

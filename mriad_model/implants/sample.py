"""One training sample: a healthy slice varied, perhaps with implants, and where they are."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.implants.acquisition import (
    another_contrast,
    another_pose,
    another_scanner,
    rescaled,
)
from mriad_model.implants.focal import Implant, inversion, scaling, shift, solid, spots
from mriad_model.implants.kinds import Kind, Mixture
from mriad_model.implants.masses import mass, mass_effect, ring
from mriad_model.implants.place import Floats, Place, blurred, draw_place
from mriad_model.implants.textures import foreign, noise, smear

Mask = NDArray[np.bool_]
VISIBLE = 0.04  # least change of grey values, blurred by 1.2 pixels, that is labelled
DEEP = 0.35  # of the greatest depth: heads without such a place get no implant

DRAW: Final[Mapping[Kind, Callable[[np.random.Generator, Place, Mixture], Implant]]] = {
    Kind.SOLID: solid,
    Kind.SHIFT: shift,
    Kind.SCALING: scaling,
    Kind.RING: ring,
    Kind.MASS: mass,
    Kind.FOREIGN: foreign,
    Kind.MASS_EFFECT: mass_effect,
    Kind.NOISE: noise,
    Kind.SMEAR: smear,
    Kind.INVERSION: inversion,
    Kind.SPOTS: spots,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A slice, its head and what is wrong with it."""

    image: Floats  # (S, S) in [0, 1]
    mask: Mask  # (S, S), the head
    label: Mask  # (S, S), the implants; empty for a healthy one


def draw_sample(rng: np.random.Generator, images: Floats, masks: Mask, mixture: Mixture) -> Sample:
    """A sample of healthy slices, images (N, S, S) in [0, 1] and masks, turned upright."""
    chosen = rng.integers(len(images))
    image, mask = another_pose(rng, images[chosen], masks[chosen])
    if rng.random() < mixture.curves:
        image = another_contrast(rng, image)
    pixels = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 3)  # from the edge
    depth = np.asarray(pixels / max(float(pixels.max()), 1.0), np.float32)
    label = np.zeros(mask.shape, np.bool_)
    if rng.random() < mixture.anomalous and (depth > DEEP).any():
        number = 1 if rng.random() > mixture.several else int(rng.integers(2, 4))
        image, label = implanted(rng, image, images, depth, mixture, number)
        label &= mask
    return Sample(rescaled(another_scanner(rng, image), mask), mask, label)


def draw_positive(
    rng: np.random.Generator, image: Floats, mask: Mask, lesion: Floats, mixture: Mixture
) -> Sample:
    """A sample of one abnormal slice, image (S, S) in [0, 1], and its lesion, shares (S, S)."""
    again = copy.deepcopy(rng)  # the lesion takes the same pose
    image, mask = another_pose(rng, image, mask)
    moved, _ = another_pose(again, lesion, mask)
    if rng.random() < mixture.curves:
        image = another_contrast(rng, image)
    label = (moved > 0.5) & mask
    return Sample(rescaled(another_scanner(rng, image), mask), mask, label)


def implanted(
    rng: np.random.Generator,
    image: Floats,
    donors: Floats,
    depth: Floats,
    mixture: Mixture,
    number: int,
) -> tuple[Floats, Mask]:
    """A slice (S, S) with so many implants, and where they are plain enough to be seen (S, S)."""
    kinds = list(mixture.kinds)
    chances = np.array([mixture.kinds[kind] for kind in kinds])
    changed, alpha = image, np.zeros_like(image)
    for _ in range(number):
        kind = kinds[int(rng.choice(len(kinds), p=chances / chances.sum()))]
        donor = donors[rng.integers(len(donors))]
        donor = np.ascontiguousarray(donor[:, ::-1] if rng.random() < 0.5 else donor)
        place = draw_place(rng, changed, donor, depth, mixture.radii, mixture.midline)
        changed, own = DRAW[kind](rng, place, mixture)
        alpha = np.maximum(alpha, own)
    seen = blurred(np.abs(changed - image), 1.2) > VISIBLE
    return np.asarray(changed, np.float32), (alpha > 0.5) & seen

"""Focal changes of grey value: solid, shifted, scaled, inverted, and spots."""

import numpy as np

from mriad_model.implants.kinds import Mixture
from mriad_model.implants.place import (
    COLUMNS,
    ROWS,
    Floats,
    Place,
    blurred,
    edge,
    sign,
    smooth_noise,
)

Implant = tuple[Floats, Floats]
"""The changed slice (S, S), and how far each pixel belongs to the implant (S, S), 0..1."""


def solid(rng: np.random.Generator, place: Place, mixture: Mixture) -> Implant:
    """One grey value, apart from the tissue's own by a share of the brain's reach.

    Some of the texture shows through, and it may have one of its own.
    """
    image, alpha = place.image, place.alpha
    own = float((image * alpha).sum() / max(alpha.sum(), 1e-3))
    away = rng.uniform(mixture.weakest, 0.8) * max(place.grey.reach, 0.3)
    level = own + sign(rng, mixture.bright) * away
    texture = texture_of(rng, image, rng.uniform(1.5, 5))
    if rng.random() < 0.5:
        grain = smooth_noise(rng, int(rng.integers(10, 50)))
        texture = texture + np.float32(rng.uniform(0.02, 0.15)) * grain
    strength = np.float32(rng.uniform(mixture.faintest, 1))
    return image + alpha * strength * (np.float32(level) + texture - image), alpha


def shift(rng: np.random.Generator, place: Place, mixture: Mixture) -> Implant:
    """Brighter or darker by an amount, which may vary from place to place."""
    amount = sign(rng, mixture.bright) * rng.uniform(0.8 * mixture.weakest, 0.6)
    change = place.alpha * np.float32(amount)
    if rng.random() < 0.5:
        uneven = 1 + np.float32(0.5) * smooth_noise(rng, int(rng.integers(6, 24)))
        change = change * np.clip(uneven, 0, 2)
    return place.image + change, place.alpha


def scaling(rng: np.random.Generator, place: Place, mixture: Mixture) -> Implant:
    """Brighter or darker by a factor: what is black stays black."""
    brighter = sign(rng, mixture.bright) > 0
    factor = rng.uniform(0.25, 1.2) if brighter else -rng.uniform(0.25, 0.8)
    return place.image * (1 + place.alpha * np.float32(factor)), place.alpha


def inversion(rng: np.random.Generator, place: Place, _: Mixture) -> Implant:
    """Dark for bright: grey values mirrored about the middle of the brain's reach."""
    twice_middle = np.float32(place.grey.dark + place.grey.bright)
    share = place.alpha * np.float32(rng.uniform(0.5, 1))
    return place.image + share * (twice_middle - 2 * place.image), place.alpha


def spots(rng: np.random.Generator, place: Place, _: Mixture) -> Implant:
    """Two to eight small ones near each other, all brighter or all darker."""
    amount = sign(rng, 0.7) * rng.uniform(0.15, 0.7)
    alpha = np.zeros_like(place.image)
    for _spot in range(int(rng.integers(2, 9))):
        radius = rng.uniform(1.8, 5)
        row, column = (middle + rng.normal(0, 9) for middle in place.centre)
        distance = np.hypot(ROWS - np.float32(row), COLUMNS - np.float32(column))
        alpha = np.maximum(alpha, edge(distance / np.float32(radius), radius, rng.uniform(1.2, 3)))
    alpha = alpha * place.within
    return place.image + alpha * np.float32(amount), alpha


def texture_of(rng: np.random.Generator, image: Floats, sigma: float) -> Floats:
    """A share of what is finer than `sigma` pixels in an image (S, S)."""
    return np.float32(rng.uniform(0, 1)) * (image - blurred(image, sigma))

"""Masses: rings, lobed masses with rim and oedema, and what a mass does to its surroundings."""

import numpy as np

from mriad_model.implants.focal import Implant, texture_of
from mriad_model.implants.kinds import Mixture
from mriad_model.implants.place import (
    COLUMNS,
    ROWS,
    Floats,
    Place,
    edge,
    moved,
    sign,
    smooth_noise,
    uneven_distance,
)


def ring(rng: np.random.Generator, place: Place, _: Mixture) -> Implant:
    """A bright rim about a darker core, most often with a halo (oedema) around it."""
    image, alpha, grey = place.image, place.alpha, place.grey
    halo = alpha
    if rng.random() < 0.7:
        reach = rng.uniform(1.1, 2.2)
        halo = edge(place.distance, place.radius, 1.5 * place.ramp, at=reach) * place.within
    changed = image + halo * np.float32(sign(rng, 0.6) * rng.uniform(0.05, 0.35))
    rim = np.float32(grey.middle + rng.uniform(0.2, 0.9) * grey.reach)
    core = np.float32(grey.dark + rng.uniform(-0.2, 0.7) * grey.reach)
    strength = np.float32(rng.uniform(0.5, 1))
    texture = texture_of(rng, image, 3.0)
    changed = changed + alpha * strength * (rim + texture - changed)
    within = rng.uniform(0.35, 0.85)  # of the radius
    inner = edge(place.distance, place.radius, place.ramp, at=within) * place.within
    changed = changed + inner * strength * (core + np.float32(0.5) * texture - changed)
    return changed, np.maximum(alpha, halo)


def mass(rng: np.random.Generator, place: Place, _: Mixture) -> Implant:
    """One to three lobes with a core and a rim, often oedema, sometimes mass effect.

    What is only pushed aside is not part of the implant.
    """
    image, grey, radius = place.image, place.grey, place.radius
    grain = smooth_noise(rng, int(rng.integers(14, 40)))
    distance = _lobes(rng, place) + np.float32(0.12) * grain
    body = edge(distance, radius, rng.uniform(1.2, 3)) * place.within
    changed, halo = image, np.zeros_like(image)
    if rng.random() < 0.7:
        halo = _oedema(rng, distance, radius) * place.within
        changed = image + halo * np.float32(sign(rng, 0.5) * rng.uniform(0.06, 0.35))
    if rng.random() < 0.4:
        changed = _pushed(rng, changed, distance, place)
    core = np.float32(grey.dark + rng.uniform(-0.2, 0.9) * grey.reach)
    texture = np.float32(rng.uniform(0, 0.25) * grey.reach) * grain + texture_of(rng, image, 3.0)
    changed = changed + body * np.float32(rng.uniform(0.5, 1)) * (core + texture - changed)
    thickness = np.float32(rng.uniform(1.0, 4.0)) * np.clip(
        1 + np.float32(0.6) * smooth_noise(rng, int(rng.integers(6, 16))), 0.2, 2
    )
    if rng.random() < 0.8:
        away = (distance - np.float32(0.92)) * np.float32(radius) / thickness
        rim = np.exp(-away * away) * place.within
        level = np.float32(grey.middle + rng.uniform(0.25, 1.0) * grey.reach)
        changed = changed + rim * np.float32(rng.uniform(0.5, 1)) * (level - changed)
    return changed, np.maximum(body, halo)


def mass_effect(rng: np.random.Generator, place: Place, _: Mixture) -> Implant:
    """Tissue swollen, drawn together or pushed to one side, its grey values unchanged."""
    near = np.clip(1 - place.distance, 0, 1)
    near = near * near * (3 - 2 * near)
    row, column = place.centre
    if rng.random() < 0.6:
        share = rng.uniform(0.4, 0.95) * (1 if rng.random() < 0.6 else -1.2)
        zoom = 1 - np.float32(share) * near
        rows = np.float32(row) + (ROWS - np.float32(row)) * zoom
        columns = np.float32(column) + (COLUMNS - np.float32(column)) * zoom
    else:
        way, far = rng.uniform(-np.pi, np.pi), 2 * rng.uniform(0.2, 0.5) * place.radius
        rows = ROWS + near * np.float32(far * np.sin(way))
        columns = COLUMNS + near * np.float32(far * np.cos(way))
    changed = moved(place.image, rows, columns)
    alpha = np.clip(np.float32(1.6) - np.float32(1.2) * place.distance, 0, 1) * place.within
    return place.image + place.within * (changed - place.image), alpha


def _lobes(rng: np.random.Generator, place: Place) -> Floats:
    """Distance from the nearest of one to three lobes, in radii of each, (S, S)."""
    distance, radius = place.distance, place.radius
    row, column = place.centre
    for _ in range(int(rng.integers(0, 3))):
        way = rng.uniform(0, 2 * np.pi)
        at = (row + 0.8 * radius * np.sin(way), column + 0.8 * radius * np.cos(way))
        distance = np.minimum(distance, uneven_distance(rng, at, radius * rng.uniform(0.4, 0.9)))
    return distance


def _oedema(rng: np.random.Generator, distance: Floats, radius: float) -> Floats:
    """A soft, uneven halo about the body, 0..1, reaching 16 pixels beyond it at most."""
    reach = min(rng.uniform(1.2, 2.4), 1 + 16 / radius)
    uneven = distance + np.float32(0.3) * smooth_noise(rng, int(rng.integers(5, 10)))
    return np.asarray(np.clip((np.float32(reach) - uneven) * np.float32(1.5 / (reach - 0.9)), 0, 1))


def _pushed(rng: np.random.Generator, image: Floats, distance: Floats, place: Place) -> Floats:
    """The image with everything about the body pushed away from its centre, by 1 to 6 pixels."""
    beyond = np.clip(distance - 1, 0, None) * np.float32(place.radius / 12)
    far = np.exp(-beyond * beyond) * np.float32(rng.uniform(1, 6))
    y, x = ROWS - np.float32(place.centre[0]), COLUMNS - np.float32(place.centre[1])
    share = far / np.maximum(np.hypot(y, x), 1)
    return image + place.within * (moved(image, ROWS - share * y, COLUMNS - share * x) - image)

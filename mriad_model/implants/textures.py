"""Changes of texture: a patch of another head, noise, and texture smeared away."""

from typing import Any

import cv2
import numpy as np

from mriad_model.implants.focal import Implant
from mriad_model.implants.kinds import Mixture
from mriad_model.implants.place import SIDE, Place, blurred, smooth_noise


def foreign(rng: np.random.Generator, place: Place, _: Mixture) -> Implant:
    """A patch of another healthy head, turned, scaled and shifted, its grey most often fitted.

    After Tan et al. 2021, foreign patch interpolation.
    """
    image, alpha = place.image, place.alpha
    turn = rng.uniform(-180, 180) if rng.random() < 0.4 else rng.uniform(-15, 15)
    matrix: Any = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), turn, rng.uniform(0.6, 1.6))
    matrix[:, 2] += rng.uniform(-30, 30, 2)
    patch = cv2.warpAffine(place.donor, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    if rng.random() < 0.6:
        outline = (alpha > 0.1) & (alpha < 0.9)
        apart = float((image - patch)[outline].mean()) if outline.any() else 0.0
        patch = patch + np.float32(apart * rng.uniform(0.5, 1))
    return image + alpha * np.float32(rng.uniform(0.5, 1)) * (patch - image), alpha


def noise(rng: np.random.Generator, place: Place, _: Mixture) -> Implant:
    """Coarse or fine grain laid over the tissue."""
    grain = smooth_noise(rng, int(rng.integers(8, 40)))
    return place.image + place.alpha * grain * np.float32(rng.uniform(0.1, 0.4)), place.alpha


def smear(rng: np.random.Generator, place: Place, _: Mixture) -> Implant:
    """Texture blurred away, a little brighter or darker."""
    smooth = blurred(place.image, rng.uniform(2.5, 8))
    lighter = np.float32(rng.uniform(-0.15, 0.15))
    return place.image + place.alpha * (smooth - place.image + lighter), place.alpha

"""Base of detectors that say what a slice would look like if it were healthy.

What the slice has beyond that is the anomaly.
"""

from abc import abstractmethod

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriad_model.detection.detectors.detector import Detector
from mriad_model.detection.maps.smoothing import blurred
from mriad_model.detection.networks.batches import in_batches
from mriad_model.preprocessing.slices import SliceBatch, shrunk
from mriad_model.recipes.recipe import DetectorRecipe, Residual


class Reconstruction(Detector):
    """Paints how far slices are from what it expects."""

    @abstractmethod
    def expected(self, images: Tensor) -> Tensor:
        """The healthy version of each of `images` (N, M, M) in [0, 1]; the same shape."""

    def maps(
        self,
        part: DetectorRecipe,
        slices: SliceBatch,
        inside: NDArray[np.bool_],
        device: torch.device,
    ) -> NDArray[np.float32]:
        """How far slices, at the map's size, are from what is expected; 0 outside `inside`."""
        images = shrunk(slices, inside.shape[-1]).images
        expected = in_batches(self.expected, images, shape=images.shape[1:], device=device)
        maps = np.empty_like(images)
        for i, where in enumerate(inside):
            residual = _residual(images[i], expected[i], part)
            maps[i] = blurred(residual * where, part.gathering) * where
        return maps


def _residual(
    image: NDArray[np.float32], expected: NDArray[np.float32], part: DetectorRecipe
) -> NDArray[np.float32]:
    """What of `image` (M, M) is not to be found in `expected`, at the place or near it; >= 0."""
    image, expected = blurred(image, part.smoothing), blurred(expected, part.smoothing)
    if part.tolerance:
        side = 2 * part.tolerance + 1
        near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        expected = np.clip(image, cv2.erode(expected, near), cv2.dilate(expected, near))
    difference = image - expected
    if part.residual is Residual.SQUARED:
        return difference * difference
    return np.asarray(np.abs(difference), np.float32)

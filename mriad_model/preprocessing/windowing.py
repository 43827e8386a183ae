"""Grey values stretched to what lies deep in the head: the brain's own contrast, not the fat's."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.preprocessing.percentiles import percentiles
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.windows import DeepWindow

FEWEST = 20  # pixels deep in the head: with fewer a slice is left as it is
NARROWEST = 0.05  # of the whole range: a window is never narrower, or noise would fill it


def windowed(
    image: NDArray[np.float32], head: NDArray[np.bool_], window: DeepWindow
) -> NDArray[np.float32]:
    """A slice (S, S) in [0, 1] with its head's deep grey values stretched to [0, 1]; 0 outside.

    What lies beyond the window becomes 0 or 1.
    """
    distance = cv2.distanceTransform(head.view(np.uint8), cv2.DIST_L2, 3)  # pixels from the edge
    deep = image[distance > window.deep * max(float(distance.max()), 1.0)]
    if len(deep) < FEWEST:
        return image
    low, high = percentiles(deep, (window.low_percentile, window.high_percentile))
    width = np.float32(max(high - low, NARROWEST))
    return np.asarray(np.clip((image - np.float32(low)) / width, 0, 1) * head, np.float32)


def windowed_images(slices: SliceBatch, window: DeepWindow | None) -> NDArray[np.float32]:
    """The images of slices, (N, S, S), each in its own window; with None, as they are."""
    if window is None:
        return slices.images
    pairs = zip(slices.images, slices.masks, strict=True)
    return np.stack([windowed(image, head, window) for image, head in pairs])

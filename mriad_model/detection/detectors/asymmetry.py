"""The other side of the head as the measure of the one. Needs no training.

A healthy head is nearly symmetric about its midline, a lesion seldom is. It means something on
axial and coronal slices only.
"""

import torch
from torch import Tensor
from torch.nn import functional as fn

from mriad_model.detection.detectors.reconstruction import Reconstruction
from mriad_model.detection.maps.midline import find_midline, reflect

NEIGHBOURHOOD = 5  # pixels a side, over which the odder of two sides is found


class Asymmetry(Reconstruction):
    """Expects the slice's own reflection about its midline, where that is the more ordinary side.

    A difference between two sides alone does not tell which of them is abnormal, and would
    show every lesion twice. The side farther from the slice's ordinary grey is taken to be it.
    """

    def expected(self, images: Tensor) -> Tensor:
        """Each of `images` (N, S, S) with its odder side replaced by the other's reflection."""
        mirrored = reflect(images, *find_midline(images))
        grey = ordinary_grey(images)[:, None, None]
        odder = _around(images - grey).abs() >= _around(mirrored - grey).abs()
        return torch.where(odder, mirrored, images)


def ordinary_grey(images: Tensor) -> Tensor:
    """The median of what is not black in each of `images` (N, S, S), (N,); 0 where all is."""
    seen = torch.where(images > 0, images, torch.nan)
    return seen.flatten(1).nanmedian(1).values.nan_to_num(0.0)


def _around(images: Tensor) -> Tensor:
    """The mean of each pixel's neighbourhood in `images` (N, S, S); the same shape."""
    return fn.avg_pool2d(images[:, None], NEIGHBOURHOOD, stride=1, padding=NEIGHBOURHOOD // 2)[:, 0]

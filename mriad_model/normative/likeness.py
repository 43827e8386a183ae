"""How like the mean head is what lies in the frame: in structure, and in grey values.

The fit of a registration is a correlation that any bright body with a dark rim has. Structure of
3 to 10 mm, ventricles, sulci, deep nuclei, only a head has, and only where it is rightly placed.
Its grey values, once gain and field are taken off, tell scanner and protocol.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from mriad_model.normative.registration.frame import SHAPE, SPACING, Floats
from mriad_model.normative.registration.template import NECK, Template, template_of

FINE, COARSE = 3.0, 10.0  # mm, Gaussian sigmas between which structure counts
SMOOTHING = (0.9, 0.8, 0.8)  # voxels, of grey values
BLOCK = (4, 8, 8)  # voxels: 12 x 28 x 28 mm
COUNTED = 0.8  # of the blocks
FULL = 16  # voxels of brain that a block has at least
PARTS = 24  # of healthy heads, each compared with the mean of the others
TINY = 1e-12


def likeness(head: Floats, template: Template) -> float:
    """The correlation of a head's structure (52, 64, 64) with the mean head's, in its brain."""
    brain = template.brain > 0.5
    brain[:NECK] = False
    ours, mean = (_structure(each)[brain].astype(np.float64) for each in (head, template.mean))
    ours, mean = ours - ours.mean(), mean - mean.mean()
    scale = float(np.sqrt((ours * ours).sum() * (mean * mean).sum()))
    return float((ours * mean).sum()) / scale if scale > 0 else 0.0


def resemblance(head: Floats, template: Template) -> float:
    """The correlation of a head's grey values (52, 64, 64) with the mean head's, in its brain.

    Over `COUNTED` of the brain's blocks, those that agree best: a lesion changes few.
    """
    brain = template.brain > 0.5
    brain[:NECK] = False
    ours, mean = (
        gaussian_filter(each, SMOOTHING)[brain].astype(np.float64) for each in (head, template.mean)
    )
    block = _block_numbers()[brain]
    kept = np.ones(len(block), np.bool_)
    for _ in range(2):
        slope = _covariance(ours[kept], mean[kept]) / max(_covariance(mean[kept], mean[kept]), TINY)
        left = (ours - ours[kept].mean() - slope * (mean - mean[kept].mean())) ** 2
        number = np.bincount(block)
        full = number >= FULL
        error = np.where(full, np.bincount(block, left) / np.maximum(number, 1), np.inf)
        kept = (error <= np.quantile(error[full], COUNTED))[block]
    own, usual = (_covariance(each[kept], each[kept]) for each in (ours, mean))
    return _covariance(ours[kept], mean[kept]) / max(float(np.sqrt(own * usual)), TINY)


def resemblances_among(
    heads: Sequence[Floats],
    groups: Sequence[int],
    of_mean: Mapping[int, Floats],
    template: Template,
) -> NDArray[np.float64]:
    """The resemblance of each of several heads with a mean of others, (N,).

    A head resembles a mean that it is part of more than a new one does. So each part of the heads
    is compared with the mean of those of other parts alone.

    Args:
        heads: of N scans, laid upon the site's mean, (52, 64, 64) each.
        groups: of near-duplicates and patients, N; one lies in one part.
        of_mean: the heads that a mean is made of, as they lie for that, by position among the N.
        template: the site's mean. Heads of one group alone are compared with it.
    """
    part_of = {group: n % PARTS for n, group in enumerate(sorted(set(groups)))}
    parts = np.array([part_of[group] for group in groups])
    found = np.empty(len(heads))
    for part in range(min(PARTS, len(part_of))):
        others = [head for i, head in of_mean.items() if parts[i] != part]
        mean = template_of(others, template.brain) if others else template
        for i in np.flatnonzero(parts == part).tolist():
            found[i] = resemblance(heads[i], mean)
    return found


def _covariance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(((one - one.mean()) * (other - other.mean())).mean())


@lru_cache(maxsize=1)
def _block_numbers() -> NDArray[np.intp]:
    """The number of the block that each voxel lies in, (52, 64, 64)."""
    z, y, x = (np.arange(n) // size for n, size in zip(SHAPE, BLOCK, strict=True))
    found: NDArray[np.intp] = (z[:, None, None] * len(y) + y[:, None]) * len(x) + x
    found.flags.writeable = False  # shared by all who ask
    return found


def _structure(head: Floats) -> Floats:
    fine, coarse = (
        gaussian_filter(head, [sigma / each for each in SPACING]) for sigma in (FINE, COARSE)
    )
    return np.asarray(fine - coarse, np.float32)

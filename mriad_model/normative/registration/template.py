"""A symmetric mean head in the frame: what others are registered to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mriad_model.normative.registration.frame import Floats

BRAIN_LEVEL = 0.8  # grey value that the brain's 98th percentile gets in a mean
ELSEWHERE = 0.35  # weight of what is not brain: skulls and scalps differ more
IN_MEAN = 24  # healthy heads in a site's mean, at most
NECK = 6  # lowest planes that have no weight: heads and fields of view end anywhere


@dataclass(frozen=True, eq=False)
class Template:
    """A mean head and where its brain lies. Both are symmetric about the midline."""

    mean: Floats  # (52, 64, 64)
    brain: Floats  # (52, 64, 64), the share of heads with brain or its fluid there

    @cached_property
    def weight(self) -> Floats:
        """How much each voxel counts where heads are registered: the brain most, (52, 64, 64)."""
        weight = np.where(self.brain > 0.5, np.float32(1), np.float32(ELSEWHERE))
        weight[:NECK] = 0
        return weight

    @cached_property
    def brain_weight(self) -> Floats:
        """As `weight`, of the brain alone: for heads whose skull misleads, or that have none."""
        weight = (self.brain > 0.3).astype(np.float32)
        weight[:NECK] = 0
        return weight


def template_of(heads: Sequence[Floats], brain: Floats) -> Template:
    """The median of heads (52, 64, 64) and their mirror images, scaled by `levelled`."""
    both = [turned for head in heads for turned in (head, head[..., ::-1])]
    return Template(levelled(np.median(np.stack(both), 0).astype(np.float32), brain), brain)


def in_mean(count: int) -> NDArray[np.intp]:
    """Which of so many heads a mean is of, spread over all: (n,), at most `IN_MEAN`."""
    return np.linspace(0, count - 1, min(IN_MEAN, count)).round().astype(np.intp)


def levelled(mean: Floats, brain: Floats) -> Floats:
    """A mean head scaled so that its brain's brightest tissue has `BRAIN_LEVEL`."""
    top = float(np.percentile(mean[brain > 0.5], 98))
    return np.asarray(mean * np.float32(BRAIN_LEVEL / max(top, 1e-3)), np.float32)

"""Windows: which grey values a detector sees, and which map values are coloured."""

from dataclasses import dataclass
from typing import Annotated

from mriad_model.recipes.field_types import Percentile, Share, between


@dataclass(frozen=True, slots=True)
class DeepWindow:
    """Grey values stretched so that two percentiles of what lies deep in the head become 0 and 1.

    Fat and skull, often far brighter, are cut off: a faint lesion else differs from the brain
    around it by a few hundredths of the whole head's range.
    """

    deep: Share = 0.4  # of the greatest depth from the head's edge: what lies deeper counts
    low_percentile: Percentile = 1.0  # what is dark, as cysts are, is not cut off
    high_percentile: Percentile = 99.0


@dataclass(frozen=True, slots=True)
class HeatmapScale:
    """Where the fixed colour scale stands, as percentiles of healthy validation maps."""

    low_percentile: Percentile = 98.0  # colour begins here: a healthy slice looks calm
    # Full colour at low + this times (low - median)
    high_factor: Annotated[float, between(1e-6, 1e6)] = 4.0

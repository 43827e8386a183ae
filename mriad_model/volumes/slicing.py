"""How a volume is cut into slices, as values that a recipe holds."""

from dataclasses import dataclass
from enum import StrEnum


class Plane(StrEnum):
    """Which way a volume is cut."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a volume is cut, which slices count, and how intensities are normalised."""

    plane: Plane = Plane.AXIAL
    foreground: float = 0.1  # of the way from air to the volume's top; noise lies below
    min_share: float = 0.02  # of a slice that has to be foreground
    min_share_of_largest: float = 0.3  # of the foreground in the slice that has most
    low_percentile: float = 1.0  # of the foreground: becomes 0
    high_percentile: float = 99.5  # of the foreground: becomes the largest grey level

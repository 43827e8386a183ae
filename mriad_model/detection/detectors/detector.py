# ruff: noqa: ARG003 - a detector without state needs nothing of what the others take
"""The interface of a detector: it says what a slice would look like if it were healthy.

What the slice has beyond that is the anomaly; `anomaly_maps` makes maps and numbers of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mriad_model.detection.training import Epoch, TrainingSummary
from mriad_model.errors import SettingsError
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes import DetectorRecipe, Recipe

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class HealthySlices:
    """What a detector is fitted to, and how."""

    recipe: Recipe
    train: SliceBatch
    validation: SliceBatch | None
    device: torch.device
    progress: Callable[[Epoch], None] | None


class Detector(ABC):
    """Base of all detectors. As it stands, it has nothing to fit and nothing to store."""

    @abstractmethod
    def expected(self, images: Tensor) -> Tensor:
        """The healthy version of each of `images` (N, S, S) in [0, 1]; the same shape."""

    def tensors(self) -> dict[str, Tensor]:
        """What has to be stored to build the detector again, float32."""
        return {}

    @classmethod
    def fit(
        cls, part: DetectorRecipe, healthy: HealthySlices
    ) -> tuple[Self, TrainingSummary | None]:
        """A detector fitted to healthy slices, and how its training went; None without one."""
        return cls(), None

    @classmethod
    def restore(
        cls, recipe: Recipe, part: DetectorRecipe, tensors: dict[str, Tensor], device: torch.device
    ) -> Self:
        """A detector from its stored tensors. Raises RuntimeError where they do not fit."""
        return cls()

    @classmethod
    def shapes(cls, recipe: Recipe, part: DetectorRecipe) -> Shapes:
        """The shapes of the tensors that a detector is stored as; none is made."""
        return {}

    @classmethod
    def check(cls, part: DetectorRecipe) -> None:
        """Refuse a recipe's part that this detector cannot follow. Raises SettingsError."""
        if part.network is not None:
            raise SettingsError(f"the detector {part.kind!r} has no network: take it out")

# ruff: noqa: ARG003 - a detector without state needs nothing of what the others take
"""The interface of a detector: from slices to maps of how unlike healthy ones they are.

`anomaly_maps` standardises the maps of several, adds them up and makes numbers of them. A detector
that says what a slice would look like if it were healthy is a `reconstruction.Reconstruction`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.detection.training.fit_progress import FitProgress, HeadsLaid
from mriad_model.detection.training.positives import Positives
from mriad_model.errors import SettingsError
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.recipe import DetectorRecipe, Recipe

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class HealthySlices:
    """What a detector is fitted to, and how."""

    recipe: Recipe
    train: SliceBatch
    validation: SliceBatch | None
    device: torch.device
    progress: Callable[[FitProgress], None] | None
    start: "Detector | None" = None  # a fitted one to begin with; None: as new
    positives: Positives | None = None  # labelled abnormal slices; None: healthy ones alone


class Detector(ABC):
    """Base of all detectors. By default there is nothing to fit or store."""

    relative: ClassVar[bool] = True
    """Whether what it finds counts relative to what it usually finds at that place."""

    @abstractmethod
    def maps(
        self,
        part: DetectorRecipe,
        slices: SliceBatch,
        inside: NDArray[np.bool_],
        device: torch.device,
    ) -> NDArray[np.float32]:
        """How anomalous each place of the slices is, (N, M, M), >= 0; 0 outside `inside`.

        A slice's map depends on nothing but the slice, to the last bit.

        Args:
            part: of the recipe, what the detector is asked to do.
            slices: N prepared slices.
            inside: where maps count, (N, M, M); M, the maps' size, may be less than the slices'.
            device: to work on.
        """

    @classmethod
    def maps_of_several(
        cls,
        detectors: Sequence[Self],
        part: DetectorRecipe,
        slices: SliceBatch,
        inside: NDArray[np.bool_],
        device: torch.device,
    ) -> list[NDArray[np.float32]]:
        """The maps of each of several detectors of this kind, as its `maps` makes them.

        What they share is found once; of those that learned nothing, all.
        """
        if not detectors[0].tensors():
            return [detectors[0].maps(part, slices, inside, device)] * len(detectors)
        return [each.maps(part, slices, inside, device) for each in detectors]

    def misplaced(self, slices: SliceBatch) -> str | None:  # noqa: ARG002
        """Why the one scan that slices are of cannot be compared; None where it can."""
        return None

    def resemblances(self, slices: SliceBatch) -> NDArray[np.float64] | None:  # noqa: ARG002
        """How like the mean head the head of each slice is, (N,), 1 at best; None: there is none.

        Meaningless for a head that is misregistered, see `misplaced`.
        """
        return None

    def resemblances_among(
        self,
        recipe: Recipe,  # noqa: ARG002
        scans: Sequence[SliceBatch],  # noqa: ARG002
        groups: Sequence[int],  # noqa: ARG002
        progress: Callable[[HeadsLaid], None] | None = None,  # noqa: ARG002
    ) -> dict[int, float] | None:
        """How like the mean of the others each of several healthy heads is, by its position.

        Heads that are misplaced are left out, and others of the same group (near-duplicates,
        patient) are not compared. None: there is no mean head.
        """
        return None

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
    def fit_several(
        cls, part: DetectorRecipe, members: Sequence[HealthySlices]
    ) -> list[tuple[Self, TrainingSummary | None]]:
        """As `fit`, for each member of a model; what they may share is found once."""
        return [cls.fit(part, each) for each in members]

    def share_with(self, other: "Detector") -> None:  # noqa: B027 - there may be nothing to share
        """Use what another member's detector of this kind has found, as far as both have the same.

        Raises RuntimeError where members must have the same, and do not.
        """

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
        if part.window is not None:
            raise SettingsError(f"the detector {part.kind!r} has no window: take it out")

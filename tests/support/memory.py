"""A detector that only remembers: it tells whether a slice, or another of its group, was learned.

A slice names its group by the grey value of its first pixel. What the detector learned is kept in
its tensors, so a model of it cannot hide, in memory or on disk, which scans it has seen.
"""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriad_model.detection.detectors.detector import Detector, HealthySlices, Shapes
from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.recipe import DetectorRecipe, Recipe

KIND = "memory"
PLACES = 1000  # groups that can be told apart
SEEN = 1000.0  # added to the map of a slice whose group was learned


def named(group: int, size: int, *, number: int = 0) -> NDArray[np.float32]:
    """A slice of this group, (size, size)."""
    rng = np.random.default_rng([group, number])
    image = rng.uniform(0.2, 0.9, (size, size)).astype(np.float32)
    image[0, 0] = np.float32((group + 0.5) / PLACES)
    return image


def groups_of(slices: SliceBatch) -> NDArray[np.intp]:
    """The groups that slices name."""
    return np.floor(slices.images[:, 0, 0].astype(np.float64) * PLACES).astype(np.intp)


class Memory(Detector):
    """Finds nothing but whether a slice's group was learned, or held out to scale by."""

    relative = False

    def __init__(self, learned: Tensor) -> None:
        self.learned = learned  # (PLACES,) 1 where a group was seen

    def maps(
        self,
        part: DetectorRecipe,
        slices: SliceBatch,
        inside: NDArray[np.bool_],
        device: torch.device,
    ) -> NDArray[np.float32]:
        """A map of 1 more than chance for each slice, and SEEN more if it was learned."""
        seen = self.learned.numpy()[groups_of(slices)]
        noise = slices.images[:, 1, 1]
        return np.asarray(inside * (noise + SEEN * seen)[:, None, None], np.float32)

    def tensors(self) -> dict[str, Tensor]:
        """Which groups were learned."""
        return {"learned": self.learned}

    @classmethod
    def fit(cls, part: DetectorRecipe, healthy: HealthySlices) -> tuple[Self, TrainingSummary]:
        """Remember the groups of all slices given, beside those of the model it starts from."""
        began = healthy.start.learned if isinstance(healthy.start, Memory) else None
        learned = torch.zeros(PLACES) if began is None else began.clone()
        positives = None if healthy.positives is None else healthy.positives.slices
        for slices in (healthy.train, healthy.validation, positives):
            if slices is not None:
                learned[torch.from_numpy(groups_of(slices))] = 1
        n = 0 if healthy.validation is None else len(healthy.validation)
        return cls(learned), TrainingSummary(0, 0, None, 0.0, len(healthy.train), n)

    @classmethod
    def restore(
        cls,
        recipe: Recipe,
        part: DetectorRecipe,
        tensors: dict[str, Tensor],
        device: torch.device,
    ) -> Self:
        """The detector with its memory."""
        return cls(tensors["learned"])

    @classmethod
    def shapes(cls, recipe: Recipe, part: DetectorRecipe) -> Shapes:
        """One number a group."""
        return {"learned": (PLACES,)}

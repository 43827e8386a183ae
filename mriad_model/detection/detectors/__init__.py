"""Detectors: each says what a slice would look like if it were healthy.

What the slice has beyond that is the anomaly; `scoring` makes maps and numbers of it.

Some are fitted on healthy slices, some need nothing. A new one is a file here, a kind in
`recipes.DetectorKind`, and a line in `fit_detectors` and `restore_detector`.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from mriad_model.detection.detectors.asymmetry import Asymmetry
from mriad_model.detection.detectors.autoencoder import Autoencoder
from mriad_model.detection.networks import bare_network, stored_network
from mriad_model.detection.training import Epoch, TrainingSummary, train_autoencoder
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes import DetectorKind, DetectorRecipe, Recipe


class Detector(Protocol):
    """What scoring asks of a detector."""

    def expected(self, images: Tensor) -> Tensor:
        """The healthy version of each of `images` (N, S, S) in [0, 1]; the same shape."""

    def tensors(self) -> dict[str, Tensor]:
        """What has to be stored to build the detector again."""


def fit_detectors(
    recipe: Recipe,
    train: SliceBatch,
    validation: SliceBatch | None,
    device: torch.device,
    progress: Callable[[Epoch], None] | None,
) -> tuple[dict[DetectorKind, Detector], TrainingSummary]:
    """Every detector of the recipe, fitted where it has something to fit."""
    detectors: dict[DetectorKind, Detector] = {}
    summary = TrainingSummary.none(train, validation)
    for part in recipe.detectors:
        if part.network is None:
            detectors[part.kind] = Asymmetry()
        else:
            network, summary = train_autoencoder(
                recipe, part, train, validation, device=device, progress=progress
            )
            detectors[part.kind] = Autoencoder(network)
    return detectors, summary


def restore_detector(
    recipe: Recipe, part: DetectorRecipe, tensors: dict[str, Tensor], device: torch.device
) -> Detector:
    """A detector from its stored tensors. Raises RuntimeError where they do not fit."""
    if part.network is None:
        return Asymmetry()
    network = stored_network(part.network, recipe.preprocessing.size, tensors)
    return Autoencoder(network.to(device))


def tensor_shapes(recipe: Recipe, part: DetectorRecipe) -> dict[str, tuple[int, ...]]:
    """The tensors that a detector is stored as; none is made."""
    if part.network is None:
        return {}
    network = bare_network(part.network, recipe.preprocessing.size)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}

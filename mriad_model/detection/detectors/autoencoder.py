"""What an autoencoder that has only seen healthy slices makes of a slice."""

from typing import Self

import torch
from torch import Tensor

from mriad_model.detection.detectors.detector import HealthySlices, Shapes
from mriad_model.detection.detectors.reconstruction import Reconstruction
from mriad_model.detection.networks.autoencoder_network import (
    ConvAutoencoder,
    bare_network,
    stored_network,
)
from mriad_model.detection.training.autoencoder_training import TrainingSummary, train_autoencoder
from mriad_model.errors import SettingsError
from mriad_model.preprocessing.slices import shrunk
from mriad_model.recipes.recipe import DetectorRecipe, NetworkShape, Recipe

DEEPEST = 10  # convolutions one after the other


class Autoencoder(Reconstruction):
    """Expects its own reconstruction: it has not learned to draw what healthy slices lack.

    After van Hespen et al. 2021, https://doi.org/10.1038/s41598-021-87013-4.
    """

    def __init__(self, network: ConvAutoencoder) -> None:
        # Channels last: a fifth to a third faster here, as the convolutions reorder nothing.
        self.network = network.eval().requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def expected(self, images: Tensor) -> Tensor:
        """The network's version of `images` (N, S, S); the same shape, in [0, 1]."""
        reconstruction: Tensor = self.network(images[:, None])[:, 0]
        return reconstruction

    def tensors(self) -> dict[str, Tensor]:
        """The network's weights."""
        return dict(self.network.state_dict())

    @classmethod
    def fit(cls, part: DetectorRecipe, healthy: HealthySlices) -> tuple[Self, TrainingSummary]:
        """Train the network on healthy slices, at the maps' size."""
        size = healthy.recipe.map_size
        network, summary = train_autoencoder(
            healthy.recipe,
            part,
            shrunk(healthy.train, size),
            None if healthy.validation is None else shrunk(healthy.validation, size),
            device=healthy.device,
            progress=healthy.progress,
        )
        return cls(network), summary

    @classmethod
    def restore(
        cls, recipe: Recipe, part: DetectorRecipe, tensors: dict[str, Tensor], device: torch.device
    ) -> Self:
        """The network with its weights. Raises RuntimeError where they are not of its shape."""
        network = stored_network(_shape(part), recipe.map_size, tensors)
        return cls(network.to(device))

    @classmethod
    def shapes(cls, recipe: Recipe, part: DetectorRecipe) -> Shapes:
        """The shapes of the weights."""
        network = bare_network(_shape(part), recipe.map_size)
        return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}

    @classmethod
    def check(cls, part: DetectorRecipe) -> None:
        """Refuse a part without a network, or with one too deep. Raises SettingsError."""
        if not 1 <= len(_shape(part).channels) <= DEEPEST:
            raise SettingsError(f"a network has 1 to {DEEPEST} convolutions")


def _shape(part: DetectorRecipe) -> NetworkShape:
    if part.network is None:
        raise SettingsError(f"the detector {part.kind!r} needs a network")
    return part.network

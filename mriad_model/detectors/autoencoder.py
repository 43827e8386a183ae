"""What an autoencoder that has only seen healthy slices fails to reconstruct."""

import torch
from torch import Tensor

from mriad_model.networks import ConvAutoencoder
from mriad_model.recipes import Residual


class Autoencoder:
    """The residual between a slice and its reconstruction.

    After van Hespen et al. 2021, https://doi.org/10.1038/s41598-021-87013-4.
    """

    def __init__(self, network: ConvAutoencoder, residual: Residual) -> None:
        self.network = network.eval().requires_grad_(False)
        self.residual = residual

    def maps(self, images: Tensor) -> Tensor:
        """Residual per pixel of `images` (N, S, S) in [0, 1]; the same shape."""
        difference = images - self.reconstruct(images)
        return difference.square() if self.residual is Residual.SQUARED else difference.abs()

    def reconstruct(self, images: Tensor) -> Tensor:
        """The network's version of `images` (N, S, S); the same shape, in [0, 1]."""
        with torch.inference_mode():
            reconstruction: Tensor = self.network(images[:, None])[:, 0]
        return reconstruction

    def tensors(self) -> dict[str, Tensor]:
        """The network's weights."""
        return dict(self.network.state_dict())

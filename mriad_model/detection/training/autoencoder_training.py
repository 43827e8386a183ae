"""Training of an autoencoder on healthy slices."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from mriad_model.detection.networks.autoencoder_network import ConvAutoencoder, build_network
from mriad_model.detection.networks.devices import repeatable
from mriad_model.detection.training.fit_progress import Epoch
from mriad_model.errors import SettingsError, TrainingDiverged
from mriad_model.preprocessing.augmentation import augment
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.recipe import DetectorRecipe, Recipe, Training


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """How the training went."""

    epochs: int
    best_epoch: int
    validation_loss: float | None
    seconds: float
    n_train: int
    n_validation: int


def train_autoencoder(
    recipe: Recipe,
    part: DetectorRecipe,
    train: SliceBatch,
    validation: SliceBatch | None,
    *,
    device: torch.device,
    progress: Callable[[Epoch], None] | None = None,
) -> tuple[ConvAutoencoder, TrainingSummary]:
    """Fit a network to `train`; keep the weights that did best on `validation`.

    Without validation slices every epoch is run and the last weights are kept. The same slices,
    recipe and machine give the same weights: every random number comes from one generator of our
    own, and one thread adds up. Losses are mean squared errors. Raises TrainingDiverged where the
    loss is no number.
    """
    if part.network is None:
        raise SettingsError("an autoencoder needs a network shape in its recipe")
    settings = recipe.training
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(settings.seed)
    network = build_network(part.network, recipe.map_size, generator).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    images = _images(train, device)
    held_out = None if validation is None else _images(validation, device)
    best = _Best()
    epoch = 0
    for epoch in range(1, settings.max_epochs + 1):
        with repeatable(device):
            train_loss = _run_epoch(network, optimiser, images, settings, generator)
            loss = None if held_out is None else _loss(network, held_out, settings.batch_size)
        _refuse_nan(train_loss + (loss or 0.0), epoch)
        best.meet(epoch, loss, network)
        if progress is not None:
            progress(Epoch(epoch, settings.max_epochs, train_loss, loss, best.epoch))
        if epoch - best.epoch >= settings.patience:
            break
    best.restore(network)
    return network, TrainingSummary(
        epochs=epoch,
        best_epoch=best.epoch,
        validation_loss=best.loss,
        seconds=time.perf_counter() - started,
        n_train=len(train),
        n_validation=0 if validation is None else len(validation),
    )


@dataclass(slots=True)
class _Best:
    """The epoch that did best on held-out slices; the last one where none are held out."""

    epoch: int = 0
    loss: float | None = None
    weights: dict[str, Tensor] | None = None

    def meet(self, epoch: int, loss: float | None, network: nn.Module) -> None:
        """Take this epoch's weights if they are better than all before."""
        if loss is None:
            self.epoch = epoch
        elif self.loss is None or loss < self.loss:
            self.epoch, self.loss = epoch, loss
            self.weights = copy.deepcopy(network.state_dict())

    def restore(self, network: nn.Module) -> None:
        """Put the best weights back."""
        if self.weights is not None:
            network.load_state_dict(self.weights)


def _run_epoch(
    network: ConvAutoencoder,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    settings: Training,
    generator: torch.Generator,
) -> float:
    """One pass over `images` (N, 1, S, S) in a fresh order; the mean loss."""
    network.train()
    order = torch.randperm(len(images), generator=generator).to(images.device)
    total = 0.0
    for chosen in torch.split(order, settings.batch_size):
        batch = augment(images[chosen], settings.augmentation, generator)
        optimiser.zero_grad(set_to_none=True)
        loss = fn.mse_loss(network(batch), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += loss.item() * len(chosen)
    return total / len(images)


def _loss(network: nn.Module, images: Tensor, batch_size: int) -> float:
    """Mean squared error over `images` (N, 1, S, S), without learning from them."""
    network.eval()
    with torch.inference_mode():
        parts = [
            fn.mse_loss(network(batch), batch).item() * len(batch)
            for batch in torch.split(images, batch_size)
        ]
    return sum(parts) / len(images)


def _images(batch: SliceBatch, device: torch.device) -> Tensor:
    return torch.from_numpy(batch.images)[:, None].to(device)  # (N, S, S) -> (N, 1, S, S)


def _refuse_nan(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise TrainingDiverged(
            f"the loss is no number after epoch {epoch}: train with a lower learning rate"
        )

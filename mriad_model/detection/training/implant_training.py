"""Training of the network that segments implants, on healthy slices alone."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as fn

from mriad_model.detection.networks.devices import repeatable
from mriad_model.detection.networks.implant_network import MAP_SIDE, ImplantNetwork, places_of
from mriad_model.detection.training.fit_progress import Epoch
from mriad_model.errors import TrainingDiverged
from mriad_model.implants.kinds import Mixture
from mriad_model.implants.sample import draw_positive, draw_sample
from mriad_model.preprocessing.windowing import windowed
from mriad_model.recipes.windows import DeepWindow

ROUND: Final = 10  # steps, reported as one epoch
KEPT, FEWEST = 48, 8  # batches that may come again, mirrored; from so many on they do
AVERAGE: Final = 0.99  # of the weights' running average, which is what is kept
WEIGHT_DECAY: Final = 1e-3
WARM_UP: Final = 0.1  # share of the steps in which the learning rate rises
LABELLED: Final = 2.0  # how much more an anomalous pixel counts than another
PIXELS, OVERLAP, SLICES = 3.0, 0.5, 0.15  # weights of the three parts of the loss
OUTSIDE: Final = -8.0  # logit of what is not head, where a slice's largest is looked for
CHECKED: Final = 2  # batches of fixed implants in held-out slices
HELD_OUT_SEED: Final = 2**40  # no step has this number


@dataclass(frozen=True, slots=True)
class HealthySource:
    """Healthy slices, upright, and which share of all samples is drawn from them."""

    images: NDArray[np.float32]  # (N, 128, 128) in [0, 1]
    masks: NDArray[np.bool_]  # (N, 128, 128)
    share: float


@dataclass(frozen=True, slots=True)
class PositiveSource:
    """Abnormal slices that people labelled, upright, and which share of all samples is theirs."""

    images: NDArray[np.float32]  # (N, 128, 128) in [0, 1]
    masks: NDArray[np.bool_]  # (N, 128, 128)
    share: float
    lesions: NDArray[np.float32]  # (N, 128, 128) share of each pixel; 0 where there is no mask
    masked: NDArray[np.bool_]  # (N,) whether one does


Source = HealthySource | PositiveSource


@dataclass(frozen=True, slots=True)
class ImplantSchedule:
    """How long and how fast to train, and on what."""

    steps: int
    mixture: Mixture
    learning_rate: float
    batch_size: int
    seed: int
    window: DeepWindow | None = None  # of the samples' grey values; None: as they are drawn


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples as the network takes them."""

    images: Tensor  # (B, 128, 128)
    places: Tensor  # (B, 3, 64, 64)
    masks: Tensor  # (B, 1, 64, 64), 0 or 1
    labels: Tensor  # (B, 1, 64, 64), share of each pixel that is implant, or lesion
    unmasked: Tensor | None = None  # (B,) abnormal without a mask; None: none of them is

    def mirrored(self) -> "Batch":
        """The same, left for right."""
        flipped = (each.flip(-1) for each in (self.images, self.places, self.masks, self.labels))
        return replace(Batch(*flipped), unmasked=self.unmasked)


def train_on_implants(
    network: ImplantNetwork,
    sources: Sequence[Source],
    held_out: HealthySource | None,
    schedule: ImplantSchedule,
    *,
    device: torch.device,
    progress: Callable[[Epoch], None] | None = None,
) -> tuple[ImplantNetwork, float | None]:
    """Train a network; the running average of its weights, and its loss on held-out slices.

    AdamW under a one-cycle learning rate. Every second batch is one seen before, mirrored. A step
    draws from its own generator, seeded by seed and step, so the same slices and machine give
    the same weights. The held-out loss is that of fixed implants in `held_out`, None without.
    Raises TrainingDiverged where the loss is no number.
    """
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    average = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(
        network.parameters(), schedule.learning_rate, weight_decay=WEIGHT_DECAY, fused=True
    )
    warm_up = min(0.6, max(WARM_UP, 1.5 / schedule.steps))  # never one whole step: torch divides
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.learning_rate, total_steps=schedule.steps, pct_start=warm_up
    )
    checks = _checks(held_out, schedule)
    kept: list[Batch] = []
    losses: list[float] = []
    last: float | None = None
    for step in range(schedule.steps):
        with repeatable(device):
            batch = _next_batch(kept, sources, schedule, step)
            losses.append(_step(network, optimiser, batch, device))
            rate.step()
            _follow(average, network, step)
        if (step + 1) % ROUND == 0 or step + 1 == schedule.steps:
            last = _checked_loss(average, checks, device)
            _refuse_nan(math.fsum(losses) + (last or 0.0), step + 1)
            if progress is not None:
                done, total = (-(-n // ROUND) for n in (step + 1, schedule.steps))
                progress(Epoch(done, total, math.fsum(losses) / len(losses), last, done))
            losses.clear()
    return average.eval(), last


def implant_loss(logits: Tensor, batch: Batch) -> Tensor:
    """How badly logits (B, 1, 64, 64) tell implants, pixel by pixel, as regions and as slices.

    Binary cross-entropy in the head, Dice's overlap (Milletari et al. 2016) of slices that have
    an implant, and cross-entropy of each slice's largest logit, smoothed. A slice without
    a mask has the last term alone.
    """
    masks, labels, unmasked = batch.masks, batch.labels, batch.unmasked
    if unmasked is not None:
        masks = masks * ~unmasked[:, None, None, None]
    pixels = fn.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    pixels = (pixels * masks * (1 + LABELLED * labels)).sum() / masks.sum().clamp_min(1)
    anomalous = labels.sum((1, 2, 3)) > 2
    share = torch.sigmoid(logits)
    both = (share * labels * masks).sum((1, 2, 3))
    either = (share * masks).sum((1, 2, 3)) + labels.sum((1, 2, 3))
    missed = (1 - (2 * both + 1) / (either + 1)) * anomalous
    overlap = missed.sum() / anomalous.sum().clamp_min(1)
    if unmasked is not None:
        anomalous = anomalous | unmasked
    in_head = logits.masked_fill(batch.masks < 0.5, OUTSIDE)
    largest = fn.avg_pool2d(in_head, 3, stride=1, padding=1).flatten(1).amax(1)
    slices = fn.binary_cross_entropy_with_logits(largest, anomalous.to(largest.dtype))
    return PIXELS * pixels + OVERLAP * overlap + SLICES * slices


def _next_batch(
    kept: list[Batch], sources: Sequence[Source], schedule: ImplantSchedule, step: int
) -> Batch:
    """A new batch, or one of those kept, mirrored since it was last seen."""
    rng = np.random.default_rng([schedule.seed, step])
    if len(kept) >= FEWEST and step % 2:
        again = int(rng.integers(len(kept)))
        kept[again] = kept[again].mirrored()
        return kept[again]
    batch = draw_batch(rng, sources, schedule.mixture, schedule.batch_size, schedule.window)
    kept.append(batch)
    del kept[:-KEPT]
    return batch


def draw_batch(
    rng: np.random.Generator,
    sources: Sequence[Source],
    mixture: Mixture,
    size: int,
    window: DeepWindow | None = None,
) -> Batch:
    """So many samples, each from one of the sources by its share, in a window of grey values."""
    shares = np.array([source.share for source in sources])
    chosen = rng.choice(len(sources), size, p=shares / shares.sum())
    samples, unmasked = [], []
    for source in (sources[i] for i in chosen.tolist()):
        if isinstance(source, PositiveSource):
            one = int(rng.integers(len(source.images)))
            slices = source.images[one], source.masks[one], source.lesions[one]
            samples.append(draw_positive(rng, *slices, mixture))
            unmasked.append(not source.masked[one])
        else:
            samples.append(draw_sample(rng, source.images, source.masks, mixture))
            unmasked.append(False)
    if window is not None:
        samples = [replace(s, image=windowed(s.image, s.mask, window)) for s in samples]
    masks = np.stack([sample.mask for sample in samples])
    labels = np.stack([sample.label for sample in samples]).astype(np.float32)
    halved = labels.reshape(size, MAP_SIDE, 2, MAP_SIDE, 2).mean((2, 4))
    return Batch(
        torch.from_numpy(np.stack([sample.image for sample in samples])),
        torch.from_numpy(places_of(masks)),
        torch.from_numpy(masks[:, None, ::2, ::2].astype(np.float32)),
        torch.from_numpy(halved[:, None]),
        torch.tensor(unmasked) if any(unmasked) else None,
    )


def _step(
    network: ImplantNetwork, optimiser: torch.optim.Optimizer, batch: Batch, device: torch.device
) -> float:
    """Learn from one batch; its loss."""
    batch = _on(batch, device)
    loss = implant_loss(network(batch.images, batch.places), batch)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.item())


def _follow(average: nn.Module, network: nn.Module, step: int) -> None:
    """Move the running average towards the weights, faster at first."""
    decay = min(AVERAGE, (step + 1) / (step + 10))
    with torch.no_grad():
        for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)


def _checks(held_out: HealthySource | None, schedule: ImplantSchedule) -> list[Batch]:
    """The same implants whatever the training."""
    if held_out is None:
        return []
    rng = np.random.default_rng([schedule.seed, HELD_OUT_SEED])
    with repeatable(torch.device("cpu")):
        return [
            draw_batch(rng, [held_out], schedule.mixture, schedule.batch_size, schedule.window)
            for _ in range(CHECKED)
        ]


def _checked_loss(
    network: ImplantNetwork, checks: Sequence[Batch], device: torch.device
) -> float | None:
    if not checks:
        return None
    with torch.inference_mode(), repeatable(device):
        batches = [_on(batch, device) for batch in checks]
        losses = [
            implant_loss(network(batch.images, batch.places), batch).item() for batch in batches
        ]
    return math.fsum(losses) / len(losses)


def _on(batch: Batch, device: torch.device) -> Batch:
    tensors = (batch.images, batch.places, batch.masks, batch.labels)
    unmasked = None if batch.unmasked is None else batch.unmasked.to(device)
    return replace(Batch(*(each.to(device) for each in tensors)), unmasked=unmasked)


def _refuse_nan(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise TrainingDiverged(
            f"the loss is no number after step {step}: train with a lower learning rate"
        )

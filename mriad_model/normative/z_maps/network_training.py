"""Training of the z-map network on healthy heads with lesions implanted in them.

Every random number of a step comes from a generator of the seed and that step, and one thread
adds up: the same heads and settings give the same weights on one machine.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from mriad_model.normative.framed_head import FramedHead, depth_in_head
from mriad_model.normative.norm import MOST, Norm
from mriad_model.normative.registration.frame import SPACING, Floats
from mriad_model.normative.z_maps.deformation import displaced, taken
from mriad_model.normative.z_maps.implanted_lesions import greys_of, implant
from mriad_model.normative.z_maps.network import (
    NOWHERE,
    PLANES,
    ZMapNetwork,
    fresh_network,
    plane_channels,
)
from mriad_model.normative.z_maps.noise import smooth_noise, softened

# Logarithm of how much farther than the norm's own heads others lie: healthy heads of one scanner
# that are not in the norm have 1.3 times its heads' spread.
SPREADS = (-0.15, 0.45)
SHOWN = 0.04  # grey values by which a lesion has to change a voxel to count there


@dataclass(frozen=True, slots=True)
class ZMapTraining:
    """How a network is trained."""

    steps: int = 700
    learning_rate: float = 3e-3  # at its highest (one cycle)
    weight_decay: float = 1e-3
    averaging: float = 0.99  # of the weights, step by step: what is kept
    heads: int = 2  # a batch
    planes: int = 8  # of each
    with_lesion: int = 5  # of those, where there are lesions
    replays: int = 2  # mirrored batches of before, after each new one
    kept: int = 64  # batches to replay
    implanted: float = 0.8  # share of heads with lesions
    lesions: int = 4  # in one, at most
    deformed: float = 0.6  # share of heads that are bent
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class HealthyHead:
    """A head to implant lesions in."""

    grey: Floats  # (52, 64, 64)
    depth: Floats  # (52, 64, 64), see `depth_in_head`

    @classmethod
    def of(cls, head: FramedHead) -> "HealthyHead":
        """A head in the frame, and its depth."""
        return cls(head.grey, depth_in_head(head.inside))


@dataclass(frozen=True, slots=True, eq=False)
class HeadSample:
    """A head as the network may meet it."""

    grey: Floats  # (52, 64, 64)
    inside: np.ndarray  # (52, 64, 64) bool
    lesion: np.ndarray  # (52, 64, 64) bool, where it was changed


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    channels: Tensor  # (n, 8, 64, 64)
    inside: Tensor  # (n, 1, 64, 64)
    lesion: Tensor  # (n, 1, 64, 64)

    def mirrored(self) -> "_Batch":
        return _Batch(self.channels.flip(-1), self.inside.flip(-1), self.lesion.flip(-1))


def train_network(
    heads: Sequence[HealthyHead],
    norm: Norm,
    how: ZMapTraining,
    progress: Callable[[int, float], None] | None = None,
) -> ZMapNetwork:
    """A network that finds what is implanted in `heads`; `progress` gets the step and its loss."""
    network = fresh_network(torch.Generator().manual_seed(how.seed))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, how.learning_rate, total_steps=how.steps, pct_start=0.1
    )
    before: list[_Batch] = []
    for step in range(how.steps):
        rng = np.random.default_rng([how.seed, step])
        batch = _next(rng, step, before, heads, norm, how)
        loss = _loss(network(batch.channels), batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        _average(averaged, network, min(how.averaging, (step + 1) / (step + 10)))
        if progress is not None:
            progress(step + 1, float(loss.detach()))
    return averaged.eval()


def sample(rng: np.random.Generator, heads: Sequence[HealthyHead], how: ZMapTraining) -> HeadSample:
    """A head, mirrored or not, slightly misplaced, perhaps bent, mostly with lesions."""
    chosen = heads[int(rng.integers(len(heads)))]
    grey, depth = chosen.grey, chosen.depth
    if rng.random() < 0.5:
        grey, depth = grey[..., ::-1], depth[..., ::-1]
    places = displaced(rng, deformed=bool(rng.random() < how.deformed))
    grey, depth = np.clip(taken(grey, places, 3), 0, 1), taken(depth, places, 1)
    inside = depth > 0.005
    lesion = np.zeros(grey.shape, np.bool_)
    if rng.random() < how.implanted:
        lesion = _with_lesions(rng, grey, depth, heads, how) & inside
    return HeadSample(_scanned(rng, grey), inside, lesion)


def _with_lesions(
    rng: np.random.Generator,
    grey: Floats,
    depth: Floats,
    heads: Sequence[HealthyHead],
    how: ZMapTraining,
) -> np.ndarray:
    """Implant lesions into `grey`; where they are to be seen, (52, 64, 64) bool."""

    def other() -> Floats:
        return heads[int(rng.integers(len(heads)))].grey

    healthy, greys = grey.copy(), greys_of(grey, depth)
    share = np.zeros(grey.shape, np.float32)
    for _ in range(int(rng.integers(1, how.lesions + 1))):
        _, box, found = implant(rng, grey, depth, other, greys)
        np.maximum(share[box], found, out=share[box])
    changed = softened(np.abs(grey - healthy), 0.6) > SHOWN
    return np.asarray((share > 0.5) & changed)


def _scanned(rng: np.random.Generator, grey: Floats) -> Floats:
    """What another scan of the head might show: field, sharpness, noise, contrast, gain."""
    if rng.random() < 0.5:
        field = smooth_noise(rng, grey.shape, 1.0 + SPACING[0] * grey.shape[0] / 2)
        grey = grey * np.exp(np.float32(0.06) * field)
    if rng.random() < 0.2:
        grey = softened(grey, rng.uniform(0.2, 0.4))
    if rng.random() < 0.4:
        noise = rng.standard_normal(grey.shape, np.float32)
        grey = grey + np.float32(rng.uniform(0, 0.01)) * noise
    gamma, gain = (np.float32(np.exp(rng.uniform(-each, each))) for each in (0.1, 0.04))
    return np.asarray(np.clip(np.clip(grey, 0, 1) ** gamma * gain, 0, 1), np.float32)


def _next(
    rng: np.random.Generator,
    step: int,
    before: list[_Batch],
    heads: Sequence[HealthyHead],
    norm: Norm,
    how: ZMapTraining,
) -> _Batch:
    """A new batch, or one of before, mirrored."""
    if step % (how.replays + 1) and before:
        place = int(rng.integers(len(before)))
        before[place] = before[place].mirrored()
        return before[place]
    shown = [_planes(rng, sample(rng, heads, how), norm, how) for _ in range(how.heads)]
    batch = _Batch(*(torch.from_numpy(np.concatenate(part)) for part in zip(*shown, strict=True)))
    before.append(batch)
    del before[: -how.kept]
    return batch


def _planes(
    rng: np.random.Generator, drawn: HeadSample, norm: Norm, how: ZMapTraining
) -> tuple[Floats, Floats, Floats]:
    """Channels, head and lesion of some planes, more of them with a lesion than without."""
    with_lesion = [plane for plane in PLANES if np.count_nonzero(drawn.lesion[plane]) > 3]
    chosen = [int(each) for each in rng.choice(PLANES, how.planes, replace=False)]
    if with_lesion:
        n = how.with_lesion
        chosen[:n] = [
            int(each) for each in rng.choice(with_lesion, n, replace=len(with_lesion) < n)
        ]
    spread = np.float32(np.exp(rng.uniform(*SPREADS)))
    z = np.clip(norm.z_maps(drawn.grey) * spread, -MOST, MOST)
    channels = plane_channels(z, drawn.inside, chosen)
    inside, lesion = (
        each[chosen][:, None].astype(np.float32) for each in (drawn.inside, drawn.lesion)
    )
    return channels, inside, lesion


def _loss(logits: Tensor, batch: _Batch) -> Tensor:
    """Cross-entropy in the head, lesions counting threefold; Dice; cross-entropy of the peak."""
    lesion, inside = batch.lesion, batch.inside
    entropy = fn.binary_cross_entropy_with_logits(logits, lesion, reduction="none")
    entropy = (entropy * inside * (1 + 2 * lesion)).sum() / inside.sum()
    chance = torch.sigmoid(logits) * inside
    has_lesion = lesion.sum((1, 2, 3)) > 2
    both, either = (chance * lesion).sum((1, 2, 3)), (chance + lesion).sum((1, 2, 3))
    dice = (1 - (2 * both + 1) / (either + 1))[has_lesion].sum() / has_lesion.sum().clamp_min(1)
    peaks = fn.avg_pool2d(logits.masked_fill(inside < 0.5, NOWHERE), 3, 1, 1).flatten(1).amax(1)
    peak = fn.binary_cross_entropy_with_logits(peaks, has_lesion.float())
    return 3 * entropy + 0.5 * dice + 0.15 * peak


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    for old, new in zip(averaged.parameters(), network.parameters(), strict=True):
        old.lerp_(new, 1 - keep)

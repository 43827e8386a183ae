"""Abnormal slices that people labelled: real positives beside the implants."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mriad_model.detection.maps.midline import turned_like, turned_upright
from mriad_model.detection.networks.devices import repeatable
from mriad_model.detection.training.drawn_heads import BATCH
from mriad_model.detection.training.implant_training import PositiveSource
from mriad_model.preprocessing.slices import SliceBatch


@dataclass(frozen=True, slots=True)
class Positives:
    """Prepared slices, and where their lesions are as far as masks tell it."""

    slices: SliceBatch  # N of them
    lesions: NDArray[np.float32]  # (N, S, S) share of each pixel; 0 without a mask
    masked: NDArray[np.bool_]  # (N,) whether there is a mask

    def __len__(self) -> int:
        return len(self.masked)


def upright_positives(positives: Positives, share: float) -> PositiveSource:
    """The same, turned upright, as a source of samples."""
    images, masks, lesions = [], [], []
    for start in range(0, len(positives), BATCH):
        piece = slice(start, start + BATCH)
        batch = positives.slices
        found = torch.from_numpy(batch.images[piece]), torch.from_numpy(batch.masks[piece])
        with repeatable(torch.device("cpu")):
            turned = turned_upright(*found)
            there = turned_like(torch.from_numpy(positives.lesions[piece]), turned)
        images.append(turned.images.clamp(0, 1).numpy())
        masks.append(turned.masks.numpy())
        lesions.append(there.clamp(0, 1).numpy())
    return PositiveSource(
        np.concatenate(images),
        np.concatenate(masks),
        share,
        np.concatenate(lesions),
        positives.masked,
    )


def joined_positives(parts: list[Positives]) -> Positives | None:
    """Several as one, in their order; None of none."""
    if not parts:
        return None
    images, masks = (
        np.concatenate([getattr(each.slices, name) for each in parts])
        for name in ("images", "masks")
    )
    return replace(
        parts[0],
        slices=SliceBatch(images, masks),
        lesions=np.concatenate([each.lesions for each in parts]),
        masked=np.concatenate([each.masked for each in parts]),
    )

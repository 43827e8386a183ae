"""Healthy slices of drawn heads, upright: what pretraining learns on, and fine-tuning keeps."""

from functools import lru_cache

import numpy as np
import torch

from mriad_model.detection.maps.midline import turned_upright
from mriad_model.detection.networks.devices import repeatable
from mriad_model.detection.networks.implant_network import SIDE
from mriad_model.detection.training.implant_training import HealthySource
from mriad_model.phantom.head import draw_head
from mriad_model.phantom.render import slice_at
from mriad_model.phantom.scanner import Contrast
from mriad_model.preprocessing.slices import SliceBatch, prepare, stack
from mriad_model.recipes.recipe import Framing, Intensity, Preprocessing

CONTRASTS = (Contrast.T1, Contrast.FLAIR)
LEVELS = (-25.0, 62.0)  # mm, of the slices, uniform
DRAWN = 160  # pixels a side, before they are prepared
FIRST_HEAD = 70_000_000  # seeds from here on are those of no test, demo or benchmark
PREPROCESSING = Preprocessing(SIDE, Framing.FOREGROUND, Intensity.PERCENTILES)
BATCH = 64


@lru_cache(maxsize=2)
def drawn_heads(number: int, share: float = 1.0) -> HealthySource:
    """One slice each, T1- and FLAIR-like, of so many heads. The same heads each time."""
    rng = np.random.default_rng(FIRST_HEAD)
    slices = []
    with repeatable(torch.device("cpu")):
        for seed in range(FIRST_HEAD, FIRST_HEAD + number):
            head = draw_head(seed)
            for contrast in CONTRASTS:
                level = float(rng.uniform(*LEVELS))
                pixels = slice_at(head, contrast, None, level, DRAWN).pixels
                slices.append(prepare(pixels, PREPROCESSING))
    return upright_source(stack(slices), share)


def upright_source(slices: SliceBatch, share: float) -> HealthySource:
    """Prepared slices, turned upright, as a source of samples."""
    images, masks = [], []
    for start in range(0, len(slices), BATCH):
        piece = slice(start, start + BATCH)
        found = torch.from_numpy(slices.images[piece]), torch.from_numpy(slices.masks[piece])
        with repeatable(torch.device("cpu")):
            turned = turned_upright(*found)
        images.append(turned.images.clamp(0, 1).numpy())
        masks.append(turned.masks.numpy())
    return HealthySource(np.concatenate(images), np.concatenate(masks), share)

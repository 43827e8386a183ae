"""A fitted model: what `fit` makes, what scores slices, what is stored."""

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from mriad_model.detectors import Detector, fit_detectors, restore_detector
from mriad_model.devices import repeatable, resolve_device
from mriad_model.errors import ModelFileError, SettingsError, TooFewScans
from mriad_model.preprocess import SliceBatch
from mriad_model.recipes import DetectorKind, Levels, Recipe
from mriad_model.scoring import (
    Heights,
    Scored,
    Standard,
    combine,
    detector_maps,
    interiors,
    slice_scores,
    standard_of,
    standardised,
)
from mriad_model.training import Epoch, TrainingSummary

METADATA_KEY = "mriad"  # one key alone: the format stores several in no fixed order
USUAL = "usual"  # prefix of the tensors that standardise
FORMAT = 1
UNREADABLE = (  # what reading something that is no model may run into
    SafetensorError,
    SettingsError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A recipe with everything that was learned for it. Several threads may score at once."""

    recipe: Recipe
    detectors: dict[DetectorKind, Detector]
    standards: dict[DetectorKind, Standard]
    colour_low: float  # map values from here on are coloured
    colour_high: float  # and fully coloured from here on
    training: TrainingSummary
    device: torch.device

    def score(self, batch: SliceBatch) -> Scored:
        """Score every slice; a slice's result depends on nothing but itself, bit for bit."""
        with repeatable(self.device):
            return self._score(batch)

    def _score(self, batch: SliceBatch) -> Scored:
        inside = interiors(batch.masks, self.recipe.scoring.erosion)
        maps = _maps(self.recipe, self.detectors, batch.images, inside, self.device)
        maps, combined = _combined(maps, self.standards, inside, _heights(batch, self.recipe))
        how = self.recipe.scoring.score
        return Scored(
            scores=slice_scores(combined, inside, how),
            maps=combined,
            parts={kind.value: slice_scores(found, inside, how) for kind, found in maps.items()},
        )

    def to_bytes(self) -> bytes:
        """The model as a safetensors file. The same model gives the same bytes, trained twice too.

        How long the training took is not part of it.
        """
        training = {name: v for name, v in asdict(self.training).items() if name != "seconds"}
        about = {
            "format": FORMAT,
            "recipe": json.loads(self.recipe.to_json()),
            "standards": {kind.value: s.sd for kind, s in self.standards.items()},
            "colour": {"low": self.colour_low, "high": self.colour_high},
            "training": training,
        }
        tensors = {
            f"{kind.value}.{name}": tensor.cpu().contiguous()
            for kind, detector in self.detectors.items()
            for name, tensor in detector.tensors().items()
        }
        for kind, standard in self.standards.items():
            tensors[f"{USUAL}.{kind.value}"] = torch.from_numpy(standard.usual)
        text = json.dumps(about, sort_keys=True, separators=(",", ":"))
        return safetensors.torch.save(tensors, {METADATA_KEY: text})

    @classmethod
    def from_bytes(cls, data: bytes, device: str = "auto") -> "FittedModel":
        """Read what `to_bytes` wrote. Raises ModelFileError on anything else."""
        where = resolve_device(device)
        try:
            about = json.loads(_metadata(data))
            tensors = safetensors.torch.load(data)
            return cls._restore(about, tensors, where)
        except UNREADABLE as error:
            raise ModelFileError(f"this is no mriad model: {error}") from error

    @classmethod
    def _restore(
        cls, about: dict[str, Any], tensors: dict[str, torch.Tensor], device: torch.device
    ) -> "FittedModel":
        if about["format"] != FORMAT:
            raise ModelFileError(
                f"a model of format {about['format']}; this version reads {FORMAT}"
            )
        recipe = Recipe.from_json(json.dumps(about["recipe"]))
        detectors = {
            part.kind: restore_detector(recipe, part, _of(part.kind, tensors), device)
            for part in recipe.detectors
        }
        return cls(
            recipe=recipe,
            detectors=detectors,
            standards={
                DetectorKind(kind): _standard(kind, float(sd), tensors, recipe)
                for kind, sd in about["standards"].items()
            },
            colour_low=float(about["colour"]["low"]),
            colour_high=float(about["colour"]["high"]),
            training=TrainingSummary(**{"seconds": 0.0} | about["training"]),
            device=device,
        )


def fit(
    train: SliceBatch,
    validation: SliceBatch | None,
    recipe: Recipe,
    device: str = "auto",
    progress: Callable[[Epoch], None] | None = None,
) -> FittedModel:
    """Learn what healthy slices look like.

    `validation` are healthy slices that are not learned from: they stop the training, scale the
    detectors against each other, and set the colours. With None, all epochs are run, the last
    weights are kept, and the training slices do the scaling. Raises TooFewScans where there is
    nothing to learn from, TrainingDiverged where the loss becomes no number.
    """
    if len(train) == 0 or (validation is not None and len(validation) == 0):
        raise TooFewScans("training needs at least one healthy scan, and one held out from it")
    where = resolve_device(device)
    detectors, training = fit_detectors(recipe, train, validation, where, progress)
    healthy = train if validation is None else validation
    inside = interiors(healthy.masks, recipe.scoring.erosion)
    maps = _maps(recipe, detectors, healthy.images, inside, where)
    standards, heights = {}, _heights(healthy, recipe)
    if recipe.scoring.standardise:
        standards = {
            kind: standard_of(found, inside, recipe.scoring, heights)
            for kind, found in maps.items()
        }
    _, combined = _combined(maps, standards, inside, heights)
    low, high = _colours(combined[inside], recipe)
    return FittedModel(recipe, detectors, standards, low, high, training, where)


def _maps(
    recipe: Recipe,
    detectors: dict[DetectorKind, Detector],
    images: NDArray[np.float32],
    inside: NDArray[np.bool_],
    device: torch.device,
) -> dict[DetectorKind, NDArray[np.float32]]:
    return {
        part.kind: detector_maps(detectors[part.kind], part, images, inside, device)
        for part in recipe.detectors
    }


def _combined(
    maps: dict[DetectorKind, NDArray[np.float32]],
    standards: dict[DetectorKind, Standard],
    inside: NDArray[np.bool_],
    heights: Heights | None,
) -> tuple[dict[DetectorKind, NDArray[np.float32]], NDArray[np.float32]]:
    """The detectors' maps, standardised where the recipe does so, and the one map of all."""
    if not standards:
        (found,) = maps.values()
        return maps, found
    maps = standardised(maps, standards, heights)
    return maps, combine(maps, standards, inside)


def _levels(recipe: Recipe) -> Levels | None:
    """The levels that the recipe's standards tell apart, if they do."""
    return None if recipe.volumes is None else recipe.volumes.levels


def _heights(batch: SliceBatch, recipe: Recipe) -> Heights | None:
    levels = _levels(recipe)
    if levels is None:
        return None
    if batch.levels is None:
        raise SettingsError(f"the recipe {recipe.name!r} needs slices of volumes, not pictures")
    return Heights(levels, batch.levels)


def _colours(healthy: NDArray[np.float32], recipe: Recipe) -> tuple[float, float]:
    """Map values at which colour begins and is full, from healthy map values (M,)."""
    median, low = np.percentile(healthy, [50, recipe.heatmap.low_percentile])
    reach = max(float(low - median), 1e-6)
    return float(low), float(low) + recipe.heatmap.high_factor * reach


def _metadata(data: bytes) -> str:
    """The metadata of a safetensors file: 8 bytes of length, then a JSON header."""
    if len(data) < 8:
        raise ValueError("the file is too short")
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    text = header["__metadata__"][METADATA_KEY]
    if not isinstance(text, str):
        raise TypeError("the metadata is no text")
    return text


def _standard(kind: str, sd: float, tensors: dict[str, torch.Tensor], recipe: Recipe) -> Standard:
    usual = tensors[f"{USUAL}.{kind}"].numpy()
    size, levels = recipe.preprocessing.size, _levels(recipe)
    shape = (size, size) if levels is None else (levels.number, size, size)
    if usual.shape != shape or usual.dtype != np.float32:
        raise ValueError(f"the usual map of {kind} is not of the recipe's size")
    return Standard(usual, sd)


def _of(kind: DetectorKind, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    prefix = f"{kind.value}."
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}

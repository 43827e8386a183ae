"""A fitted model: what `fit` makes, what scores slices, what is stored."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from mriad_model.detection.anomaly_maps import (
    Normalisation,
    Scored,
    SliceLevels,
    anchored,
    combine,
    slice_scores,
    standard_of,
    standardised,
)
from mriad_model.detection.detectors import detector_of
from mriad_model.detection.detectors.detector import Detector, HealthySlices
from mriad_model.detection.devices import repeatable, resolve_device
from mriad_model.detection.model_file import (
    FORMAT,
    METADATA_KEY,
    Shapes,
    check_tensors,
    colour_limits,
    read_header,
    standard_spreads,
    training_figures,
)
from mriad_model.detection.training import Epoch, TrainingSummary
from mriad_model.errors import ModelFileError, SettingsError, TooFewScans
from mriad_model.preprocessing.foreground import interiors
from mriad_model.preprocessing.slices import SliceBatch, shrunk
from mriad_model.recipes import Recipe

USUAL = "usual"  # prefix of the tensors that standardise
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
    detectors: dict[str, Detector]
    standards: dict[str, Normalisation]
    colour_low: float  # map values from here on are coloured
    colour_high: float  # and fully coloured from here on
    training: TrainingSummary
    device: torch.device

    def score(self, batch: SliceBatch) -> Scored:
        """Score every slice; a slice's result depends on nothing but itself, bit for bit."""
        with repeatable(self.device):
            return self._score(batch)

    def _score(self, batch: SliceBatch) -> Scored:
        inside = _interiors(batch, self.recipe)
        maps = _maps(self.recipe, self.detectors, batch, inside, self.device)
        heights = _heights(batch, self.recipe)
        maps, combined = _combined(maps, self.standards, inside, heights, self.recipe)
        how, alone = self.recipe.scoring.score, self.recipe.scoring.scored_by
        parts = {kind: slice_scores(found, inside, how) for kind, found in maps.items()}
        own = slice_scores(combined, inside, how)
        if alone is not None and self.recipe.volumes is None:
            own = parts[alone] / self.standards[alone].sd
        return Scored(own, combined, parts)

    def to_bytes(self) -> bytes:
        """The model as a safetensors file. The same model gives the same bytes, trained twice too.

        How long the training took is not part of it.
        """
        training = {name: v for name, v in asdict(self.training).items() if name != "seconds"}
        about = {
            "format": FORMAT,
            "recipe": json.loads(self.recipe.to_json()),
            "standards": {kind: s.sd for kind, s in self.standards.items()},
            "colour": {"low": self.colour_low, "high": self.colour_high},
            "training": training,
        }
        tensors = {
            f"{kind}.{name}": tensor.cpu().contiguous()
            for kind, detector in self.detectors.items()
            for name, tensor in detector.tensors().items()
        }
        for kind, standard in self.standards.items():
            tensors[f"{USUAL}.{kind}"] = torch.from_numpy(standard.usual)
        text = json.dumps(about, sort_keys=True, separators=(",", ":"))
        return safetensors.torch.save(tensors, {METADATA_KEY: text})

    @classmethod
    def from_bytes(cls, data: bytes, device: str = "auto") -> "FittedModel":
        """Read what `to_bytes` wrote. Raises ModelFileError on anything else."""
        where = resolve_device(device)
        try:
            about, shapes = read_header(data)
            recipe = Recipe.from_json(json.dumps(about["recipe"]))
            check_tensors(shapes, _shapes(recipe))
            return cls._restore(about, recipe, safetensors.torch.load(data), where)
        except UNREADABLE as error:
            raise ModelFileError(f"it is no model of mriad: {error}") from error

    @classmethod
    def _restore(
        cls,
        about: dict[str, Any],
        recipe: Recipe,
        tensors: dict[str, torch.Tensor],
        device: torch.device,
    ) -> "FittedModel":
        for name, tensor in tensors.items():
            if not torch.isfinite(tensor).all():
                raise ModelFileError(f"its tensor {name!r} holds what is no finite number")
            if name.startswith(f"{USUAL}.") and not (tensor > 0).all():
                raise ModelFileError(f"its tensor {name!r} is not above 0 everywhere")
        low, high = colour_limits(about["colour"])
        kinds = {part.kind for part in recipe.detectors if recipe.scoring.standardise}
        spreads = standard_spreads(about["standards"], kinds)
        return cls(
            recipe=recipe,
            detectors={
                part.kind: detector_of(part).restore(recipe, part, _of(part.kind, tensors), device)
                for part in recipe.detectors
            },
            standards={
                kind: Normalisation(tensors[f"{USUAL}.{kind}"].numpy(), sd)
                for kind, sd in spreads.items()
            },
            colour_low=low,
            colour_high=high,
            training=TrainingSummary(**training_figures(about["training"])),
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
    detectors, training = _fit_detectors(HealthySlices(recipe, train, validation, where, progress))
    healthy = train if validation is None else validation
    inside = _interiors(healthy, recipe)
    with repeatable(where):
        maps = _maps(recipe, detectors, healthy, inside, where)
    standards, heights = {}, _heights(healthy, recipe)
    if recipe.scoring.standardise:
        standards = {
            kind: standard_of(
                found, inside, recipe.scoring, heights, relative=detectors[kind].relative
            )
            for kind, found in maps.items()
        }
    _, combined = _combined(maps, standards, inside, heights, recipe)
    low, high = _colours(combined[inside], recipe)
    return FittedModel(recipe, detectors, standards, low, high, training, where)


def _fit_detectors(healthy: HealthySlices) -> tuple[dict[str, Detector], TrainingSummary]:
    """Every detector of the recipe, fitted where it has something to fit."""
    held_out = 0 if healthy.validation is None else len(healthy.validation)
    summary = TrainingSummary(0, 0, None, 0.0, len(healthy.train), held_out)
    detectors: dict[str, Detector] = {}
    for part in healthy.recipe.detectors:
        detectors[part.kind], trained = detector_of(part).fit(part, healthy)
        summary = trained or summary
    return detectors, summary


def _maps(
    recipe: Recipe,
    detectors: dict[str, Detector],
    slices: SliceBatch,
    inside: NDArray[np.bool_],
    device: torch.device,
) -> dict[str, NDArray[np.float32]]:
    return {
        part.kind: detectors[part.kind].maps(part, slices, inside, device)
        for part in recipe.detectors
    }


def _interiors(slices: SliceBatch, recipe: Recipe) -> NDArray[np.bool_]:
    """Where maps of the slices count, (N, M, M)."""
    return interiors(shrunk(slices, recipe.map_size).masks, recipe.scoring.erosion)


def _combined(
    maps: dict[str, NDArray[np.float32]],
    standards: dict[str, Normalisation],
    inside: NDArray[np.bool_],
    heights: SliceLevels | None,
    recipe: Recipe,
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """The detectors' maps, standardised where the recipe does so, and the one map of all.

    Where one detector scores a volume, its map is moved so that the score is a value of it: the
    threshold tells the segmentation too. A picture's is left, for so it paints better (pixel
    average precision on 59 lesion masks .60 against .45).
    """
    if not standards:
        (found,) = maps.values()
        return maps, found
    maps = standardised(maps, standards, heights)
    combined, alone = combine(maps, standards, inside), recipe.scoring.scored_by
    if alone is not None and recipe.volumes is not None:
        scores = slice_scores(maps[alone], inside, recipe.scoring.score) / standards[alone].sd
        combined = anchored(combined, scores, inside)
    return maps, combined


def _heights(batch: SliceBatch, recipe: Recipe) -> SliceLevels | None:
    levels = recipe.scans.levels
    if levels is None:
        return None
    if batch.levels is None:
        raise SettingsError(f"the recipe {recipe.name!r} needs slices of volumes, not pictures")
    return SliceLevels(levels, batch.levels)


def _colours(healthy: NDArray[np.float32], recipe: Recipe) -> tuple[float, float]:
    """Map values at which colour begins and is full, from healthy map values (M,)."""
    median, low = np.percentile(healthy, [50, recipe.heatmap.low_percentile])
    reach = max(float(low - median), 1e-6)
    return float(low), float(low) + recipe.heatmap.high_factor * reach


def _shapes(recipe: Recipe) -> Shapes:
    """The tensors that a model of this recipe consists of."""
    size, levels = recipe.map_size, recipe.scans.levels
    usual = (size, size) if levels is None else (levels.number, size, size)
    shapes: Shapes = {}
    for part in recipe.detectors:
        for name, shape in detector_of(part).shapes(recipe, part).items():
            shapes[f"{part.kind}.{name}"] = shape
        if recipe.scoring.standardise:
            shapes[f"{USUAL}.{part.kind}"] = usual
    return shapes


def _of(kind: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    prefix = f"{kind}."
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}

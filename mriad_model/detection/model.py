"""A fitted model: what `fit` makes, what scores slices, what is stored."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from mriad_model.detection.decisions.gate import Gate
from mriad_model.detection.decisions.head_gate import HeadGate
from mriad_model.detection.detectors import detector_of
from mriad_model.detection.detectors.detector import Detector, HealthySlices
from mriad_model.detection.maps.anomaly_maps import Normalisation, Scored
from mriad_model.detection.member import (
    Member,
    fit_members,
    in_one_unit,
    score,
    slices_of,
)
from mriad_model.detection.model_file import (
    METADATA_KEY,
    ONE_MEMBER,
    SEVERAL_MEMBERS,
    Shapes,
    check_tensors,
    colour_limits,
    read_header,
    standard_spreads,
    training_figures,
)
from mriad_model.detection.networks.devices import repeatable, resolve_device
from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.detection.training.fit_progress import Epoch, FitProgress, HeadsLaid
from mriad_model.detection.training.positives import Positives
from mriad_model.errors import ModelFileError, SettingsError, TooFewScans
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.recipe import Recipe

GATE = "gate."  # prefix of the gate's tensors
USUAL = "usual"  # prefix of the tensors that standardise
MEMBER = "member{}."  # prefix of a member's tensors, where there are several
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
    members: tuple[Member, ...]  # one, or with cross-fitting one a fold, learned without it
    colour_low: float  # map values from here on are coloured
    colour_high: float  # and fully coloured from here on
    training: TrainingSummary
    device: torch.device
    gate: Gate | HeadGate | None = None

    @property
    def detectors(self) -> dict[str, Detector]:
        """The detectors of the first member."""
        return self.members[0].detectors

    def misplaced(self, batch: SliceBatch) -> str | None:
        """Why the one scan that slices are of cannot be judged, in words; None where it can."""
        with repeatable(self.device):
            found = (each.misplaced(batch) for each in self.detectors.values())
            return next((why for why in found if why is not None), None)

    def score(self, batch: SliceBatch, fold: int | None = None) -> Scored:
        """Score every slice; a slice's result depends on nothing but itself, bit for bit.

        All members score, and their mean counts. Slices of a scan that was in a `fold` of the
        training are scored by the member alone that did not learn that fold. Raises ModelFileError
        where there is no such member.
        """
        members = self.members if fold is None else (self._member_without(fold),)
        with repeatable(self.device):
            return score(members, slices_of(batch, self.recipe, self.device))

    def gate_values(self, batch: SliceBatch, fold: int | None = None) -> NDArray[np.float64]:
        """How unlike what was learned slices are, (N,), 1 at the limit. The model has a gate.

        Slices of a scan that was in a `fold` of the training are compared with the others'.
        """
        assert self.gate is not None
        if isinstance(self.gate, HeadGate):
            return self.gate.values(self.resemblances(batch))
        with repeatable(self.device):
            return self.gate.values(batch, fold)

    def resemblances(self, batch: SliceBatch) -> NDArray[np.float64]:
        """How like the mean head the heads of slices are, (N,). The model has a mean head."""
        with repeatable(self.device):
            found = (each.resemblances(batch) for each in self.detectors.values())
            return next(each for each in found if each is not None)

    def resemblances_among(
        self,
        scans: Sequence[SliceBatch],
        groups: Sequence[int],
        progress: Callable[[HeadsLaid], None] | None = None,
    ) -> dict[int, float]:
        """How like the mean of the others healthy heads are, by position; not of misplaced ones."""
        with repeatable(self.device):
            found = (
                each.resemblances_among(self.recipe, scans, groups, progress)
                for each in self.detectors.values()
            )
            return next(each for each in found if each is not None)

    def _member_without(self, fold: int) -> Member:
        if not 0 <= fold < len(self.members):
            raise ModelFileError(f"it has no member that was trained without fold {fold}")
        return self.members[fold]

    def to_bytes(self) -> bytes:
        """The model as a safetensors file. The same model gives the same bytes, trained twice too.

        How long the training took is not part of it.
        """
        training = {name: v for name, v in asdict(self.training).items() if name != "seconds"}
        spreads = [{kind: s.sd for kind, s in each.standards.items()} for each in self.members]
        several = len(self.members) > 1
        about = {
            "format": SEVERAL_MEMBERS if several else ONE_MEMBER,
            "recipe": json.loads(self.recipe.to_json()),
            "standards": spreads if several else spreads[0],
            "colour": {"low": self.colour_low, "high": self.colour_high},
            "training": training,
        }
        tensors: dict[str, torch.Tensor] = {}
        for number, member in enumerate(self.members):
            prefix = MEMBER.format(number) if several else ""
            for kind, detector in member.detectors.items():
                for name, tensor in detector.tensors().items():
                    tensors[f"{prefix}{kind}.{name}"] = tensor.cpu().contiguous()
            for kind, standard in member.standards.items():
                tensors[f"{prefix}{USUAL}.{kind}"] = torch.from_numpy(standard.usual)
        if self.gate is not None:
            about["gate"] = self.gate.about()
            if isinstance(self.gate, Gate):
                for name, values in self.gate.tensors().items():
                    tensors[f"{GATE}{name}"] = torch.from_numpy(values.copy())
        text = json.dumps(about, sort_keys=True, separators=(",", ":"))
        return safetensors.torch.save(tensors, {METADATA_KEY: text})

    @classmethod
    def from_bytes(cls, data: bytes, device: str = "auto") -> "FittedModel":
        """Read what `to_bytes` wrote. Raises ModelFileError on anything else."""
        where = resolve_device(device)
        try:
            about, shapes = read_header(data)
            recipe = Recipe.from_json(json.dumps(about["recipe"]))
            prefixes = _prefixes(about["format"], recipe)
            own = _shapes(recipe)
            check_tensors(
                {name: shape for name, shape in shapes.items() if not name.startswith(GATE)},
                {prefix + name: shape for prefix in prefixes for name, shape in own.items()},
            )
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
        low, high = colour_limits(about["colour"])
        kinds = {part.kind for part in recipe.detectors if recipe.scoring.standardise}
        prefixes = _prefixes(about["format"], recipe)
        spreads = about["standards"] if about["format"] == SEVERAL_MEMBERS else [about["standards"]]
        if not isinstance(spreads, list) or len(spreads) != len(prefixes):
            raise ModelFileError(f"it does not have the standards of {len(prefixes)} members")
        members = tuple(
            _member(recipe, _of(prefix, tensors), standard_spreads(each, kinds), device)
            for prefix, each in zip(prefixes, spreads, strict=True)
        )
        for member in members[1:]:
            for kind, detector in member.detectors.items():
                detector.share_with(members[0].detectors[kind])
        return cls(
            recipe=recipe,
            members=members,
            colour_low=low,
            colour_high=high,
            training=TrainingSummary(**training_figures(about["training"])),
            device=device,
            gate=_stored_gate(about.get("gate"), recipe, tensors),
        )


def fit(
    train: SliceBatch,
    validation: SliceBatch | None,
    recipe: Recipe,
    device: str = "auto",
    progress: Callable[[FitProgress], None] | None = None,
    start: FittedModel | None = None,
    positives: Positives | None = None,
) -> FittedModel:
    """Learn what healthy slices look like, from scratch or from the weights of `start`.

    `positives` are abnormal ones, for detectors that can learn from them.

    `validation` are healthy slices that are not learned from: they stop the training, scale the
    detectors against each other, and set the colours. With None, all epochs are run, the last
    weights are kept, and the training slices do the scaling. Raises TooFewScans where there is
    nothing to learn from, TrainingDiverged where the loss becomes no number.
    """
    return _fit([(train, validation)], recipe, device, progress, start, [positives])


def fit_folds(
    folds: Sequence[tuple[SliceBatch, SliceBatch]],
    recipe: Recipe,
    device: str = "auto",
    progress: Callable[[FitProgress], None] | None = None,
    start: FittedModel | None = None,
    positives: Sequence[Positives | None] = (),
) -> FittedModel:
    """Fit a member without each of the recipe's folds, as `fit` does, each by a seed of its own.

    A member may be trained for a share of the recipe's epochs: the mean makes up for some of it.

    `folds` are the slices that the member without that fold learns from, and those held out from
    its training, of scans of other folds too. The training's figures are the mean loss, the sum of
    the seconds, and else the largest of the members'.

    Raises:
        SettingsError: they are not as many as the recipe has folds.
    """
    how = recipe.cross_fitting
    if how is None or len(folds) != how.folds:
        raise SettingsError(f"the recipe {recipe.name!r} is not cross-fitted in {len(folds)} folds")
    return _fit(folds, recipe, device, progress, start, positives, how.epochs)


def _fit(
    parts: Sequence[tuple[SliceBatch, SliceBatch | None]],
    recipe: Recipe,
    device: str,
    progress: Callable[[FitProgress], None] | None,
    start: FittedModel | None,
    positives: Sequence[Positives | None],
    epochs: float = 1.0,
) -> FittedModel:
    where = resolve_device(device)
    healthy_slices: list[HealthySlices] = []
    for number, (train, validation) in enumerate(parts):
        if len(train) == 0 or (validation is not None and len(validation) == 0):
            raise TooFewScans("training needs at least one healthy scan, and one held out from it")
        own = recipe.with_training(
            seed=(recipe.training.seed + number) % 2**64,
            max_epochs=max(1, round(epochs * recipe.training.max_epochs)),
        )
        tell = None if progress is None else _in_turn(progress, number, len(parts))
        own_positives = positives[number] if positives else None
        healthy_slices.append(
            HealthySlices(own, train, validation, where, tell, positives=own_positives)
        )
    begun = [
        None if start is None else start.members[number % len(start.members)]
        for number in range(len(parts))
    ]
    fits = fit_members(healthy_slices, begun)
    members = in_one_unit([each.member for each in fits], recipe)
    healthy = []
    for member, fitted in zip(members, fits, strict=True):
        _, combined = fitted.slices.combined(fitted.maps, member.standards)
        healthy.append(combined[fitted.slices.inside])
    low, high = _colours(np.concatenate(healthy), recipe)
    training = _summary([each.training for each in fits])
    return FittedModel(recipe, members, low, high, training, where)


def _in_turn(
    progress: Callable[[FitProgress], None], number: int, of: int
) -> Callable[[FitProgress], None]:
    """Epochs of one of several trainings, counted through; heads are of all of them already."""

    def tell(step: FitProgress) -> None:
        if isinstance(step, Epoch):
            done = number * step.max_epochs + step.number
            step = replace(step, number=done, max_epochs=of * step.max_epochs, member=number)
        progress(step)

    return tell


def _summary(trainings: Sequence[TrainingSummary]) -> TrainingSummary:
    if len(trainings) == 1:
        return trainings[0]
    losses = [each.validation_loss for each in trainings if each.validation_loss is not None]
    return TrainingSummary(
        epochs=max(each.epochs for each in trainings),
        best_epoch=max(each.best_epoch for each in trainings),
        validation_loss=sum(losses) / len(losses) if losses else None,
        seconds=sum(each.seconds for each in trainings),
        n_train=max(each.n_train for each in trainings),
        n_validation=max(each.n_validation for each in trainings),
    )


def _colours(healthy: NDArray[np.float32], recipe: Recipe) -> tuple[float, float]:
    """Map values at which colour begins and is full, from healthy map values (M,)."""
    median, low = np.percentile(healthy, [50, recipe.heatmap.low_percentile])
    reach = max(float(low - median), 1e-6)
    return float(low), float(low) + recipe.heatmap.high_factor * reach


def _prefixes(file_format: int, recipe: Recipe) -> list[str]:
    """What begins the names of each member's tensors."""
    if file_format == ONE_MEMBER:
        return [""]
    if recipe.cross_fitting is None:
        raise ModelFileError("it has several members, and its recipe is not cross-fitted")
    return [MEMBER.format(number) for number in range(recipe.cross_fitting.folds)]


def _member(
    recipe: Recipe,
    tensors: dict[str, torch.Tensor],
    spreads: dict[str, float],
    device: torch.device,
) -> Member:
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ModelFileError(f"its tensor {name!r} holds what is no finite number")
        if name.startswith(f"{USUAL}.") and not (tensor > 0).all():
            raise ModelFileError(f"its tensor {name!r} is not above 0 everywhere")
    return Member(
        detectors={
            part.kind: detector_of(part).restore(
                recipe, part, _of(f"{part.kind}.", tensors), device
            )
            for part in recipe.detectors
        },
        standards={
            kind: Normalisation(tensors[f"{USUAL}.{kind}"].numpy(), sd)
            for kind, sd in spreads.items()
        },
    )


def _shapes(recipe: Recipe) -> Shapes:
    """The tensors that a member of a model of this recipe consists of."""
    size, levels = recipe.map_size, recipe.scans.levels
    usual = (size, size) if levels is None else (levels.number, size, size)
    shapes: Shapes = {}
    for part in recipe.detectors:
        for name, shape in detector_of(part).shapes(recipe, part).items():
            shapes[f"{part.kind}.{name}"] = shape
        if recipe.scoring.standardise:
            shapes[f"{USUAL}.{part.kind}"] = usual
    return shapes


def _stored_gate(
    about: dict[str, Any] | None, recipe: Recipe, tensors: dict[str, torch.Tensor]
) -> Gate | HeadGate | None:
    values = {
        name.removeprefix(GATE): each.numpy()
        for name, each in tensors.items()
        if name.startswith(GATE)
    }
    if about is None and not values:
        return None
    if recipe.in_frame and not values:
        return HeadGate.restore(about or {})
    return Gate.restore(about or {}, values)


def _of(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}

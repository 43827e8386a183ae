"""Small images to evaluate, and a stand-in for training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from mriad_model.detection.maps.anomaly_maps import Scored
from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.detection.training.fit_progress import Epoch, FitProgress
from mriad_model.enums import LabelValue
from mriad_model.evaluation.dataset import (
    EvaluationData,
    EvaluationScan,
    ScanSource,
    evaluation_scan,
)
from mriad_model.evaluation.dataset import gather as gathered
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
    EvaluationProtocol,
)
from mriad_model.evaluation.results import FoldResult
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.readers.images.reading import ImageScan
from mriad_model.recipes.built_in_recipes import SEED
from mriad_model.recipes.recipe import Framing, Intensity, Preprocessing, Recipe

SMALL = replace(SEED, preprocessing=Preprocessing(16, Framing.WHOLE, Intensity.FULL_RANGE))


HELDOUT, MEMORY = EvaluationProtocol.HELDOUT, EvaluationProtocol.SEED


@dataclass(frozen=True, slots=True)
class FakeModel:
    """Scores a slice by how much brighter it is than the training slices."""

    mean: float
    training: TrainingSummary
    colour_low: float = 0.0
    colour_high: float = 1.0

    def score(self, batch: SliceBatch) -> Scored:
        scores = batch.images.mean(axis=(1, 2), dtype=np.float64) - self.mean
        parts = {"autoencoder": scores * 2.0, "asymmetry": scores + 1.0}
        return Scored(scores, batch.images - np.float32(self.mean), parts)


@dataclass(slots=True)
class FakeFit:
    """Remembers what it was given."""

    seen: list[tuple[SliceBatch, SliceBatch | None, Recipe]] = field(default_factory=list)

    def __call__(
        self,
        train: SliceBatch,
        validation: SliceBatch | None,
        recipe: Recipe,
        device: str,
        progress: Callable[[FitProgress], None] | None,
    ) -> FakeModel:
        self.seen.append((train, validation, recipe))
        held_out = 0 if validation is None else len(validation)
        if progress is not None:
            progress(Epoch(1, 1, 0.5, None, 1))
        summary = TrainingSummary(1, 1, None, 0.1, len(train), held_out)
        return FakeModel(float(train.images.mean()), summary)


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """A labelled picture; `group` is told, not found."""

    name: str
    label: LabelValue
    group: int
    size: int
    pixels: np.ndarray

    def prepared(self, recipe: Recipe) -> EvaluationScan:
        scan = ImageScan(self.pixels, self.name)
        return evaluation_scan(ScanSource(self.name, self.label, self.size), scan, recipe)


def gather(images: Sequence[DrawnImage], recipe: Recipe) -> EvaluationData:
    data = gathered([each.prepared(recipe) for each in images])
    groups = tuple(each.group for each in images)
    return replace(data, groups=groups, duplicates=groups)


def image_of(number: int, label: LabelValue, group: int | None = None) -> DrawnImage:
    rng = np.random.default_rng(number)
    bright = 60 if label is LabelValue.HEALTHY else 90
    pixels = rng.integers(0, bright, (20, 24)).astype(np.uint8)
    word = "no" if label is LabelValue.HEALTHY else "yes"
    name = f"{word}/{number:03}.jpg"
    return DrawnImage(name, label, number if group is None else group, 300 + number, pixels)


def data_of(n_healthy: int = 20, n_abnormal: int = 11) -> EvaluationData:
    images = [image_of(n, LabelValue.HEALTHY) for n in range(n_healthy)]
    images += [image_of(100 + n, LabelValue.ABNORMAL) for n in range(n_abnormal)]
    return gather(images, SMALL)


@cache
def heldout_folds() -> tuple[FoldResult, ...]:
    """The folds of the heldout protocol over `data_of()`."""
    return tuple(all_folds(data_of(), EvaluationPlan(HELDOUT)))


def all_folds(data: EvaluationData, plan: EvaluationPlan) -> list[FoldResult]:
    return [run_fold(data, plan, at, SEED, "cpu", fit=FakeFit()) for at in plan.folds]

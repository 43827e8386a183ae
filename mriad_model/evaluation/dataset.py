"""Labelled images, prepared for one recipe, with what the baselines need; one file holds all."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mriad_model.detection.anomaly_maps import detector_maps, slice_scores
from mriad_model.detection.detectors.asymmetry import Asymmetry
from mriad_model.enums import LabelValue
from mriad_model.errors import ModelFileError, NoScans
from mriad_model.evaluation.baselines import FileFeatures, file_features
from mriad_model.preprocessing.foreground import interiors
from mriad_model.preprocessing.slices import Pixels, PreparedSlice, SliceBatch, prepare, stack
from mriad_model.recipes import DEFAULT, Preprocessing

METADATA_KEY = "mriad-evaluation"


@dataclass(frozen=True, slots=True)
class EvaluationImage:
    """One labelled image as it was read."""

    name: str  # escaped path, as the record keeps it
    label: LabelValue
    twin_group: int
    size_bytes: int  # of the file
    pixels: Pixels  # (H, W)


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """N labelled images, prepared once for one recipe. An image is known by its position."""

    images: NDArray[np.float32]  # (N, S, S) in [0, 1]
    masks: NDArray[np.bool_]  # (N, S, S)
    asymmetry: NDArray[np.float64]  # (N,) left-right asymmetry, whatever the recipe
    names: tuple[str, ...]
    labels: tuple[LabelValue, ...]
    groups: tuple[int, ...]  # near-duplicate group
    features: tuple[FileFeatures, ...]

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, items: Iterable[int]) -> SliceBatch:
        """The prepared slices at these positions."""
        chosen = np.fromiter(items, np.intp)
        return SliceBatch(self.images[chosen], self.masks[chosen])

    def to_bytes(self) -> bytes:
        """The data as one safetensors file; nothing in it can run."""
        about = {
            "names": self.names,
            "labels": self.labels,
            "groups": self.groups,
            "features": [asdict(features) for features in self.features],
        }
        tensors = {
            "images": np.ascontiguousarray(self.images),
            "masks": np.ascontiguousarray(self.masks),
            "asymmetry": np.ascontiguousarray(self.asymmetry),
        }
        return save(tensors, {METADATA_KEY: json.dumps(about, sort_keys=True)})

    @classmethod
    def from_file(cls, path: Path) -> "EvaluationData":
        """Read a file that holds `to_bytes`. Raises ModelFileError on anything else."""
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()[METADATA_KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return cls(
                **tensors,
                names=tuple(about["names"]),
                labels=tuple(LabelValue(label) for label in about["labels"]),
                groups=tuple(about["groups"]),
                features=tuple(FileFeatures(**features) for features in about["features"]),
            )
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"{path.name} holds no evaluation data: {error}") from error


def gather(images: Iterable[EvaluationImage], preprocessing: Preprocessing) -> EvaluationData:
    """Prepare labelled images, one at a time, so that a generator may read them.

    Raises NoScans where there is none.
    """
    seen: list[tuple[str, LabelValue, int]] = []
    features: list[FileFeatures] = []
    slices: list[PreparedSlice] = []
    upright: list[PreparedSlice] = []
    for image in images:
        seen.append((image.name, image.label, image.twin_group))
        features.append(file_features(image.name, image.size_bytes, image.pixels))
        slices.append(prepare(image.pixels, preprocessing))
        if preprocessing != DEFAULT.preprocessing:
            upright.append(prepare(image.pixels, DEFAULT.preprocessing))
    if not seen:
        raise NoScans("no labelled images to evaluate on: label them by folders no/ and yes/")
    names, labels, groups = zip(*seen, strict=True)
    batch = stack(slices)
    asymmetry = asymmetry_scores(stack(upright) if upright else batch)
    return EvaluationData(
        batch.images, batch.masks, asymmetry, names, labels, groups, tuple(features)
    )


def asymmetry_scores(batch: SliceBatch) -> NDArray[np.float64]:
    """Left-right asymmetry of slices prepared the default way, (N,); it needs no training."""
    (part,) = (part for part in DEFAULT.detectors if part.kind == "asymmetry")
    inside = interiors(batch.masks, DEFAULT.scoring.erosion)
    maps = detector_maps(Asymmetry(), part, batch.images, inside, torch.device("cpu"))
    return slice_scores(maps, inside, DEFAULT.scoring.score)

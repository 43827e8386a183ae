"""Labelled scans, prepared for one recipe, with the baselines' features; one file holds all."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mriad_model.built_in_recipes import AUTOENCODER, VOLUME_AUTOENCODER
from mriad_model.datasets.duplicates import Fingerprint, fingerprint, twin_groups
from mriad_model.datasets.roles import joined_groups
from mriad_model.detection.anomaly_maps import slice_scores
from mriad_model.detection.detectors.asymmetry import Asymmetry
from mriad_model.detection.scan_scores import largest_of_scans
from mriad_model.enums import LabelValue
from mriad_model.errors import ModelFileError, NoScans
from mriad_model.evaluation.baselines import FileFeatures, file_features
from mriad_model.preprocessing.foreground import interiors
from mriad_model.preprocessing.prepared_file import from_arrays, to_arrays
from mriad_model.preprocessing.scan_slices import prepare_scan, shown_slice, training_slices
from mriad_model.preprocessing.slices import PreparedScan, SliceBatch, joined
from mriad_model.readers.scan_types import ReadScan
from mriad_model.recipes import Recipe

METADATA_KEY = "mriad-evaluation"


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationScan:
    """One labelled scan, prepared."""

    name: str  # escaped path, as the record keeps it
    label: LabelValue
    patient: str | None  # as the source names it; it goes into no file
    fingerprint: Fingerprint  # of the slice that stands for the scan
    features: FileFeatures
    prepared: PreparedScan
    upright: PreparedScan  # as the built-in recipe of its kind has it, for the asymmetry


def evaluation_scan(
    name: str,
    label: LabelValue,
    size_bytes: int,
    scan: ReadScan,
    recipe: Recipe,
    patient: str | None = None,
) -> EvaluationScan:
    """Prepare a labelled scan. Raises RejectedFile where there is nothing in it to score."""
    shown = shown_slice(scan, recipe)
    prepared = prepare_scan(scan, recipe)
    built_in = next(
        each for each in (AUTOENCODER, VOLUME_AUTOENCODER) if each.kinds == recipe.kinds
    )
    upright = prepared
    if recipe.preprocessing != built_in.preprocessing:
        upright = prepare_scan(scan, built_in)
    features = file_features(name, size_bytes, shown, prepared.n_slices)
    return EvaluationScan(name, label, patient, fingerprint(shown), features, prepared, upright)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationData:
    """N labelled scans, prepared once for one recipe. A scan is known by its position."""

    scans: tuple[PreparedScan, ...]
    asymmetry: NDArray[np.float64]  # (N,) left-right asymmetry, whatever the recipe
    names: tuple[str, ...]
    labels: tuple[LabelValue, ...]
    groups: tuple[int, ...]  # of near-duplicates, and of scans of one patient
    features: tuple[FileFeatures, ...]

    def __len__(self) -> int:
        return len(self.names)

    def training_slices(self, items: Iterable[int], recipe: Recipe) -> SliceBatch:
        """The slices that training gets of the scans at these positions."""
        return joined([training_slices(self.scans[i], recipe) for i in items])

    def to_bytes(self) -> bytes:
        """The data as one safetensors file; nothing in it can run."""
        arrays, scans = to_arrays(self.scans)
        about = {
            "names": self.names,
            "labels": self.labels,
            "groups": self.groups,
            "features": [asdict(features) for features in self.features],
            "scans": scans,
        }
        arrays |= {"asymmetry": np.ascontiguousarray(self.asymmetry)}
        return save(arrays, {METADATA_KEY: json.dumps(about, sort_keys=True)})

    @classmethod
    def from_file(cls, path: Path) -> "EvaluationData":
        """Read a file that holds `to_bytes`. Raises ModelFileError on anything else."""
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()[METADATA_KEY])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return cls(
                scans=tuple(from_arrays(arrays, about["scans"])),
                asymmetry=arrays["asymmetry"],
                names=tuple(about["names"]),
                labels=tuple(LabelValue(label) for label in about["labels"]),
                groups=tuple(about["groups"]),
                features=tuple(FileFeatures(**features) for features in about["features"]),
            )
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"{path.name} holds no evaluation data: {error}") from error


def gather(scans: Sequence[EvaluationScan]) -> EvaluationData:
    """Labelled scans as one, with one group for near-duplicates and a patient's scans."""
    if not scans:
        raise NoScans("no labelled scans to evaluate on: label them by folders no/ and yes/")
    groups = twin_groups([each.fingerprint for each in scans])
    return EvaluationData(
        scans=tuple(each.prepared for each in scans),
        asymmetry=asymmetry_scores([each.upright for each in scans]),
        names=tuple(each.name for each in scans),
        labels=tuple(each.label for each in scans),
        groups=tuple(joined_groups(groups, [each.patient for each in scans])),
        features=tuple(each.features for each in scans),
    )


def asymmetry_scores(scans: Sequence[PreparedScan]) -> NDArray[np.float64]:
    """Left-right asymmetry of scans prepared the built-in way, (N,); it needs no training."""
    (part,) = (part for part in AUTOENCODER.detectors if part.kind == "asymmetry")
    batch = joined([scan.batch for scan in scans])
    inside = interiors(batch.masks, AUTOENCODER.scoring.erosion)
    maps = Asymmetry().maps(part, batch, inside, torch.device("cpu"))
    return largest_of_scans(slice_scores(maps, inside, AUTOENCODER.scoring.score), scans)

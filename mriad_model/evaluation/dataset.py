"""Labelled scans, prepared for one recipe, with the baselines' features; one file holds all."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriad_model.datasets.duplicates import Fingerprint, fingerprint, twin_groups
from mriad_model.datasets.roles import joined_groups
from mriad_model.enums import LabelValue, RejectionReason
from mriad_model.errors import ModelFileError, NoScans, RejectedFile
from mriad_model.evaluation.baselines.metadata import FileFeatures, file_features
from mriad_model.evaluation.baselines.untrained import UntrainedScores, untrained_scores
from mriad_model.evaluation.mapped_file import map_arrays, write_arrays
from mriad_model.preprocessing.prepared_file import array_pieces, beside_arrays, from_arrays
from mriad_model.preprocessing.scan_slices import prepare_scan, shown_slice, training_slices
from mriad_model.preprocessing.slices import PreparedScan, SliceBatch, joined
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.scan_types import ReadScan
from mriad_model.recipes.built_in_recipes import AUTOENCODER, VOLUME_AUTOENCODER
from mriad_model.recipes.recipe import Recipe

METADATA_KEY = "mriad-evaluation"


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of a scan as it is stored."""

    shape: tuple[int, ...]  # (H, W) of a picture, (Z, Y, X) of a volume
    affine: tuple[float, ...] | None = None  # 4x4, row by row, of a volume: voxel -> RAS mm

    @property
    def voxel_ml(self) -> float | None:
        """What a voxel holds, ml; None of a picture, which has no millimetres."""
        if self.affine is None:
            return None
        sides = np.array(self.affine, np.float64).reshape(4, 4)[:3, :3]
        return float(abs(np.linalg.det(sides))) / 1000.0


@dataclass(frozen=True, slots=True)
class ScanSource:
    """What is known of a scan besides its pixels."""

    name: str  # escaped path, as the record keeps it
    label: LabelValue
    size_bytes: int
    patient: str | None = None  # as the source names it; it goes into no file
    level: float | None = None  # where in the head a slice lies, in any unit


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationScan:
    """One labelled scan, prepared."""

    source: ScanSource
    fingerprint: Fingerprint  # of the slice that stands for the scan
    features: FileFeatures
    prepared: PreparedScan
    untrained: UntrainedScores
    grid: Grid
    lesion: NDArray[np.bool_] | None  # on that grid; None where no mask is given


def evaluation_scan(
    source: ScanSource, scan: ReadScan, recipe: Recipe, lesion: NDArray[np.bool_] | None = None
) -> EvaluationScan:
    """Prepare a labelled scan.

    Raises RejectedFile where there is nothing in it to score, or where its mask `lesion` has
    another shape.
    """
    shown = shown_slice(scan, recipe)
    prepared = prepare_scan(scan, recipe)
    built_in = next(
        each for each in (AUTOENCODER, VOLUME_AUTOENCODER) if each.kinds == recipe.kinds
    )
    upright = prepared
    if recipe.preprocessing != built_in.preprocessing:
        upright = prepare_scan(scan, built_in)
    features = file_features(source.name, source.size_bytes, shown, prepared.n_slices)
    if isinstance(scan, ImageScan):
        grid = Grid(scan.pixels.shape)
    else:
        grid = Grid(scan.voxels.shape, tuple(scan.affine.ravel().tolist()))
    if lesion is not None and lesion.shape != grid.shape:
        detail = f"its mask has the shape {lesion.shape}, and it has {grid.shape}"
        raise RejectedFile(RejectionReason.BAD_GEOMETRY, detail)
    untrained = untrained_scores(upright)
    return EvaluationScan(source, fingerprint(shown), features, prepared, untrained, grid, lesion)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationData:
    """N labelled scans, prepared once for one recipe. A scan is known by its position."""

    scans: tuple[PreparedScan, ...]
    untrained: tuple[UntrainedScores, ...]  # by methods that need no training, whatever the recipe
    names: tuple[str, ...]
    labels: tuple[LabelValue, ...]
    groups: tuple[int, ...]  # of near-duplicates, and of scans of one patient
    duplicates: tuple[int, ...]  # of near-duplicates; scans of a known patient have one each
    features: tuple[FileFeatures, ...]
    grids: tuple[Grid, ...]
    levels: tuple[float | None, ...]
    masks: Mapping[int, NDArray[np.uint8]]  # position -> bits of the lesion mask, packed

    def __len__(self) -> int:
        return len(self.names)

    @property
    def n_patients(self) -> int:
        """How many known patients there are; scans of one alone, and near-duplicates, are one."""
        pairs = zip(self.groups, self.duplicates, strict=True)
        return len({group for group, duplicate in pairs if duplicate < 0})

    def training_slices(self, items: Iterable[int], recipe: Recipe) -> SliceBatch:
        """The slices that training gets of the scans at these positions."""
        return joined([training_slices(self.scans[i], recipe) for i in items])

    def lesion(self, item: int) -> NDArray[np.bool_] | None:
        """Where the lesions of a scan are, on its grid; None where no mask is given."""
        packed, shape = self.masks.get(item), self.grids[item].shape
        if packed is None:
            return None
        return np.unpackbits(packed, count=math.prod(shape)).astype(np.bool_).reshape(shape)

    def write(self, path: Path) -> None:
        """Write the data as one file in the form of safetensors; nothing in it can run."""
        about = {
            "names": self.names,
            "labels": self.labels,
            "groups": self.groups,
            "duplicates": self.duplicates,
            "features": [asdict(features) for features in self.features],
            "untrained": [asdict(scores) for scores in self.untrained],
            "grids": [asdict(grid) for grid in self.grids],
            "levels": self.levels,
            "scans": beside_arrays(self.scans),
        }
        arrays: dict[str, list[NDArray[Any]]] = {
            f"mask.{item}": [packed] for item, packed in self.masks.items()
        }
        write_arrays(
            path,
            arrays | array_pieces(self.scans),
            {METADATA_KEY: json.dumps(about, sort_keys=True)},
        )

    @classmethod
    def from_file(cls, path: Path) -> "EvaluationData":
        """Map a file that `write` made; what is not looked at takes no memory.

        Raises ModelFileError on anything else.
        """
        try:
            arrays, beside = map_arrays(path)
            about = json.loads(beside[METADATA_KEY])
            return cls(
                scans=tuple(from_arrays(arrays, about["scans"])),
                untrained=tuple(UntrainedScores(**scores) for scores in about["untrained"]),
                names=tuple(about["names"]),
                labels=tuple(LabelValue(label) for label in about["labels"]),
                groups=tuple(about["groups"]),
                duplicates=tuple(about["duplicates"]),
                features=tuple(FileFeatures(**features) for features in about["features"]),
                grids=tuple(_grid(**grid) for grid in about["grids"]),
                levels=tuple(about["levels"]),
                masks={
                    int(name.removeprefix("mask.")): packed
                    for name, packed in arrays.items()
                    if name.startswith("mask.")
                },
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFileError(f"{path.name} holds no evaluation data: {error}") from error


def put_aside(scan: EvaluationScan, path: Path) -> EvaluationScan:
    """The same scan with its slices in a file, which is gone when nobody looks at them any more."""
    write_arrays(path, array_pieces([scan.prepared]), {})
    arrays, _ = map_arrays(path)
    path.unlink()  # the mapping keeps what it holds
    (prepared,) = from_arrays(arrays, beside_arrays([scan.prepared]))
    return replace(scan, prepared=prepared)


def gather(scans: Sequence[EvaluationScan]) -> EvaluationData:
    """Labelled scans as one, with one group for near-duplicates and a patient's scans.

    Slices of one patient resemble each other and are not the same: where the patient is known,
    none of them is a near-duplicate. No group is ever divided.
    """
    if not scans:
        raise NoScans("no labelled scans to evaluate on: label them by folders no/ and yes/")
    twins = twin_groups([each.fingerprint for each in scans])
    patients = [each.source.patient for each in scans]
    own = enumerate(zip(twins, patients, strict=True))
    return EvaluationData(
        scans=tuple(each.prepared for each in scans),
        untrained=tuple(each.untrained for each in scans),
        names=tuple(each.source.name for each in scans),
        labels=tuple(each.source.label for each in scans),
        groups=tuple(joined_groups(twins, patients)),
        duplicates=tuple(-1 - i if patient is not None else twin for i, (twin, patient) in own),
        features=tuple(each.features for each in scans),
        grids=tuple(each.grid for each in scans),
        levels=tuple(each.source.level for each in scans),
        masks={
            i: np.packbits(each.lesion) for i, each in enumerate(scans) if each.lesion is not None
        },
    )


def _grid(shape: Sequence[int], affine: Sequence[float] | None) -> Grid:
    return Grid(tuple(shape), None if affine is None else tuple(affine))

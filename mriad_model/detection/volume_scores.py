"""From a prepared volume to one score, and its map back on the volume's own grid."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.model import FittedModel
from mriad_model.enums import ScanKind
from mriad_model.preprocessing.slices import restore
from mriad_model.preprocessing.slicing import onto_volume
from mriad_model.preprocessing.volumes import PreparedVolume, volume_recipe
from mriad_model.readers.orientation import PLANES, orientation
from mriad_model.readers.volumes import Volume
from mriad_model.recipes import Plane, Recipe, ScanScore, VolumeRecipe

COARSEST, OBLONG = 3.0, 2.0  # mm of a voxel within the slices judged; longer over shorter side
REACH = 3.0  # sigmas at which the Gaussian across slices is cut off


@dataclass(frozen=True, slots=True, eq=False)
class ScoredVolume:
    """What a model says of a volume. Higher is more anomalous everywhere."""

    score: float
    slice_scores: NDArray[np.float64]  # (N,)
    positions: tuple[int, ...]  # of the slices, as in the prepared volume
    maps: NDArray[np.float32]  # (N, S, S); 0 is an ordinary pixel


def score_volume(fitted: FittedModel, prepared: PreparedVolume) -> ScoredVolume:
    """Score a volume; the result depends on nothing but the volume and the model, bit for bit."""
    how = volume_recipe(fitted.recipe)
    scored = fitted.score(prepared.batch)
    maps, scores = scored.maps, scored.scores
    if how.scan_score is ScanScore.SMOOTHED_MAX:
        maps = _smoothed(maps, prepared, how.extent)
        scores = maps.max(axis=(1, 2)).astype(np.float64)
    return ScoredVolume(
        score=_scan_score(scores, prepared, how),
        slice_scores=scores,
        positions=prepared.positions,
        maps=maps,
    )


def anomaly_volume(
    scored: ScoredVolume, prepared: PreparedVolume, volume: Volume
) -> NDArray[np.float32]:
    """The map on the volume's own grid, (Z, Y, X); 0 where no slice was judged."""
    maps = {
        position: restore(anomaly_map, placement)
        for position, anomaly_map, placement in zip(
            scored.positions, scored.maps, prepared.placements, strict=True
        )
    }
    return onto_volume(maps, volume, prepared.sliced.slicing.plane)


def pixel_threshold(recipe: Recipe, threshold: float) -> float:
    """The map value above which a pixel is above the threshold of the scan's score.

    A scan score is a value of the map, or a mean of such values, on the same scale: the
    threshold itself.
    """
    volume_recipe(recipe)
    return threshold


def incompatibility(
    recipe: Recipe,
    kind: ScanKind,
    contrast: str | None,
    grid: Mapping[str, Any] | None = None,
) -> str | None:
    """Why a model of this recipe cannot judge such a scan, in one sentence; None where it can.

    Args:
        recipe: the model's.
        kind: of the scan.
        contrast: T1w, FLAIR, ...; None where unknown.
        grid: the scan's geometry, as the record keeps it (`Scan.grid`).
    """
    how = recipe.volumes
    if how is None:
        if kind is ScanKind.IMAGE:
            return None
        return "the active model learned picture files and cannot judge volumes"
    if kind is ScanKind.IMAGE:
        return "the active model learned volumes and cannot judge picture files"
    if how.contrast and contrast and how.contrast != contrast:
        return f"the active model learned {how.contrast} volumes and cannot judge {contrast} ones"
    return _too_coarse(how.plane, grid) if grid else None


def _too_coarse(plane: Plane, grid: Mapping[str, Any]) -> str | None:
    """Thick slices of one plane hold no picture of another."""
    if "affine" not in grid or "spacing" not in grid:
        return None
    lies = orientation(grid["affine"])
    across = [
        spacing
        for spacing, axis in zip(grid["spacing"], lies.axes, strict=True)
        if PLANES[axis] != plane.value
    ]
    if max(across) <= COARSEST or max(across) < OBLONG * min(across):
        return None
    return (
        f"its voxels are {max(across):.3g} mm long and {min(across):.3g} mm wide within "
        f"{plane.value} slices, which the active model judges"
    )


def _scan_score(
    slice_scores: NDArray[np.float64], prepared: PreparedVolume, how: VolumeRecipe
) -> float:
    if how.scan_score is ScanScore.TOP_MEAN:
        n_top = max(1, round(how.extent / prepared.slice_spacing))
        top = np.sort(slice_scores)[-n_top:]
        return math.fsum(top) / len(top)
    return float(slice_scores.max())


def _smoothed(
    maps: NDArray[np.float32], prepared: PreparedVolume, sigma: float
) -> NDArray[np.float32]:
    """Maps (N, S, S) under a Gaussian of `sigma` mm across slices; at the ends, of those there."""
    heights = np.asarray(prepared.positions, np.float64) * prepared.slice_spacing
    smoothed = np.empty_like(maps)
    for place, height in enumerate(heights):
        away = np.abs(heights - height)
        near = np.flatnonzero(away <= REACH * sigma)
        weights = np.exp(-0.5 * (away[near] / sigma) ** 2) if sigma > 0 else np.ones(len(near))
        weights /= weights.sum()
        smoothed[place] = _weighted(maps, near, weights)
    return smoothed


def _weighted(
    maps: NDArray[np.float32], near: Iterable[np.intp], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The sum of some of the maps, added up in their order, so that it is the same everywhere."""
    total = np.zeros(maps.shape[1:], np.float32)
    for neighbour, weight in zip(near, weights, strict=True):
        total += maps[neighbour] * np.float32(weight)
    return total

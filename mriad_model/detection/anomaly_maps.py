"""From prepared slices to maps and scores, the same to the last bit however they are grouped."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mriad_model.detection.detectors.detector import Detector
from mriad_model.detection.devices import repeatable
from mriad_model.recipes import (
    DetectorRecipe,
    Levels,
    Residual,
    Scoring,
    SliceScoreMethod,
)

# Kernels for matrices pick their way of adding up by the batch's size; so every batch that a
# detector meets has this size, padded with empty slices.
BATCH = 16


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What a detector finds in healthy slices held out from its training."""

    # How much at each place, (S, S), or at each place of each level, (L, S, S); 1 on average
    usual: NDArray[np.float32]
    sd: float  # of the slice scores, once maps are divided by `usual`


@dataclass(frozen=True, slots=True)
class SliceLevels:
    """Where in their volumes slices lie, for standards that tell levels apart."""

    levels: Levels
    below_top: NDArray[np.float32]  # (N,) mm


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says of slices. Higher is more anomalous everywhere."""

    scores: NDArray[np.float64]  # (N,)
    maps: NDArray[np.float32]  # (N, S, S)
    parts: dict[str, NDArray[np.float64]]  # detector's name -> (N,), on its own scale


def detector_maps(
    detector: Detector,
    part: DetectorRecipe,
    images: NDArray[np.float32],
    inside: NDArray[np.bool_],
    device: torch.device,
) -> NDArray[np.float32]:
    """How far `images` (N, S, S) are from what the detector expects; 0 outside `inside`."""
    expected = _expected(detector, images, device)
    maps = np.empty_like(images)
    for i, where in enumerate(inside):
        residual = _residual(images[i], expected[i], part)
        maps[i] = _blurred(residual * where, part.gathering) * where
    return maps


def _residual(
    image: NDArray[np.float32], expected: NDArray[np.float32], part: DetectorRecipe
) -> NDArray[np.float32]:
    """What of `image` (S, S) is not to be found in `expected`, at the place or near it; >= 0."""
    image, expected = _blurred(image, part.smoothing), _blurred(expected, part.smoothing)
    if part.tolerance:
        side = 2 * part.tolerance + 1
        near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        expected = np.clip(image, cv2.erode(expected, near), cv2.dilate(expected, near))
    difference = image - expected
    if part.residual is Residual.SQUARED:
        return difference * difference
    return np.asarray(np.abs(difference), np.float32)


def _expected(
    detector: Detector, images: NDArray[np.float32], device: torch.device
) -> NDArray[np.float32]:
    """The detector's healthy version of `images` (N, S, S), in batches of one size."""
    expected = np.empty_like(images)
    for start in range(0, len(images), BATCH):
        chunk = images[start : start + BATCH]
        padded = torch.zeros((BATCH, *images.shape[1:]))
        padded[: len(chunk)] = torch.from_numpy(chunk)
        with torch.inference_mode(), repeatable(device):
            found = detector.expected(padded.to(device))[: len(chunk)]
        expected[start : start + len(chunk)] = found.cpu().numpy()
    return expected


def _blurred(pixels: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """`pixels` (S, S) under a Gaussian of that many pixels."""
    if sigma == 0:
        return pixels
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32)


def slice_scores(
    maps: NDArray[np.float32], inside: NDArray[np.bool_], score: SliceScoreMethod
) -> NDArray[np.float64]:
    """One number for each of `maps` (N, S, S), (N,)."""
    if score is SliceScoreMethod.MEAN:
        return np.asarray(maps.mean(axis=(1, 2), dtype=np.float64))
    peaks, medians = _peaks_and_medians(maps, inside)
    return peaks - medians


def standard_of(
    maps: NDArray[np.float32],
    inside: NDArray[np.bool_],
    scoring: Scoring,
    heights: SliceLevels | None = None,
) -> Normalisation:
    """The standard that healthy `maps` (N, S, S) set; sd 1 where they have no spread."""
    if heights is None:
        usual = _floored(_usual(maps, inside, scoring), scoring)
    else:
        usual = _usual_by_level(maps, inside, heights, scoring)
    scores = slice_scores(maps / _of_slices(usual, heights), inside, scoring.score)
    sd = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
    return Normalisation(usual, sd if sd > 0 else 1.0)


def standardised(
    maps: dict[str, NDArray[np.float32]],
    standards: dict[str, Normalisation],
    heights: SliceLevels | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Each detector's maps (N, S, S) relative to what it usually finds at each place."""
    return {
        kind: found / _of_slices(standards[kind].usual, heights) for kind, found in maps.items()
    }


def combine(
    maps: dict[str, NDArray[np.float32]],
    standards: dict[str, Normalisation],
    inside: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Add standardised maps, each above its median in units of its healthy scores' spread.

    (N, S, S); 0 is the ordinary pixel of the slice, and everything outside.
    """
    total = np.zeros(inside.shape, np.float32)
    for kind, found in maps.items():
        _, medians = _peaks_and_medians(found, inside)
        above = found - medians.astype(np.float32)[:, None, None]
        total += above / np.float32(standards[kind].sd)
    return np.where(inside, total, np.float32(0))


def _of_slices(usual: NDArray[np.float32], heights: SliceLevels | None) -> NDArray[np.float32]:
    """The usual map of each slice's level, (N, S, S), or the one of all, (S, S)."""
    if heights is None:
        return usual
    nearest = np.rint(heights.below_top / np.float32(heights.levels.step)).astype(np.intp)
    return np.asarray(usual[np.clip(nearest, 0, heights.levels.number - 1)], np.float32)


def _usual(
    maps: NDArray[np.float32],
    inside: NDArray[np.bool_],
    scoring: Scoring,
    weights: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean of healthy `maps` (N, S, S) at each place, left and right alike, smoothed, (S, S).

    And where there is any, (S, S). `weights` (N,) add up to 1; with None all slices weigh alike.
    """
    if weights is None:
        found = maps.mean(axis=0, dtype=np.float32)
        covered = inside.mean(axis=0, dtype=np.float32)
    else:
        found = np.einsum("n,nyx->yx", weights, maps)
        covered = np.einsum("n,nyx->yx", weights, inside.astype(np.float32))
    found, covered = found + found[:, ::-1], covered + covered[:, ::-1]
    found, covered = (_blurred(sums, scoring.usual_sigma) for sums in (found, covered))
    usual = np.asarray(found / np.maximum(covered, np.float32(0.2)), np.float32)
    return usual, np.asarray(covered > 0, np.bool_)


def _usual_by_level(
    maps: NDArray[np.float32],
    inside: NDArray[np.bool_],
    heights: SliceLevels,
    scoring: Scoring,
) -> NDArray[np.float32]:
    """As `_usual`, but for each level of the slices near it, (L, S, S)."""
    usual, where = [], []
    levels = heights.levels
    for number in range(levels.number):
        away = heights.below_top - np.float32(number * levels.step)
        away = away / np.float32(levels.sigma)
        # The nearest slices count where none is near.
        weights = np.exp(np.float32(-0.5) * (away * away - (away * away).min()))
        found, covered = _usual(maps, inside, scoring, weights / weights.sum())
        usual.append(found)
        where.append(covered)
    return _floored((np.stack(usual), np.stack(where)), scoring)


def _floored(
    found: tuple[NDArray[np.float32], NDArray[np.bool_]], scoring: Scoring
) -> NDArray[np.float32]:
    """A usual map relative to its mean where there is any, with the floor; 1 on average."""
    usual, covered = found
    mean = float(usual[covered].mean())
    if mean <= 0:
        return np.ones_like(usual)
    floor = np.float32(scoring.usual_floor)
    return np.asarray((usual / np.float32(mean) + floor) / (1 + floor), np.float32)


def _peaks_and_medians(
    maps: NDArray[np.float32], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest and middle value inside, (N,) each. The lower of two middle values."""
    if len(maps) == 0:
        return np.zeros(0), np.zeros(0)
    values = torch.from_numpy(np.where(inside, maps, np.float32("nan"))).flatten(1)
    medians = values.nanmedian(dim=1).values
    peaks = values.nan_to_num(nan=-torch.inf).amax(dim=1)
    return peaks.double().numpy(), medians.double().numpy()

"""From prepared slices to maps and scores, the same to the last bit however they are grouped."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.maps.smoothing import blurred
from mriad_model.recipes.recipe import Levels, Scoring, SliceScoreMethod


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
    """A model's scores and maps of slices. Higher is more anomalous everywhere."""

    scores: NDArray[np.float64]  # (N,)
    maps: NDArray[np.float32]  # (N, S, S)
    parts: dict[str, NDArray[np.float64]]  # detector's name -> (N,), on its own scale
    spread: NDArray[np.float64] | None = None  # (N,) sd between a model's members; None: of one
    members: tuple["Scored", ...] = ()  # of volumes' slices, by each of several members


def slice_scores(
    maps: NDArray[np.float32], inside: NDArray[np.bool_], score: SliceScoreMethod
) -> NDArray[np.float64]:
    """One number for each of `maps` (N, S, S), (N,)."""
    if score is SliceScoreMethod.MEAN:
        return np.asarray(maps.mean(axis=(1, 2), dtype=np.float64))
    if score is SliceScoreMethod.MAX:
        peaks = np.where(inside, maps, np.float32(-np.inf)).max(axis=(1, 2))
        return np.asarray(peaks, np.float64)
    return _peaks(maps, inside) - _medians(maps, inside)


def standard_of(
    maps: NDArray[np.float32],
    inside: NDArray[np.bool_],
    scoring: Scoring,
    heights: SliceLevels | None = None,
    *,
    relative: bool = True,
) -> Normalisation:
    """The standard that healthy `maps` (N, S, S) set; sd 1 where they have no spread.

    Where they are not `relative` to a place, as much is usual everywhere.
    """
    if not relative:
        usual = np.ones((1 if heights is None else heights.levels.number, *maps.shape[1:]))
        usual = (usual[0] if heights is None else usual).astype(np.float32)
    elif heights is None:
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
        medians = _medians(found, inside).astype(np.float32)
        above = found - medians[:, None, None]
        total += above / np.float32(standards[kind].sd)
    return np.where(inside, total, np.float32(0))


def anchored(
    maps: NDArray[np.float32], scores: NDArray[np.float64], inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Maps (N, S, S) moved up or down so that the largest value inside is the slice's score (N,).

    So a score that comes from one detector is a value of the map that several have painted, and
    its threshold applies to pixels too. Values below 0 are ordinary, and become 0.
    """
    moved = maps + (scores - _peaks(maps, inside)).astype(np.float32)[:, None, None]
    return np.where(inside, np.maximum(moved, np.float32(0)), np.float32(0))


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
    found, covered = (blurred(sums, scoring.usual_sigma) for sums in (found, covered))
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


def _peaks(maps: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The largest value inside each of `maps` (N, S, S), (N,); what is no number is passed over."""
    there = np.where(inside & ~np.isnan(maps), maps, np.float32(-np.inf))
    return np.asarray(there.max(axis=(1, 2)), np.float64)


def _medians(maps: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The middle value inside each of `maps` (N, S, S), (N,): the lower of two.

    What is no number is passed over; NaN where nothing is left.
    """
    found = np.full(len(maps), np.nan)
    for i, (values, where) in enumerate(zip(maps, inside, strict=True)):
        there = values[where]
        there = there[~np.isnan(there)]
        if len(there):
            middle = (len(there) - 1) // 2
            found[i] = np.partition(there, middle)[middle]
    return found

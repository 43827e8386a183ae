"""The unit of an evaluation: the scores of one fold, and how its images are dealt and drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriad_model.curves import Floats


@dataclass(frozen=True, slots=True)
class FoldScores:
    """What one fitted model says of its test images, and the threshold it was given."""

    repeat: int
    fold: int
    healthy_ids: tuple[int, ...]
    healthy_scores: tuple[float, ...]
    abnormal_ids: tuple[int, ...]
    abnormal_scores: tuple[float, ...]
    threshold_value: float
    mean: float  # of the calibration scores
    sd: float
    n_calibration: int

    def __post_init__(self) -> None:
        for ids, scores in (
            (self.healthy_ids, self.healthy_scores),
            (self.abnormal_ids, self.abnormal_scores),
        ):
            if len(ids) != len(scores) or len(set(ids)) != len(ids):
                raise ValueError("a fold scores each of its images once")
            if np.isnan(scores).any():
                raise ValueError("a score that is not a number cannot be ranked")


@dataclass(frozen=True, slots=True)
class ImageWeights:
    """How often each image is drawn in each of B resamples, (B, images) float64."""

    healthy: Floats
    abnormal: Floats
    healthy_column: Mapping[int, int]  # image id -> column
    abnormal_column: Mapping[int, int]

    def of_fold(self, fold: FoldScores) -> tuple[Floats, Floats]:
        """The weights of a fold's healthy and abnormal images."""
        healthy = [self.healthy_column[image] for image in fold.healthy_ids]
        abnormal = [self.abnormal_column[image] for image in fold.abnormal_ids]
        return self.healthy[:, healthy], self.abnormal[:, abnormal]

    @classmethod
    def once(cls, folds: Sequence[FoldScores]) -> "ImageWeights":
        """Every image as it is, B = 1."""
        healthy = sorted({image for fold in folds for image in fold.healthy_ids})
        abnormal = sorted({image for fold in folds for image in fold.abnormal_ids})
        return cls(
            np.ones((1, len(healthy))),
            np.ones((1, len(abnormal))),
            {image: column for column, image in enumerate(healthy)},
            {image: column for column, image in enumerate(abnormal)},
        )

    @classmethod
    def drawn(cls, folds: Sequence[FoldScores], resamples: int, seed: int) -> "ImageWeights":
        """B resamples of the images, each class as large as it is. The same seed, the same draw."""
        once, rng = cls.once(folds), np.random.default_rng(seed)

        def draw(n: int) -> Floats:
            if n == 0:
                return np.ones((resamples, 0))
            return rng.multinomial(n, np.full(n, 1.0 / n), size=resamples).astype(np.float64)

        healthy, abnormal = draw(once.healthy.shape[1]), draw(once.abnormal.shape[1])
        return cls(healthy, abnormal, once.healthy_column, once.abnormal_column)


def turns(n_images: int, repeat: int, n_folds: int) -> NDArray[np.intp]:
    """Which fold decides each of a repeat's abnormal images, in the order of their ids, (n,).

    They are dealt round the folds; the next repeat starts one fold further.
    """
    return (np.arange(n_images) + repeat) % n_folds


def dealt(folds: Sequence[FoldScores]) -> list[NDArray[np.bool_]]:
    """For each fold, which of its abnormal images it decides, (n_abnormal,) bool.

    Within a repeat each image is decided once, see `turns`.
    """
    of_repeat: dict[int, list[int]] = {}
    for fold in folds:
        of_repeat.setdefault(fold.repeat, []).append(fold.fold)
    masks = []
    for fold in folds:
        numbers = sorted(of_repeat[fold.repeat])
        turn = turns(len(fold.abnormal_ids), fold.repeat, len(numbers))
        rank = np.argsort(np.argsort(fold.abnormal_ids, kind="stable"), kind="stable")
        masks.append(turn[rank] == numbers.index(fold.fold))
    return masks

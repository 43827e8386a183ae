"""Phantom volumes: how well lesions are found, and how long a large volume takes.

python -m benchmarks.volumes [--contrast flair|t1] [--healthy 40] [--lesions 16] [--seed 7]
python -m benchmarks.volumes --time

The first trains on volumes of healthy heads, calibrates on others, and scores healthy and lesion
volumes of heads it never saw, every lesion once. Phantoms are no patients: the figures compare
versions of this software with each other, and say nothing of a clinic. The second takes one
volume of 256 x 256 x 180 through each step, on one thread.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.__main__ import say
from mriad_model.detection.model import FittedModel, fit
from mriad_model.detection.thresholds import ThresholdFit, fit_threshold
from mriad_model.detection.volume_scores import anomaly_volume, score_volume
from mriad_model.enums import ScanKind
from mriad_model.evaluation.metrics import Interval, measure
from mriad_model.evaluation.roc import Floats, FoldScores
from mriad_model.heatmaps.montage import montage_picture
from mriad_model.heatmaps.overlay import ColourScale
from mriad_model.heatmaps.volume_map import nifti_map
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import (
    LARGE_SHAPE,
    SHAPE,
    phantom_affine,
    write_dicom_series,
    write_nifti,
)
from mriad_model.preprocessing.slices import joined
from mriad_model.preprocessing.volumes import PreparedVolume, prepare_volume, training_slices
from mriad_model.readers.dicom.reading import read_series, survey
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.volumes import Origin, Volume, volume_of
from mriad_model.recipes import VOLUME

N_TRAIN, N_VALIDATION, N_CALIBRATION = 24, 8, 30
NEAR = 5.0  # mm from a lesion within which the map's peak is a hit
MODEL_ID = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What the model said of one volume."""

    score: float
    distance: float | None  # from the map's peak to the lesion, mm; None in a healthy head


def main() -> None:
    """Find lesions, or take the time."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.volumes", description=__doc__)
    options.add_argument("--contrast", type=Contrast, default=Contrast.FLAIR)
    options.add_argument("--healthy", type=int, default=40)
    options.add_argument("--lesions", type=int, default=16, help="volumes of each kind")
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--time", action="store_true")
    given = options.parse_args()
    torch.set_num_threads(1)
    if given.time:
        take_time()
    else:
        find_lesions(given.contrast, given.healthy, given.lesions, given.seed)


def find_lesions(contrast: Contrast, n_healthy: int, n_lesions: int, seed: int) -> None:
    """Train, calibrate, score; print the figures by lesion kind."""
    heads = iter(range(seed * 1_000_003, (seed + 1) * 1_000_003))
    started = perf_counter()
    model = _trained(contrast, heads)
    done = model.training
    say(
        f"trained on {done.n_train} slices of {N_TRAIN} volumes ({contrast.value}), "
        f"{done.epochs} epochs, {done.seconds:.0f} s; held-out loss {done.validation_loss:.5f}"
    )
    calibration = [_found(model, contrast, head, None) for head in _next(heads, N_CALIBRATION)]
    threshold = fit_threshold([each.score for each in calibration])
    healthy = [_found(model, contrast, head, None) for head in _next(heads, n_healthy)]
    ill = {
        lesion: [_found(model, contrast, head, lesion) for head in _next(heads, n_lesions)]
        for lesion in Lesion
    }
    say(f"threshold {threshold.value:.3g}: mean + 1 sd of {threshold.n} healthy volumes")
    everything = [found for kind in ill.values() for found in kind]
    _report("all", healthy, everything, threshold)
    for lesion, found in ill.items():
        _report(lesion.value, healthy, found, threshold)
    say(f"took {perf_counter() - started:.0f} s")


def take_time() -> None:
    """One large volume as NIfTI and as a DICOM series, step by step."""
    model = _trained(Contrast.T1, iter(range(1, 1000)), n_train=2, n_validation=2, epochs=1)
    drawn, seconds = _timed(lambda: phantom_volume(1, Contrast.T1, Lesion.MASS, LARGE_SHAPE))
    say(f"{'draw':<24}{seconds:8.2f} s")
    with tempfile.TemporaryDirectory(prefix="mriad-bench-") as scratch:
        path = Path(scratch) / "volume.nii.gz"
        write_nifti(path, drawn.voxels, drawn)
        write_dicom_series(Path(scratch) / "series", drawn, patient="P-1")

        def from_series() -> Volume:
            (series,) = survey(list_files(Path(scratch) / "series")).series
            return read_series(series)

        _, seconds = _timed(from_series)
        say(f"{'read DICOM series':<24}{seconds:8.2f} s")
        volume, seconds = _timed(lambda: read_nifti(path))
        say(f"{'read NIfTI':<24}{seconds:8.2f} s")
    prepared, seconds = _timed(lambda: prepare_volume(volume, model.recipe))
    say(f"{'cut and prepare':<24}{seconds:8.2f} s   {len(prepared)} slices")
    scored, seconds = _timed(lambda: score_volume(model, prepared))
    say(f"{'score':<24}{seconds:8.2f} s")
    anomaly, seconds = _timed(lambda: anomaly_volume(scored, prepared, volume))
    say(f"{'map on the grid':<24}{seconds:8.2f} s")
    data, seconds = _timed(lambda: montage_picture(scored, prepared, model, MODEL_ID))
    say(f"{'montage':<24}{seconds:8.2f} s   {len(data) / 1024:.0f} KiB")
    scale = ColourScale(model.colour_low, model.colour_high)
    data, seconds = _timed(lambda: nifti_map(anomaly, volume, scale, "mriad benchmark"))
    say(f"{'NIfTI map':<24}{seconds:8.2f} s   {len(data) / 1024:.0f} KiB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{'peak memory':<24}{peak:8.0f} MiB")


def _trained(
    contrast: Contrast,
    heads: Iterator[int],
    n_train: int = N_TRAIN,
    n_validation: int = N_VALIDATION,
    epochs: int | None = None,
) -> FittedModel:
    recipe = VOLUME.with_training(max_epochs=epochs)
    slices = [
        training_slices(_prepared(contrast, head, None)[1], recipe)
        for head in _next(heads, n_train + n_validation)
    ]
    return fit(joined(slices[:n_train]), joined(slices[n_train:]), recipe, "cpu")


def _prepared(
    contrast: Contrast, head: int, lesion: Lesion | None
) -> tuple[Volume, PreparedVolume, NDArray[np.bool_]]:
    """A head's volume, prepared, and where its lesion is, (Z, Y, X)."""
    drawn = phantom_volume(head, contrast, lesion, SHAPE)
    volume = volume_of(drawn.voxels, phantom_affine(drawn), Origin(ScanKind.NIFTI))
    return volume, prepare_volume(volume, VOLUME), drawn.lesion_mask


def _found(model: FittedModel, contrast: Contrast, head: int, lesion: Lesion | None) -> Found:
    volume, prepared, mask = _prepared(contrast, head, lesion)
    scored = score_volume(model, prepared)
    if lesion is None:
        return Found(scored.score, None)
    anomaly = anomaly_volume(scored, prepared, volume)
    peak = np.array(np.unravel_index(int(anomaly.argmax()), anomaly.shape))
    spacing = np.array(volume.spacing[::-1])
    distances: Floats = np.linalg.norm((np.argwhere(mask) - peak) * spacing, axis=1)
    return Found(scored.score, float(distances.min(initial=np.inf)))


def _report(
    name: str, healthy: Sequence[Found], ill: Sequence[Found], threshold: ThresholdFit
) -> None:
    fold = FoldScores(
        repeat=0,
        fold=0,
        healthy_ids=tuple(range(len(healthy))),
        healthy_scores=tuple(found.score for found in healthy),
        abnormal_ids=tuple(range(len(ill))),
        abnormal_scores=tuple(found.score for found in ill),
        threshold_value=threshold.value,
        mean=threshold.mean,
        sd=threshold.sd,
        n_calibration=threshold.n,
    )
    found = measure([fold])
    figures = [
        f"{metric} {found.values[metric]:.3f} {_shown(found.intervals[metric])}"
        for metric in ("auroc", "recall", "specificity")
    ]
    hits = sum(each.distance is not None and each.distance <= NEAR for each in ill)
    say(
        f"{name:<13} {len(ill):3d} lesions, {len(healthy)} healthy: {', '.join(figures)}, "
        f"peak on the lesion {hits / len(ill):.2f} {_shown(_wilson(hits, len(ill)))}"
    )


def _wilson(successes: int, trials: int) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927), 95 %."""
    z = 1.959963984540054
    share, spread = successes / trials, z * z / trials
    middle = share + spread / 2
    reach = z * ((share * (1 - share) + spread / 4) / trials) ** 0.5
    return Interval((middle - reach) / (1 + spread), (middle + reach) / (1 + spread))


def _shown(interval: Interval | None) -> str:
    return "" if interval is None else f"({interval.low:.2f}-{interval.high:.2f})"


def _next(heads: Iterator[int], n: int) -> list[int]:
    return [next(heads) for _ in range(n)]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = perf_counter()
    return work(), perf_counter() - started


if __name__ == "__main__":
    main()

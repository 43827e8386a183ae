"""What a few labelled abnormal patients add: `python -m benchmarks.evaluation.positives FOLDER`.

FOLDER has a folder a patient, with pictures and masks, see `labelled_pictures` beside this. A third
of the patients are held out to measure by, the same for all that is trained here. The recipe
`default` learns the healthy slices of others, alone and with the abnormal ones of 2, 5, 10 and 20
of these, with masks or without. Of a held-out patient's slices as many healthy as abnormal ones
count, of the levels nearest to each other. A JSON line each; nothing is chosen by them.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.evaluation.labelled_pictures import Pictures, labelled_pictures
from mriad_model.detection.model import FittedModel, fit
from mriad_model.detection.training.positives import Positives
from mriad_model.recipes.built_in_recipes import DEFAULT

COUNTS: Final = (0, 2, 5, 10, 20)
MOST_LEARNED: Final = 400  # healthy slices
RESAMPLES: Final = 500


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line of JSON for each number of patients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--without-masks", type=int, nargs="*", default=[20])
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    pictures = labelled_pictures(given.folder)
    rng = np.random.default_rng(0)
    patients = rng.permutation(np.unique(pictures.patients))
    third = len(patients) // 3
    tested, scaling, teaching = (
        patients[:third], patients[third : third + 6], patients[third:]
    )  # fmt: skip
    test = _matched(pictures, tested)
    healthy = np.flatnonzero(~pictures.abnormal)
    held = rng.permutation(healthy[np.isin(pictures.patients[healthy], scaling)])[:100]
    learned = np.isin(pictures.patients[healthy], teaching[6:])
    train = rng.permutation(healthy[learned])[:MOST_LEARNED]
    before: NDArray[np.float64] | None = None
    plan = [(n, True) for n in given.counts] + [(n, False) for n in given.without_masks]
    for n, masked in plan:
        abnormal = np.flatnonzero(
            pictures.abnormal & np.isin(pictures.patients, teaching[6 : 6 + n])
        )
        started = time.process_time()
        model = fit(
            pictures.take(train),
            pictures.take(held),
            replace(DEFAULT, cross_fitting=None),
            "cpu",
            positives=_positives(pictures, abnormal, masked=masked) if n else None,
        )
        seconds = round(time.process_time() - started)
        scores = _tell(model, pictures, test, before, n, len(abnormal), seconds, masked=masked)
        before = scores if before is None else before


def _positives(pictures: Pictures, abnormal: NDArray[np.intp], *, masked: bool) -> Positives:
    lesions = pictures.lesions[abnormal].astype(np.float32) * masked
    return Positives(pictures.take(abnormal), lesions, np.full(len(abnormal), masked))


def _matched(pictures: Pictures, patients: NDArray[np.intp]) -> NDArray[np.intp]:
    """Abnormal slices of these patients, each with a healthy one of a level near it."""
    rng = np.random.default_rng(1)
    own = np.flatnonzero(np.isin(pictures.patients, patients))
    free = [i for i in own if not pictures.abnormal[i]]
    kept: list[int] = []
    for i in rng.permutation(own[pictures.abnormal[own]]):
        if not free:
            break
        near = min(free, key=lambda j: (abs(pictures.levels[j] - pictures.levels[i]), j))
        if abs(pictures.levels[near] - pictures.levels[i]) <= 2:
            free.remove(near)
            kept += [int(i), int(near)]
    return np.array(sorted(kept))


def _tell(
    model: FittedModel,
    pictures: Pictures,
    test: NDArray[np.intp],
    before: NDArray[np.float64] | None,
    n: int,
    n_slices: int,
    seconds: int,
    *,
    masked: bool,
) -> NDArray[np.float64]:
    """The ranking of slices and of pixels, with intervals of 95 % by patient."""
    scored = model.score(pictures.take(test))
    abnormal, patient = pictures.abnormal[test], pictures.patients[test]
    maps = scored.maps[abnormal]
    size = maps.shape[-1]
    blocks = pictures.lesions[test][abnormal].reshape(len(maps), size, 2, size, 2)
    lesions = blocks.mean((2, 4)) >= 0.5
    rng = np.random.default_rng(0)
    names = np.unique(patient)
    draws, more = [], []
    for _ in range(RESAMPLES):
        chosen = rng.choice(names, len(names))
        at = np.concatenate([np.flatnonzero(patient == each) for each in chosen])
        draws.append(auroc(scored.scores[at], abnormal[at]))
        if before is not None:
            more.append(draws[-1] - auroc(before[at], abnormal[at]))
    line = {
        "patients_taught": n,
        "slices_taught": n_slices,
        "masks": masked and n > 0,
        "test_patients": len(names),
        "test_slices": [int((~abnormal).sum()), int(abnormal.sum())],
        "auroc": round(auroc(scored.scores, abnormal), 3),
        "auroc_interval": _interval(draws),
        "auroc_more_than_without": _interval(more) if more else None,
        "pixel_ap": round(average_precision(maps.ravel(), lesions.ravel()), 3),
        "cpu_seconds": seconds,
    }
    print(json.dumps(line), flush=True)
    return np.asarray(scored.scores, np.float64)


def auroc(scores: NDArray[np.floating], abnormal: NDArray[np.bool_]) -> float:
    """How often an abnormal one scores higher than a healthy one; ties count half."""
    healthy = np.sort(scores[~abnormal])
    left, right = (np.searchsorted(healthy, scores[abnormal], side) for side in ("left", "right"))
    return float((left + right).mean() / (2 * len(healthy)))


def average_precision(values: NDArray[np.floating], there: NDArray[np.bool_]) -> float:
    """Mean precision over the positives, in the order of their values."""
    order = np.argsort(-values, kind="stable")
    found = np.cumsum(there[order])
    precision = found / np.arange(1, len(order) + 1)
    return float(precision[there[order]].mean())


def _interval(values: Sequence[float]) -> list[float]:
    return [round(float(each), 3) for each in np.percentile(values, [2.5, 97.5])]


if __name__ == "__main__":
    main()

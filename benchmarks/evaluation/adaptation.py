"""The effect of adapting a model to another scanner.

    python -m benchmarks.evaluation.adaptation FROM TO

FROM and TO are folders of labelled pictures, see `labelled_pictures` beside this. A model learns
the healthy ones of FROM; then it meets TO, half of whose pictures are held out to measure by. Of
the other half a few healthy ones are drawn, as a site would have them, and the model is used as it
is, recalibrated by these alone, and adapted to them; with `--alone` beside a model that learned
these few alone. A threshold is drawn at a rate of 10 %, or, where there are too few pictures for
it, at the least rate that they can keep. A JSON line each.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.evaluation.labelled_pictures import Pictures, labelled_pictures
from mriad_model.datasets.roles import cross_fitting_folds, fold_roles
from mriad_model.detection.decisions.thresholds import fit_threshold
from mriad_model.detection.model import FittedModel, fit, fit_folds
from mriad_model.detection.training.adaptation import adapted
from mriad_model.enums import Policy, Role
from mriad_model.evaluation.metrics.scan_metrics import exact_interval
from mriad_model.recipes.built_in_recipes import DEFAULT
from mriad_model.recipes.recipe import Recipe

RATE: Final = 0.1
MOST_LEARNED: Final = 400  # pictures of FROM
RESAMPLES: Final = 1000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line of JSON for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("source", type=Path, metavar="FROM")
    parser.add_argument("target", type=Path, metavar="TO")
    parser.add_argument("--few", type=int, default=20, help="healthy pictures of TO")
    parser.add_argument("--draws", type=int, default=2, help="times that they are drawn")
    parser.add_argument("--alone", action="store_true", help="also learn these few alone")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    base, line = _base(labelled_pictures(given.source))
    pictures = labelled_pictures(given.target)
    rng = np.random.default_rng(0)
    healthy, abnormal = (
        rng.permutation(np.flatnonzero(pictures.abnormal == is_abnormal)) for is_abnormal in (0, 1)
    )
    tested = healthy[: len(healthy) // 2], abnormal[: len(abnormal) // 2]
    pool = healthy[len(healthy) // 2 :]
    test = pictures.take(np.concatenate(tested))
    before = base.score(test).scores
    counts = len(tested[0]), len(tested[1])
    _tell("as it is", before, counts, line, 0.0)
    for draw in range(given.draws):
        few = np.random.default_rng(1 + draw).permutation(pool)[: given.few]
        k = max(RATE, 1.0001 / (given.few + 1))
        own = base.score(pictures.take(few)).scores
        redrawn = fit_threshold(own, Policy.RATE, k).value
        _tell("recalibrated alone", before, counts, redrawn, 0.0, draw=draw)
        ways: list[tuple[str, Recipe, FittedModel | None]] = [("adapted", adapted(DEFAULT), base)]
        if given.alone:
            ways.append(("learned alone", DEFAULT, None))
        for name, how, start in ways:
            started = time.process_time()
            model, out_of_fold = _cross_fitted(pictures, few, how, start)
            seconds = time.process_time() - started
            drawn = fit_threshold(out_of_fold, Policy.RATE, k).value
            scores = model.score(test).scores
            _tell(name, scores, counts, drawn, seconds, draw=draw, beside=before)


def _base(pictures: Pictures) -> tuple[FittedModel, float]:
    """A model of the healthy pictures, and its threshold by a fifth of their patients."""
    rng = np.random.default_rng(0)
    healthy = np.flatnonzero(~pictures.abnormal)
    patients = rng.permutation(np.unique(pictures.patients[healthy]))
    fifth = max(1, len(patients) // 5)
    parts = patients[:fifth], patients[fifth : 2 * fifth], patients[2 * fifth :]
    held, scaling, learned = (
        rng.permutation(healthy[np.isin(pictures.patients[healthy], part)]) for part in parts
    )
    train = pictures.take(learned[:MOST_LEARNED])
    model = fit(
        train,
        pictures.take(scaling[: MOST_LEARNED // 4]),
        replace(DEFAULT, cross_fitting=None),
        "cpu",
    )
    scores = model.score(pictures.take(held)).scores
    groups = pictures.patients[held].tolist()
    return model, fit_threshold(scores, Policy.RATE, RATE, groups).value


def _cross_fitted(
    pictures: Pictures, few: NDArray[np.intp], how: Recipe, start: FittedModel | None
) -> tuple[FittedModel, NDArray[np.float64]]:
    """A cross-fitted model of a few pictures, and their scores out of fold."""
    assert how.cross_fitting is not None
    groups, keys = list(range(len(few))), [f"{i:06}" for i in few]
    n = how.cross_fitting.folds
    folds = cross_fitting_folds(groups, [None] * len(few), n, 0, keys)
    parts = []
    for fold in range(n):
        roles = fold_roles(groups, folds, fold, how.cross_fitting.held_out, 0, keys)
        of_role = {role: few[[r is role for r in roles]] for role in (Role.TRAIN, Role.VALIDATION)}
        parts.append((pictures.take(of_role[Role.TRAIN]), pictures.take(of_role[Role.VALIDATION])))
    model = fit_folds(parts, how, "cpu", start=start)
    scores = np.zeros(len(few))
    for fold in range(n):
        own = np.flatnonzero(np.array(folds) == fold)
        scores[own] = model.score(pictures.take(few[own]), fold).scores
    return model, scores


def _tell(
    name: str,
    scores: NDArray[np.float64],
    counts: tuple[int, int],
    line: float,
    seconds: float,
    *,
    draw: int | None = None,
    beside: NDArray[np.float64] | None = None,
) -> None:
    """One way of using the model: rate, sensitivity and ranking, with intervals of 95 %."""
    healthy, abnormal = scores[: counts[0]], scores[counts[0] :]
    flagged = int((healthy > line).sum())
    found: dict[str, Any] = {
        "way": name,
        "draw": draw,
        "n_healthy": counts[0],
        "n_abnormal": counts[1],
        "false_positive_rate": flagged / counts[0],
        "false_positive_interval": _ends(exact_interval(flagged, counts[0])),
        "sensitivity": float((abnormal > line).mean()),
        "auroc": _auroc(healthy, abnormal),
        "cpu_seconds": round(seconds),
    }
    rng = np.random.default_rng(0)
    draws, differences = [], []
    for _ in range(RESAMPLES):
        a, b = (rng.integers(n, size=n) for n in counts)
        draws.append(_auroc(healthy[a], abnormal[b]))
        if beside is not None:
            old = beside[: counts[0]][a], beside[counts[0] :][b]
            differences.append(draws[-1] - _auroc(*old))
    found["auroc_interval"] = np.percentile(draws, [2.5, 97.5]).round(3).tolist()
    if differences:
        found["auroc_more_than_before"] = (
            np.percentile(differences, [2.5, 50, 97.5]).round(3).tolist()
        )
    print(
        json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}),
        flush=True,
    )


def _ends(interval: Any) -> list[float] | None:
    return None if interval is None else [round(interval.low, 3), round(interval.high, 3)]


def _auroc(healthy: NDArray[np.float64], abnormal: NDArray[np.float64]) -> float:
    order = np.sort(healthy)
    below = np.searchsorted(order, abnormal, "left") + np.searchsorted(order, abnormal, "right")
    return float(below.mean() / (2 * len(healthy)))


if __name__ == "__main__":
    main()

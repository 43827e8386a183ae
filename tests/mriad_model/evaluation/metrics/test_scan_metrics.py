"""Metrics against scikit-learn, and their behaviour where they cannot be told."""

import json
import math
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score, roc_curve

from mriad_model.evaluation.metrics.roc import FoldScores, ImageWeights, dealt, n_groups
from mriad_model.evaluation.metrics.scan_metrics import (
    DECISION_METRICS,
    RANK_METRICS,
    Confusion,
    Interval,
    auroc_advantage,
    exact_interval,
    measure,
    roc_band,
)


def fold_of(
    healthy: list[float] | np.ndarray,
    abnormal: list[float] | np.ndarray,
    threshold: float = 0.0,
    *,
    repeat: int = 0,
    fold: int = 0,
    first: int = 0,
) -> FoldScores:
    """Healthy images are numbered from `first`, abnormal ones from 1000."""
    return FoldScores(
        repeat=repeat,
        fold=fold,
        healthy_ids=tuple(range(first, first + len(healthy))),
        healthy_scores=tuple(float(score) for score in healthy),
        abnormal_ids=tuple(range(1000, 1000 + len(abnormal))),
        abnormal_scores=tuple(float(score) for score in abnormal),
        threshold_value=threshold,
        mean=0.0,
        sd=1.0,
        n_calibration=20,
    )


def heldout(repeats: int = 3, folds: int = 5, n: int = 15, m: int = 123) -> list[FoldScores]:
    rng = np.random.default_rng(0)
    return [
        fold_of(
            rng.normal(size=n),
            rng.normal(1.5, 1.0, m),
            1.0,
            repeat=repeat,
            fold=fold,
            first=fold * n,
        )
        for repeat in range(repeats)
        for fold in range(folds)
    ]


@pytest.mark.parametrize("decimals", [8, 1, 0])  # 0: nearly every score is tied
def test_one_fold_agrees_with_scikit_learn_ties_included(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    healthy = rng.normal(size=40).round(decimals)
    abnormal = rng.normal(0.8, 1.2, 70).round(decimals)
    labels, scores = [0] * 40 + [1] * 70, np.concatenate([healthy, abnormal])
    found = measure([fold_of(healthy, abnormal, 0.5)], resamples=10)
    assert found.values["auroc"] == pytest.approx(roc_auc_score(labels, scores))
    assert found.values["average_precision"] == pytest.approx(
        average_precision_score(labels, scores)
    )
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    corners, first = np.unique(fpr[::-1], return_index=True)  # the highest point of each rise
    expected = np.interp(0.1, corners, tpr[::-1][first])
    assert found.values["sensitivity_at_90_specificity"] == pytest.approx(expected)
    tn, fp, fn, tp = confusion_matrix(labels, scores > 0.5).ravel()
    assert found.confusion == Confusion(tn, fp, fn, tp)
    assert found.values["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_rank_metrics_are_means_over_folds_and_not_of_pooled_scores() -> None:
    low = fold_of([0.0, 1.0], [2.0, 3.0])
    high = fold_of([100.0, 101.0], [102.0, 103.0], fold=1, first=2)
    inverted = replace(high, repeat=1, healthy_scores=(104.0, 105.0))
    assert measure([low, high], resamples=10).values["auroc"] == 1.0
    assert measure([low, inverted], resamples=10).values["auroc"] == 0.5


def test_each_abnormal_image_is_decided_once_a_repeat_and_by_turns() -> None:
    folds = heldout(repeats=2)
    masks = dealt(folds)
    assert (np.sum(masks[:5], axis=0) == 1).all()
    assert (np.sum(masks[5:], axis=0) == 1).all()
    assert not np.array_equal(masks[0], masks[5])
    confusion = measure(folds, resamples=10).confusion
    assert confusion.tn + confusion.fp == 2 * 75
    assert confusion.tp + confusion.fn == 2 * 123


def of_patients() -> list[FoldScores]:
    """Two folds of four patients each, with three healthy and two abnormal images a patient."""
    rng = np.random.default_rng(1)
    folds = []
    for fold in range(2):
        shift = rng.normal(size=4)  # a patient's images are much alike
        healthy = np.repeat(shift, 3) + 0.1 * rng.normal(size=12)
        abnormal = np.repeat(shift, 2) + 0.5 + 0.1 * rng.normal(size=8)
        of = fold_of(healthy, abnormal, 0.5, fold=fold, first=12 * fold)
        patients = range(4 * fold, 4 * fold + 4)
        folds.append(
            replace(
                of,
                abnormal_ids=tuple(range(1000 + 8 * fold, 1008 + 8 * fold)),
                healthy_groups=tuple(np.repeat(patients, 3).tolist()),
                abnormal_groups=tuple(np.repeat(patients, 2).tolist()),
            )
        )
    return folds


def test_all_images_of_a_patient_are_drawn_together() -> None:
    folds = of_patients()
    weights = ImageWeights.drawn(folds, 50, seed=0)
    for fold in folds:
        healthy, abnormal = weights.of_fold(fold)
        for patient in set(fold.healthy_groups):
            of_patient = np.hstack(
                [
                    healthy[:, np.array(fold.healthy_groups) == patient],
                    abnormal[:, np.array(fold.abnormal_groups) == patient],
                ]
            )
            assert of_patient.shape[1] == 5
            assert (of_patient == of_patient[:, :1]).all()
    assert (weights.healthy.sum(axis=1) == 24).all()
    assert n_groups(folds) == (8, 8)


def test_intervals_by_patient_are_wider_than_by_image() -> None:
    folds = of_patients()
    alone = [replace(fold, healthy_groups=(), abnormal_groups=()) for fold in folds]
    widths = []
    for some in (folds, alone):
        interval = measure(some).intervals["false_positive_rate"]
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert widths[0] > 1.2 * widths[1]


def test_an_abnormal_image_that_one_fold_tests_is_decided_there() -> None:
    folds = of_patients()
    assert all(mask.all() for mask in dealt(folds))
    confusion = measure(folds, resamples=10).confusion
    assert confusion.tp + confusion.fn == 16


def test_dealing_follows_ids_and_not_the_order_of_rows() -> None:
    fold = fold_of([0.0], [1.0, -1.0, 1.0], 0.0)
    backwards = replace(
        fold, abnormal_ids=fold.abnormal_ids[::-1], abnormal_scores=fold.abnormal_scores[::-1]
    )
    others = [replace(fold, fold=1, healthy_ids=(1,))]
    assert measure([fold, *others], 10).confusion == measure([backwards, *others], 10).confusion


def test_an_evaluation_of_fifteen_folds_takes_under_two_seconds() -> None:
    began = time.process_time()
    measure(heldout())
    assert time.process_time() - began < 2.0


def test_intervals_are_reproducible_hold_the_value_and_lie_within_zero_and_one() -> None:
    folds = heldout()
    found = measure(folds)
    assert found == measure(folds)
    for name in (*RANK_METRICS, *DECISION_METRICS):
        interval, value = found.intervals[name], found.values[name]
        assert interval is not None
        assert value is not None
        assert 0.0 <= interval.low <= value <= interval.high <= 1.0
        assert interval.low < interval.high


def test_the_bootstrap_is_as_wide_as_theory_says() -> None:
    rng = np.random.default_rng(5)
    healthy, abnormal = rng.normal(size=100), rng.normal(1.0, 1.0, 100)
    found = measure([fold_of(healthy, abnormal, 0.7)])
    auc = found.values["auroc"]
    assert auc is not None
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)  # Hanley and McNeil 1982
    se = math.sqrt((auc * (1 - auc) + 99 * (q1 - auc**2) + 99 * (q2 - auc**2)) / 100**2)
    interval = found.intervals["auroc"]
    assert interval is not None
    assert (interval.high - interval.low) == pytest.approx(2 * 1.96 * se, rel=0.15)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    truth = 0.8413  # of normal scores whose means lie sqrt(2) apart: the normal tail at 1
    held = {"auroc": 0, "specificity": 0}
    for seed in range(60):
        healthy, abnormal = rng.normal(size=75), rng.normal(math.sqrt(2.0), 1.0, 120)
        folds = [
            fold_of(healthy[15 * n : 15 * n + 15], abnormal, 1.0, fold=n, first=15 * n)
            for n in range(5)
        ]
        intervals = measure(folds, resamples=200, seed=seed).intervals
        for name in held:
            interval = intervals[name]
            held[name] += interval is not None and interval.low <= truth <= interval.high
    assert all(0.85 <= count / 60 < 1.0 for count in held.values()), held


def test_more_repeats_of_the_same_images_do_not_narrow_the_interval() -> None:
    one = heldout(repeats=1)
    thrice = [replace(fold, repeat=repeat) for repeat in range(3) for fold in one]
    first, again = measure(one).intervals["auroc"], measure(thrice).intervals["auroc"]
    assert first is not None
    assert again is not None
    assert first.high - first.low == pytest.approx(again.high - again.low, rel=0.1)


def test_a_perfect_recall_is_not_claimed_with_certainty() -> None:
    found = measure([fold_of([-1.0] * 91, [1.0] * 154)])
    assert found.values["recall"] == 1.0
    assert found.intervals["recall"] == exact_interval(154, 154)
    assert found.values["auroc"] == found.values["f1"] == 1.0
    assert found.intervals["auroc"] == found.intervals["f1"] == exact_interval(91, 91)
    assert found.intervals["recall"] == Interval(pytest.approx(0.9763, abs=1e-4), 1.0)


@pytest.mark.parametrize(
    ("healthy", "abnormal", "untold"),
    [
        ([0.0, 1.0], [], {*RANK_METRICS, "recall"}),
        ([], [0.0, 1.0], {*RANK_METRICS, "specificity", "false_positive_rate"}),
        ([], [], {*RANK_METRICS, *DECISION_METRICS}),
    ],
)
def test_a_missing_class_gives_null_and_never_nan(
    healthy: list[float], abnormal: list[float], untold: set[str]
) -> None:
    folds = [fold_of(healthy, abnormal, 0.5)]
    found = measure(folds, resamples=50)
    assert {name for name, value in found.values.items() if value is None} == untold
    assert all(found.intervals[name] is None for name in untold)
    assert roc_band(folds) is None
    json.dumps(asdict(found), allow_nan=False)


def test_nothing_flagged_leaves_the_precision_untold() -> None:
    found = measure([fold_of([0.0, 1.0], [0.0, 1.0], 5.0)], resamples=50)
    assert found.values["precision"] is None
    assert found.intervals["precision"] is None
    assert found.values["f1"] == 0.0


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        fold_of([0.0, math.nan], [1.0])


def test_an_image_scored_twice_in_a_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="once"):
        replace(fold_of([0.0, 1.0], [1.0]), healthy_ids=(1, 1))


def test_the_mean_roc_rises_from_left_to_right_and_agrees_with_the_metrics() -> None:
    folds = heldout()
    band = roc_band(folds, resamples=200)
    assert band is not None
    assert np.all(np.diff(band.tpr) >= 0)
    assert band.tpr[-1] == 1.0
    assert np.all(np.asarray(band.low) <= band.high)
    found = measure(folds, resamples=10)
    assert band.tpr[10] == pytest.approx(found.values["sensitivity_at_90_specificity"])
    assert np.trapezoid(band.tpr, band.fpr) == pytest.approx(found.values["auroc"], abs=0.01)


def test_a_method_has_no_advantage_over_itself() -> None:
    folds = heldout(repeats=1)
    found = auroc_advantage(folds, folds)
    assert found is not None
    assert (found.value, found.interval) == (0.0, Interval(0.0, 0.0))


def test_a_paired_advantage_is_told_more_sharply_than_two_intervals_would() -> None:
    rng = np.random.default_rng(1)
    healthy, abnormal = rng.normal(size=60), rng.normal(1.0, 1.0, 60)
    theirs = [fold_of(healthy, abnormal)]
    ours = [fold_of(healthy, abnormal + rng.normal(0.3, 0.1, 60))]
    found = auroc_advantage(ours, theirs)
    alone = measure(theirs).intervals["auroc"]
    assert found is not None
    assert alone is not None
    assert 0 < found.interval.low < found.value < found.interval.high
    assert found.interval.high - found.interval.low < (alone.high - alone.low) / 3


def test_no_advantage_can_be_told_without_abnormal_images() -> None:
    folds = [fold_of([0.0, 1.0], [])]
    assert auroc_advantage(folds, folds, resamples=20) is None

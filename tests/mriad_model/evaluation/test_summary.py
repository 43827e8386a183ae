"""Folds put together: rows, the rival, and what cannot be measured."""

from dataclasses import replace

import pytest

from mriad_model.errors import (
    NoScans,
)
from mriad_model.evaluation.baselines.metadata import NUMERIC
from mriad_model.evaluation.dataset import gather as gathered
from mriad_model.evaluation.metrics.roc import FoldScores
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
)
from mriad_model.evaluation.results import RowKind, ScoreRow
from mriad_model.evaluation.summary import MEMORISATION, summarise
from tests.support.evaluations import HELDOUT, MEMORY, all_folds, data_of, heldout_folds


def test_every_output_of_the_seed_protocol_says_memorisation() -> None:
    plan = EvaluationPlan(MEMORY)
    report = summarise(all_folds(data_of(), plan), resamples=20)
    assert report.memorisation
    assert report.note == MEMORISATION
    # Nothing is said of unseen scans: there are none.
    assert (report.verdicts, report.promised) == ({}, None)
    honest = summarise(heldout_folds(), resamples=20)
    assert honest.verdicts
    assert honest.promised is not None
    assert (honest.memorisation, honest.note) == (False, None)


def test_the_summary_holds_every_row() -> None:
    data = data_of()
    report = summarise(all_folds(data, EvaluationPlan(HELDOUT, repeats=2)), resamples=50)
    kinds = {row.name: row.kind for row in report.rows}
    assert kinds["model"] is RowKind.MODEL
    assert kinds["autoencoder"] is RowKind.DETECTOR
    # Left against right twice: as a detector, scaled by healthy slices, and without any.
    twice = [row.kind for row in report.rows if row.name == "asymmetry"]
    assert twice == [RowKind.DETECTOR, RowKind.BASELINE]
    assert {"extension", *NUMERIC} <= set(kinds)
    confusion, auroc = report.model.metrics.confusion, report.model.metrics.values["auroc"]
    assert confusion.tn + confusion.fp == 2 * 20
    assert confusion.tp + confusion.fn == 2 * 11
    assert auroc is not None
    assert auroc > 0.9
    (entropy,) = (row for row in report.baselines if row.name == "entropy")
    assert entropy.auroc_direction_from_labels is not None
    assert entropy.auroc_direction_from_labels >= 0.5


def test_the_rival_is_the_best_untrained_method_and_takes_no_advantage_of_a_wrong_sign() -> None:
    report = summarise(heldout_folds(), resamples=50)
    untrained = [
        max(row.metrics.values["auroc"] or 0, row.auroc_direction_from_labels or 0)
        for row in report.rows
        if row.kind is RowKind.BASELINE
    ]
    assert report.rival is not None
    assert report.rival.auroc == max(untrained)
    lead = (report.model.metrics.values["auroc"] or 0) - report.rival.auroc
    assert report.rival.advantage.value == pytest.approx(lead)


def test_the_order_in_which_folds_finish_does_not_matter() -> None:
    folds = heldout_folds()
    assert summarise(folds, 50) == summarise(folds[::-1], 50)


def test_folds_of_different_evaluations_are_not_put_together() -> None:
    folds = heldout_folds()
    others = all_folds(data_of(), EvaluationPlan(HELDOUT, seed=1))
    with pytest.raises(ValueError, match="different evaluations"):
        summarise([*folds[:4], others[4]])


def test_no_abnormal_image_leaves_the_rank_metrics_null() -> None:
    report = summarise(all_folds(data_of(n_abnormal=0), EvaluationPlan(HELDOUT)), resamples=20)
    values = report.model.metrics.values
    assert (values["auroc"], values["recall"], report.roc) == (None, None, None)
    assert values["specificity"] is not None


def test_no_images_and_no_folds_are_named() -> None:
    with pytest.raises(NoScans):
        gathered([])
    with pytest.raises(NoScans):
        summarise([])


def test_the_asymmetry_to_beat_is_the_baseline_and_not_a_detector_of_that_name() -> None:
    folds = [
        replace(
            fold,
            rows=tuple(
                replace(
                    row, scores=row.scores if row.kind is not RowKind.DETECTOR else _turned(row)
                )
                for row in fold.rows
            ),
        )
        for fold in heldout_folds()
    ]
    report = summarise(folds, resamples=20)
    of = {(row.name, row.kind): row.metrics.values["auroc"] for row in report.rows}
    baseline, detector = (of["asymmetry", kind] for kind in (RowKind.BASELINE, RowKind.DETECTOR))
    model = report.model.metrics.values["auroc"]
    assert report.versus_asymmetry is not None
    assert None not in (baseline, detector, model)
    assert baseline != detector
    assert report.versus_asymmetry.value == pytest.approx(model - baseline)


def _turned(row: ScoreRow) -> FoldScores:
    of = row.scores
    return replace(
        of,
        healthy_scores=tuple(-each for each in of.healthy_scores),
        abnormal_scores=tuple(-each for each in of.abnormal_scores),
    )

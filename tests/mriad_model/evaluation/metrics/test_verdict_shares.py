"""Shares of verdicts: each scan once a repeat, by label."""

import pytest

from mriad_model.enums import LabelValue, Verdict
from mriad_model.evaluation.metrics.roc import FoldScores
from mriad_model.evaluation.metrics.scan_metrics import exact_interval
from mriad_model.evaluation.metrics.verdict_shares import promised_rate, verdict_shares
from mriad_model.evaluation.summary import summarise
from tests.support.evaluations import heldout_folds


def fold(number: int, healthy: tuple[int, ...], abnormal: tuple[int, ...]) -> FoldScores:
    zeros = (0.0,) * len(healthy), (1.0,) * len(abnormal)
    return FoldScores(0, number, healthy, zeros[0], abnormal, zeros[1], 0.5, 0.0, 1.0, 9)


def test_shares_are_of_the_scans_that_folds_decide() -> None:
    scores = [fold(0, (0, 1), (4, 5)), fold(1, (2, 3), (4, 5))]
    verdicts = [
        {0: "normal", 1: "suspicious", 4: "suspicious"},
        {2: "normal", 3: "not_scorable", 5: "suspicious"},
    ]
    found = verdict_shares(verdicts, scores, 50)
    healthy, abnormal = found[LabelValue.HEALTHY], found[LabelValue.ABNORMAL]
    assert {name: each.value for name, each in healthy.items()} == {
        Verdict.NORMAL: 0.5,
        Verdict.UNCERTAIN: 0.0,
        Verdict.SUSPICIOUS: 0.25,
        Verdict.NOT_SCORABLE: 0.25,
    }
    assert abnormal[Verdict.SUSPICIOUS].value == 1.0
    assert abnormal[Verdict.SUSPICIOUS].interval == exact_interval(2, 2)
    assert verdict_shares([], [], 50) == {}


def test_the_promise_is_the_folds_mean_and_missing_where_a_fold_has_none() -> None:
    found = promised_rate([(0.1, 0.05, 0.3), (0.2, 0.15, 0.4)])
    assert found is not None
    assert found.value == pytest.approx(0.15)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((0.1, 0.35))
    assert promised_rate([(0.1, 0.05, 0.3), None]) is None


def test_folds_give_every_tested_scan_a_verdict_and_state_their_rate() -> None:
    report = summarise(heldout_folds(), resamples=20)
    for shares in report.verdicts.values():
        assert sum(each.value or 0.0 for each in shares.values()) == pytest.approx(1.0)
    flagged = report.verdicts[LabelValue.HEALTHY][Verdict.SUSPICIOUS].value
    assert flagged == report.model.metrics.values["false_positive_rate"]  # no gate, no band
    assert report.promised is not None

"""Warnings, comparisons and reviews: kept in order, and only of what is there."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError

from db.entities import Comparison, RecordedWarning, Review
from db.repository.reports import history as history_records
from db.repository.reports.reviews import append_review, reviews
from db.repository.scoring.warnings import append_warnings, warnings
from db.repository.training.comparisons import append_comparison, comparisons
from mriad_model.enums import ReviewVerdict, WarningKind
from mriad_model.errors import NotInRecord, RecordError

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

LATER = "2026-11-02T12:00:00.000000+00:00"


def test_warnings_are_kept_oldest_first(hand: "Hand") -> None:
    run_id, other = hand.run(), hand.run("other")
    drift = RecordedWarning(WarningKind.DRIFT, '{"p": 0.001}', "Scores drift.", run_id, hand.noon)
    scanner = RecordedWarning(WarningKind.SCANNER_DRIFT, "{}", "Those of GE drift.", other, LATER)
    assert append_warnings(hand.engine, [drift, scanner]) == 2
    assert append_warnings(hand.engine, []) == 0
    assert append_warnings(hand.engine, [scanner, drift]) == 0  # the run said so before
    kinds = [each.kind for each in warnings(hand.engine)]
    assert kinds == [WarningKind.DRIFT, WarningKind.SCANNER_DRIFT]
    assert warnings(hand.engine)[0].subject == '{"p": 0.001}'
    assert [each.created_at for each in warnings(hand.engine, since=LATER)] == [LATER]
    assert [each.run_id for each in warnings(hand.engine, run_id=other)] == [other]


def test_a_comparison_names_both_thresholds_and_the_scans(hand: "Hand") -> None:
    model_id, current = hand.ready()
    (healthy,) = hand.scans("healthy")
    candidate = hand.threshold(model_id, hand.dataset(calibration=[healthy]), k=2.0)
    dataset_id = hand.dataset(test=hand.scans("held out"))
    met = Comparison(
        current, candidate, dataset_id, 1, "Better.", '{"n": 1}', hand.run(), hand.noon
    )
    number = append_comparison(hand.engine, met)
    assert append_comparison(hand.engine, met) == number
    (found,) = comparisons(hand.engine)
    assert (found.id, found.promoted, found.figures) == (number, 1, '{"n": 1}')
    assert (found.current_threshold_id, found.candidate_threshold_id) == (current, candidate)
    unknown = replace(met, candidate_threshold_id=99)
    with pytest.raises(RecordError, match="names another that is not there"):
        append_comparison(hand.engine, unknown)
    unclear = replace(met, promoted=2, run_id=hand.run("other"))
    with pytest.raises(IntegrityError, match="ck_comparison_promoted"):
        append_comparison(hand.engine, unclear)


def test_a_review_is_of_a_decision_on_its_scan(hand: "Hand") -> None:
    a, b = hand.scans("a", "b")
    hand.decide(*hand.ready(), {a: 0.9, b: 0.1})
    decisions = {each.scan_id: each.decision_id for each in history_records.decisions(hand.engine)}
    first = Review(a, decisions[a], "me", ReviewVerdict.NORMAL, "a flow artefact", hand.noon)
    second = Review(b, decisions[b], "you", ReviewVerdict.NORMAL, "", hand.noon)
    ids = [append_review(hand.engine, each) for each in (first, second, first)]
    assert len(set(ids)) == 3
    assert [each.id for each in reviews(hand.engine)] == ids
    assert [each.note for each in reviews(hand.engine, a)] == ["a flow artefact"] * 2
    with pytest.raises(NotInRecord, match="no decision 99"):
        append_review(hand.engine, Review(a, 99, "me", ReviewVerdict.NORMAL, "", hand.noon))
    wrong = Review(b, decisions[a], "me", ReviewVerdict.NORMAL, "", hand.noon)
    with pytest.raises(RecordError, match=f"is of scan {a}, not of scan {b}"):
        append_review(hand.engine, wrong)

"""Reads that bring a list of standing decisions up to date, and describe its rows."""

import json

from db.entities import Review
from db.repository.intake.scans import register_scans
from db.repository.reports import worklist
from db.repository.reports.reviews import append_review, withdraw_review
from db.repository.reports.worklist import (
    decisions_after,
    listed_decisions,
    marks,
    reviews_after,
    scans_after,
    scans_with_words,
    thresholds_after,
)
from db.repository.training.models import activate
from mriad_model.enums import Verdict
from tests.support.record.hand import NOON, Hand


def test_marks_say_how_far_the_record_goes(hand: Hand) -> None:
    assert marks(hand.engine) == worklist.Marks()
    model_id, threshold_id = hand.ready()
    first, second = hand.scans("a", "b", scanner="GE")
    hand.decide(model_id, threshold_id, {first: 0.9})
    before = marks(hand.engine)
    assert (before.decision, before.scan, before.active) == (1, second, threshold_id)
    other = hand.threshold(model_id, 1, k=2.0)
    hand.decide(model_id, other, {first: 0.9, second: 0.2})
    activate(hand.engine, other, "stricter", "me")
    now = marks(hand.engine)
    assert (now.decision, now.threshold, now.active) == (3, other, other)
    (page,) = decisions_after(hand.engine, before.decision, now.decision)
    assert [(each.scan_id, each.verdict, each.score) for each in page] == [
        (first, "suspicious", 0.9),
        (second, "normal", 0.2),
    ]
    (page,) = decisions_after(hand.engine, 0, now.decision, threshold_id)
    assert [each.scan_id for each in page] == [first]
    assert list(decisions_after(hand.engine, now.decision, now.decision)) == []
    assert [each.id for each in thresholds_after(hand.engine, before.threshold)] == [other]


def test_pages_hold_every_row_once(hand: Hand, monkeypatch) -> None:
    monkeypatch.setattr(worklist, "PAGE", 2)
    model_id, threshold_id = hand.ready()
    ids = hand.scans(*"abcde", scanner="GE")
    hand.decide(model_id, threshold_id, dict.fromkeys(ids, 0.9))
    now = marks(hand.engine)
    pages = list(decisions_after(hand.engine, 0, now.decision))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [each.scan_id for page in pages for each in page] == ids
    facts = [each for page in scans_after(hand.engine, 2, now.scan) for each in page]
    assert [(each.scan_id, each.scanner) for each in facts] == [(each, "GE") for each in ids]


def test_reviews_that_came_since_are_told_with_withdrawals(hand: Hand) -> None:
    model_id, threshold_id = hand.ready()
    first, second = hand.scans("a", "b")
    hand.decide(model_id, threshold_id, {first: 0.9, second: 0.9})
    last = append_review(hand.engine, Review(first, 1, "Ann", Verdict.NORMAL, "", NOON))
    found = reviews_after(hand.engine, 0)
    assert {scan: [each.reviewer for each in held] for scan, held in found.items()} == {
        first: ["Ann"]
    }
    assert reviews_after(hand.engine, last) == {}
    withdraw_review(hand.engine, first, "Ann", "", NOON)
    assert reviews_after(hand.engine, last) == {first: []}


def test_words_are_found_in_any_path_of_a_scan_whatever_their_case(hand: Hand) -> None:
    seen = [hand.seen("a", path="inbox/Mon_1/HEAD.png"), hand.seen("b", path="inbox/tue%/x.png")]
    first, second = (each.scan_id for each in register_scans(hand.engine, seen))
    assert scans_with_words(hand.engine, ["mon_", "head"]) == [first]
    assert scans_with_words(hand.engine, ["%"]) == [second]
    assert scans_with_words(hand.engine, ["mon", "x.png"]) == []


def test_a_row_holds_what_a_list_shows(hand: Hand) -> None:
    model_id, threshold_id = hand.ready()
    (found,) = register_scans(hand.engine, [hand.series("v", ["s/1", "s/2"], contrast="FLAIR")])
    (other,) = hand.scans("a")
    hand.decide(model_id, threshold_id, {found.scan_id: 0.9, other: 0.1})
    append_review(hand.engine, Review(found.scan_id, 1, "Ann", Verdict.NORMAL, "", NOON))
    second, first = listed_decisions(hand.engine, [2, 1])
    assert (second.decision.scan_id, second.reviews) == (other, ())
    assert first.decision.path == "s/"
    assert json.loads(first.scan.geometry)["contrast"] == "FLAIR"
    assert first.threshold.id == threshold_id
    assert [each.reviewer for each in first.reviews] == ["Ann"]
    assert (first.picture, first.label) == (None, None)

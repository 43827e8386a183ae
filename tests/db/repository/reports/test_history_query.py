"""What the history can be asked for besides time, verdict, model and scanner; and counts."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from db.entities import Review
from db.repository.intake.scans import register_scans
from db.repository.reports.history import decisions
from db.repository.reports.history_query import (
    CountBy,
    CountRow,
    HistoryQuery,
    HistorySort,
    count_admitted,
    count_decisions,
    scanners,
)
from db.repository.reports.reviews import append_review, withdraw_review
from db.repository.scoring.decisions import ScoredScan, append_scored
from mriad_model.enums import DecisionReason, ReviewVerdict, Verdict

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

ANN, BOB = "p-of-ann", "p-of-bob"


def at(day: int) -> str:
    return f"2026-11-{day:02d}T12:00:00.000000+00:00"


def listed(hand: "Hand", **query: Any) -> str:
    """The scans that a query lists, by the letters of their paths; as many as it counts."""
    asked = HistoryQuery(**query)
    found = "".join(str(line.path)[len("inbox/")] for line in decisions(hand.engine, asked))
    assert count_admitted(hand.engine, replace(asked, limit=1)) == len(found)
    return found


@pytest.fixture
def filled(hand: "Hand") -> "Hand":
    """Five decisions on a to e, a day each; of e the score says nothing."""
    model_id, threshold_id = hand.ready()
    seen = [
        (replace(hand.seen(name, scanner)[0], patient=patient), hand.seen(name)[1])
        for name, scanner, patient in (
            ("a", "SIEMENS Skyra", ANN),
            ("b", "SIEMENS Skyra Fit", ANN),
            ("c", "GE Signa", BOB),
            ("d", None, None),
            ("e", "GE Signa", BOB),
        )
    ]
    ids = [each.scan_id for each in register_scans(hand.engine, seen)]
    lines = [
        (0.9, Verdict.SUSPICIOUS, 0.1, DecisionReason.ABOVE_THRESHOLD),
        (0.2, Verdict.NORMAL, 0.8, DecisionReason.NOT_ABOVE_THRESHOLD),
        (0.6, Verdict.UNCERTAIN, 0.3, DecisionReason.NEAR_THRESHOLD),
        (0.7, Verdict.SUSPICIOUS, 0.2, DecisionReason.ABOVE_THRESHOLD),
        (9.9, Verdict.NOT_SCORABLE, 0.1, DecisionReason.UNLIKE_LEARNED),
    ]
    for day, (scan_id, (score, verdict, p, reason)) in enumerate(zip(ids, lines, strict=True), 1):
        row = ScoredScan(scan_id, score, (score,), (), verdict, p, reason=reason)
        append_scored(hand.engine, model_id, threshold_id, [row], hand.run(), at(day))
    return hand


def review(hand: "Hand", letter: str, reviewer: str, tags: str | None = None) -> int:
    (line,) = (each for each in decisions(hand.engine) if each.path == f"inbox/{letter}.png")
    said = Review(
        line.scan_id, line.decision_id, reviewer, ReviewVerdict.NORMAL, "", at(9), tags=tags
    )
    append_review(hand.engine, said)
    return line.scan_id


def test_a_patients_decisions_are_found_by_the_pseudonym(filled: "Hand") -> None:
    assert listed(filled, patient=ANN) == "ba"
    assert listed(filled, patient=ANN, verdict=Verdict.NORMAL) == "b"
    assert listed(filled, patient=BOB, since="2026-11-04") == "e"
    assert listed(filled, patient="p-of") == ""


def test_scores_and_p_values_that_say_nothing_are_not_admitted(filled: "Hand") -> None:
    assert listed(filled, min_score=0.6) == "dca"
    assert listed(filled, max_p=0.2) == "da"
    assert listed(filled, min_score=0.65, max_p=0.1) == "a"
    assert listed(filled, min_score=0.6, verdict=Verdict.NOT_SCORABLE) == ""


def test_the_order_can_be_chosen_and_what_says_nothing_comes_last(filled: "Hand") -> None:
    assert listed(filled) == "edcba"
    assert listed(filled, sort=HistorySort.OLDEST) == "abcde"
    assert listed(filled, sort=HistorySort.SCORE) == "adcbe"
    assert listed(filled, sort=HistorySort.P) == "adcbe"
    first = decisions(filled.engine, HistoryQuery(sort=HistorySort.SCORE, limit=2))
    assert [line.score for line in first] == [0.9, 0.7]
    assert listed(filled, sort=HistorySort.OLDEST, scanner="ge", max_p=0.5) == "c"


def test_reviews_are_asked_for_as_they_hold(filled: "Hand") -> None:
    assert listed(filled, unreviewed=True) == "edcba"
    scan_id = review(filled, "a", "Ann")
    review(filled, "c", "Bob")
    review(filled, "c", "Ann")
    assert listed(filled, unreviewed=True) == "edb"
    assert listed(filled, reviewer="Ann") == "ca"
    assert listed(filled, reviewer="Bob", verdict=Verdict.UNCERTAIN) == "c"
    assert listed(filled, reviewer="Bob", unreviewed=True) == ""
    withdraw_review(filled.engine, scan_id, "Ann", "", at(9))
    assert listed(filled, unreviewed=True) == "edba"
    assert listed(filled, reviewer="Ann") == "c"
    (line,) = decisions(filled.engine, HistoryQuery(reviewer="Ann"))
    assert (line.review, line.reviewer, line.patient) == ("normal", "Ann", BOB)


def test_tags_are_words_of_the_reviews_that_hold(filled: "Hand") -> None:
    scan_id = review(filled, "a", "Ann", "follow-up motion")
    review(filled, "b", "Bob", "motion-blur")
    review(filled, "c", "Bob", "motion")
    assert listed(filled, tags=("motion",)) == "ca"
    assert listed(filled, tags=("motion-blur", "follow-up")) == "ba"
    assert listed(filled, tags=("mot%",)) == ""
    assert listed(filled, tags=("motion",), reviewer="Bob") == "c"
    (line, _) = decisions(filled.engine, HistoryQuery(tags=("motion",)))
    assert line.tags == "motion"
    withdraw_review(filled.engine, scan_id, "Ann", "", at(9))
    assert listed(filled, tags=("motion",)) == "c"


def test_a_scanner_is_named_by_a_part_of_its_name(filled: "Hand") -> None:
    assert listed(filled, scanner="skyra") == "ba"
    assert listed(filled, scanner="Skyra Fit") == "b"
    assert listed(filled, scanner="i", sort=HistorySort.OLDEST) == "abce"
    assert listed(filled, scanner="%") == ""
    assert scanners(filled.engine, "SKYRA") == ["SIEMENS Skyra", "SIEMENS Skyra Fit"]
    assert scanners(filled.engine) == ["GE Signa", "SIEMENS Skyra", "SIEMENS Skyra Fit"]


def test_decisions_are_counted_by_day_scanner_verdict_and_reason(filled: "Hand") -> None:
    review(filled, "c", "Ann")

    def counted(by: CountBy, **query: Any) -> list[CountRow]:
        return count_decisions(filled.engine, HistoryQuery(limit=1, **query), by)

    assert [(row.key, row.decisions) for row in counted(CountBy.DAY, since="2026-11-03")] == [
        ("2026-11-05", 1),
        ("2026-11-04", 1),
        ("2026-11-03", 1),
    ]
    assert counted(CountBy.SCANNER) == [
        CountRow("GE Signa", 2, 0, 1, 1, 0, 1),
        CountRow(None, 1, 1, 0, 0, 0, 0),
        CountRow("SIEMENS Skyra", 1, 1, 0, 0, 0, 0),
        CountRow("SIEMENS Skyra Fit", 1, 0, 0, 0, 1, 0),
    ]
    assert [(row.key, row.decisions) for row in counted(CountBy.VERDICT, scanner="ge")] == [
        ("not_scorable", 1),
        ("uncertain", 1),
    ]
    assert counted(CountBy.REASON)[0] == CountRow("above_threshold", 2, 2, 0, 0, 0, 0)
    assert counted(CountBy.REASON, patient="nobody") == []

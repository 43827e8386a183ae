"""Scans that are not scorable and have no score."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from db.engine.connect import open_record, reading
from db.entities import Rejection, Scan, Sighting
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.reports.history_query import CountBy, CountRow, HistoryQuery, HistorySort
from db.repository.reports.unscored import (
    OtherDecision,
    count_unscored,
    count_unscored_admitted,
    counted_with,
    n_unscored,
    rejected_by_scoring,
    unscored_admitted,
    unscored_scans,
)
from db.repository.training.models import activate
from mriad_model.enums import RejectionReason, ScanKind, Verdict
from tests.support.record.hand import NOON, Hand, sha

LATER, LAST = "2026-11-02T12:00:00.000000+00:00", "2026-11-03T12:00:00.000000+00:00"
AFTER = "2026-11-04T12:00:00.000000+00:00"


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    return Hand(open_record(tmp_path))


def series(hand: Hand, folder: str, *, scanner: str | None = None) -> int:
    """A series of two files; its id."""
    run = hand.run()
    scan = Scan(
        sha(folder), ScanKind.DICOM, "p" * 32, None, None, scanner, '{"files": 2}', 2, run, NOON
    )
    seen = [Sighting(0, f"{folder}/{n}.dcm", 10, 20, n, run, NOON, ctime_ns=40) for n in range(2)]
    (found,) = register_scans(hand.engine, [(scan, seen)])
    return found.scan_id


def reject(
    hand: Hand,
    folder: str,
    reason: RejectionReason = RejectionReason.UNREGISTERED,
    moment: str = LATER,
    size: int = 10,
) -> None:
    row = Rejection(f"{folder}/0.dcm", size, 20, None, reason, "why", hand.run(), moment, 40)
    append_rejections(hand.engine, [row])


def test_a_registered_scan_that_is_rejected_later_is_not_scorable(hand: Hand) -> None:
    first, second = series(hand, "a"), series(hand, "b")
    series(hand, "c")
    reject(hand, "a")
    reject(hand, "b", RejectionReason.INCOMPLETE)
    found = unscored_scans(hand.engine)
    assert [(each.scan_id, each.reason, each.place) for each in found] == [
        (second, "incomplete", "b/"),
        (first, "registration_failed", "a/"),
    ]
    assert {each.verdict for each in found} == {Verdict.NOT_SCORABLE}
    assert [each.scan_id for each in unscored_scans(hand.engine, [first])] == [first]
    assert count_unscored(hand.engine, [hand.run(), 99]) == {hand.run(): 2}
    assert len(rejected_by_scoring(hand.engine, [hand.run(), 99])) == 2
    assert rejected_by_scoring(hand.engine, [99]) == set()


@pytest.mark.parametrize(
    ("reason", "moment", "size"),
    [
        (RejectionReason.OTHER_KIND, LATER, 10),
        (RejectionReason.NO_FRAME_OF_REFERENCE, LATER, 10),
        (RejectionReason.UNREADABLE, LATER, 10),  # its files are gone
        (RejectionReason.GAP, NOON, 10),  # of another stack in the same file
        (RejectionReason.TRUNCATED, LATER, 11),  # what is there now is another file
    ],
)
def test_other_rejections_say_nothing_of_the_scan(
    hand: Hand, reason: RejectionReason, moment: str, size: int
) -> None:
    series(hand, "a")
    reject(hand, "a", reason, moment, size)
    assert unscored_scans(hand.engine) == []


def listed(hand: Hand) -> list[int]:
    return [each.scan_id for each in unscored_scans(hand.engine)]


def other_model(hand: Hand, name: str) -> tuple[int, int]:
    """Another model, which is active now, and its threshold."""
    dataset = hand.dataset(**{"train": hand.scans(f"{name} taught"), "calibration": [2]})
    model = hand.model(dataset, name)
    threshold = hand.threshold(model, dataset)
    activate(hand.engine, threshold, "better", "me")
    return model, threshold


def test_what_the_active_threshold_has_decided_is_none_of_them(hand: Hand) -> None:
    model, first = hand.ready()
    scan_id = series(hand, "a")
    hand.decide(model, first, {scan_id: 0.1})
    other, second = other_model(hand, "b")
    reject(hand, "a")  # by the second
    assert listed(hand) == [scan_id]
    activate(hand.engine, first, "back", "me")
    assert listed(hand) == []
    activate(hand.engine, second, "again", "me")
    hand.decide(other, second, {scan_id: 0.2}, now=LAST)
    assert listed(hand) == []


def test_a_decision_by_another_model_is_named_until_the_active_one_decides(hand: Hand) -> None:
    model, first = hand.ready()
    scan_id = series(hand, "a")
    reject(hand, "a")
    (before,) = unscored_scans(hand.engine)
    assert (before.other, before.told) == (None, before.why)
    hand.decide(model, first, {scan_id: 0.1})
    second, threshold = other_model(hand, "b")
    hand.decide(second, threshold, {scan_id: 0.9}, now=LAST)
    third, active = other_model(hand, "c")
    for (found,) in (unscored_scans(hand.engine), unscored_admitted(hand.engine, HistoryQuery())):
        assert found.other == OtherDecision(threshold, second, Verdict.SUSPICIOUS)
        assert found.told == (
            f"registration failed: why; model {second} has decided it (suspicious, threshold "
            f"{threshold}), the active one not yet"
        )
    hand.decide(third, active, {scan_id: 0.3}, now=AFTER)
    assert listed(hand) == []


def test_a_second_failure_adds_no_row_and_is_told(hand: Hand) -> None:
    hand.ready()
    scan_id = series(hand, "a")
    reject(hand, "a")
    second, threshold = other_model(hand, "b")
    hand.decide(second, threshold, {scan_id: 0.2}, now=LAST)
    other_model(hand, "c")
    before = hand.count("rejection")
    reject(hand, "a", moment=AFTER)
    assert hand.count("rejection") == before
    assert listed(hand) == [scan_id]


@pytest.mark.parametrize("reason", [RejectionReason.GAP, RejectionReason.INCOMPLETE])
def test_a_series_that_cannot_be_read_with_one_more_file_says_nothing_of_the_scan(
    hand: Hand, reason: RejectionReason
) -> None:
    series(hand, "a")
    rows = [
        Rejection(f"a/{n}.dcm", 10, 20, None, reason, "1 of 4", hand.run(), LATER, 40)
        for n in range(3)
    ]
    append_rejections(hand.engine, rows)
    assert listed(hand) == []
    assert count_unscored(hand.engine, [hand.run()]) == {}


@pytest.mark.parametrize(
    ("query", "n"),
    [
        (HistoryQuery(), 2),
        (HistoryQuery(verdict=Verdict.NOT_SCORABLE), 2),
        (HistoryQuery(verdict=Verdict.SUSPICIOUS), 0),
        (HistoryQuery(scanner="skyra"), 1),
        (HistoryQuery(patient="p" * 32), 2),
        (HistoryQuery(patient="q" * 32), 0),
        (HistoryQuery(since="2026-11-02"), 2),
        (HistoryQuery(until="2026-11-01"), 0),
        (HistoryQuery(model_id=1), 0),
        (HistoryQuery(min_score=0.0), 0),
        (HistoryQuery(unreviewed=True), 2),
    ],
)
def test_the_history_admits_them_as_not_scorable(hand: Hand, query: HistoryQuery, n: int) -> None:
    series(hand, "a")
    series(hand, "b", scanner="Skyra")
    reject(hand, "a")
    reject(hand, "b")
    assert len(unscored_admitted(hand.engine, query)) == n
    assert len(unscored_admitted(hand.engine, replace(query, limit=1))) == min(n, 1)
    assert count_unscored_admitted(hand.engine, replace(query, limit=1)) == n


def test_of_many_no_more_than_asked_for_are_taken_the_newest_first(hand: Hand) -> None:
    first, second = series(hand, "a"), series(hand, "b")
    reject(hand, "b")
    reject(hand, "a", moment=LAST)
    assert [each.scan_id for each in unscored_scans(hand.engine, limit=1)] == [first]
    oldest = HistoryQuery(sort=HistorySort.OLDEST, limit=1)
    assert [each.scan_id for each in unscored_admitted(hand.engine, oldest)] == [second]
    assert n_unscored(hand.engine) == 2


def test_few_rejections_are_found_without_walking_all_sightings(hand: Hand) -> None:
    asked: list[tuple[str, Any]] = []
    event.listen(
        hand.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3]))
    )
    unscored_scans(hand.engine, limit=50)
    n_unscored(hand.engine)
    plans = []
    with reading(hand.engine) as connection:
        for statement, given in [each for each in asked if "rejection" in each[0]]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
            plans.append([row[3] for row in plan])
    assert len(plans) == 2
    for plan in plans:
        assert any("ix_rejection_reason" in step for step in plan)
        assert not [step for step in plan if step.startswith(("SCAN sighting", "SCAN rejection"))]


def test_they_are_counted_among_decisions(hand: Hand) -> None:
    series(hand, "a")
    reject(hand, "a")
    found = unscored_scans(hand.engine)
    decided = [CountRow("normal", 5, 0, 0, 0, 5, 1), CountRow("not_scorable", 2, 0, 0, 2, 0, 0)]
    counted = counted_with(decided, found, CountBy.VERDICT)
    assert counted == [decided[0], CountRow("not_scorable", 3, 0, 0, 3, 0, 0)]
    for by, key in (
        (CountBy.DAY, "2026-11-02"),
        (CountBy.REASON, "registration_failed"),
        (CountBy.SCANNER, None),
    ):
        assert counted_with([], found, by) == [CountRow(key, 1, 0, 0, 1, 0, 0)]

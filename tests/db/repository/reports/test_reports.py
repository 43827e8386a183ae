"""Reads for reports: what came, what was decided, what happened since."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from db.entities import Report, RunEnd
from db.repository.intake.scans import register_scans
from db.repository.reports import reports as reports_records
from db.repository.reports.history import decided_in
from db.repository.reports.reports import (
    append_report,
    last_report_time,
    latest_decisions,
    report_of_run,
)
from db.repository.runs import end_run, runs_ended, runs_since
from db.repository.scoring.decisions import DecidedAgain, append_decisions, verdicts_of
from db.repository.scoring.scores import recent_scores, stored_scores
from db.repository.training.models import model_by_id
from mriad_model.enums import RunStatus, ScanKind, Verdict

if TYPE_CHECKING:
    from tests.db.conftest import Hand

NOON = "2026-11-01T12:00:00.000000+00:00"


def end(hand: "Hand", run_id: int, at: str, status: RunStatus = RunStatus.COMPLETED) -> None:
    end_run(hand.engine, RunEnd(run_id, status, json.dumps({"new": 2}), at))


def test_what_came_is_counted_by_kind_and_by_folder(hand: "Hand") -> None:
    register_scans(
        hand.engine,
        [
            hand.seen("a", path="inbox/x/a.png"),
            hand.seen("b", path="inbox/x/b.png"),
            hand.series("c", ["inbox/y/1", "inbox/y/2", "inbox/y/3"]),
            hand.seen("d", path="d.png"),
        ],
    )
    came = reports_records.new_scans_by_kind(hand.engine, [hand.run()])
    assert came.kinds == {ScanKind.IMAGE: 3, ScanKind.DICOM: 1}
    assert list(came.folders.items()) == [("inbox/x", 2), (".", 1), ("inbox/y", 1)]
    assert reports_records.new_scans_by_kind(hand.engine, [hand.run("another")]).kinds == {}


def test_a_runs_decisions_are_listed_suspicious_first_and_by_score(hand: "Hand") -> None:
    ready = hand.ready()
    a, b, c, d = hand.scans("a", "b", "c", "d")
    hand.decide(*ready, {a: 0.1, b: 0.9, c: 0.4, d: 0.7})
    rows = decided_in(hand.engine, [hand.run()])
    assert [row.scan_id for row in rows] == [b, d, c, a]


def test_the_last_word_on_a_scan_counts(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    a, b = hand.scans("a", "b")
    hand.decide(model_id, threshold_id, {a: 0.9, b: 0.8})
    dataset_id = model_by_id(hand.engine, model_id).dataset_id
    later = hand.threshold(model_id, dataset_id, k=3.0, value=0.85)
    scores = stored_scores(hand.engine, model_id, [a, b])
    said = [(a, Verdict.SUSPICIOUS), (b, Verdict.NORMAL)]
    rows = [DecidedAgain(scan, scores[scan].score_id, verdict, 0.25) for scan, verdict in said]
    append_decisions(hand.engine, later, rows, hand.run(), NOON)
    found = latest_decisions(hand.engine, [hand.run()], 10)
    assert (found.tally.decisions, found.tally.suspicious) == (2, 1)
    assert [(row.scan_id, row.threshold_id) for row in found.worst] == [(a, later)]
    decided = {row.decision_id: row.verdict for row in found.worst}
    assert verdicts_of(hand.engine, decided) == decided
    back = latest_decisions(hand.engine, [hand.run()], 10, active=threshold_id)
    assert (back.tally.decisions, back.tally.suspicious) == (2, 2)
    assert {row.threshold_id for row in back.worst} == {threshold_id}


def report(hand: "Hand", name: str, until: str, *, since: str | None = None) -> Report:
    made = Report(hand.run(name), f"reports/{name}.html", since, until, NOON)
    append_report(hand.engine, made)
    return made


def test_what_has_been_told_is_what_the_furthest_report_of_a_completed_run_told(
    hand: "Hand",
) -> None:
    assert last_report_time(hand.engine) is None
    report(hand, "failed", "2026-11-09")
    end(hand, hand.run("failed"), "2026-11-09", RunStatus.FAILED)
    report(hand, "killed", "2026-11-10")
    assert last_report_time(hand.engine) is None
    report(hand, "one", "2026-11-04")
    report(hand, "other", "2026-11-03")  # it reported before the other did, and ended after it
    end(hand, hand.run("one"), "2026-11-05")
    end(hand, hand.run("other"), "2026-11-06")
    assert last_report_time(hand.engine) == "2026-11-04"
    report(hand, "other", "2026-11-07")  # its page, written once more
    assert last_report_time(hand.engine) == "2026-11-07"


def test_the_report_of_a_run_is_the_last_page_that_was_written_of_it(hand: "Hand") -> None:
    assert report_of_run(hand.engine, hand.run()) is None
    report(hand, "one", "2026-11-04", since="2026-11-02")
    report(hand, "other", "2026-11-05")
    again = report(hand, "one", "2026-11-06", since="2026-11-02")
    assert report_of_run(hand.engine, again.run_id) == replace(again, id=3)


def test_a_run_that_began_before_a_moment_ended_after_it(hand: "Hand") -> None:
    run_id = hand.run()
    end(hand, run_id, "2027-01-01")
    ((run, its_end),) = runs_ended(hand.engine, "2027-01-01")
    assert (run.id, its_end.run_id) == (run_id, run_id)
    assert runs_ended(hand.engine, "2027-01-02") == []


def test_runs_since_a_moment_come_with_their_ends(hand: "Hand") -> None:
    ended, killed = hand.run("ended"), hand.run("killed")
    end(hand, ended, NOON)
    (one, its_end), (other, no_end) = runs_since(hand.engine, NOON)
    assert (one.id, other.id) == (ended, killed)
    assert its_end is not None
    assert json.loads(its_end.counts) == {"new": 2}
    assert no_end is None
    assert runs_since(hand.engine, "2027") == []


def test_recent_scores_are_the_newest_decisions_of_a_threshold(hand: "Hand") -> None:
    ready = hand.ready()
    a, b = hand.scans("a", "b", scanner="GE")
    hand.decide(*ready, {a: 0.1})
    hand.decide(*ready, {b: 0.9})
    found = recent_scores(hand.engine, ready[1], 5)
    assert [(each.scan_id, each.value, each.verdict, each.scanner) for each in found] == [
        (b, 0.9, Verdict.SUSPICIOUS, "GE"),
        (a, 0.1, Verdict.NORMAL, "GE"),
    ]
    assert len(recent_scores(hand.engine, ready[1], 1)) == 1

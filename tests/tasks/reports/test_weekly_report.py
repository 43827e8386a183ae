"""The report of a week, from a record filled by hand."""

import csv
import io
import json
from dataclasses import replace

import pytest

from db.entities import Comparison, RecordedWarning, Rejection, Review, RunEnd
from db.repository.intake.rejections import append_rejections
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.reports.reports import latest_decisions
from db.repository.reports.reviews import append_review
from db.repository.runs import end_run
from db.repository.scoring.decisions import (
    DecidedAgain,
    ScoredScan,
    append_decisions,
    append_scored,
)
from db.repository.scoring.scores import stored_scores
from db.repository.scoring.warnings import append_warnings
from db.repository.training.comparisons import append_comparison
from db.repository.training.models import append_threshold, threshold_by_id
from db.timestamps import now
from mriad_model.enums import (
    DecisionReason,
    RejectionReason,
    ReviewVerdict,
    RunStatus,
    Verdict,
    WarningKind,
)
from mriad_model.reasons import ReasonCount
from tasks.reports.weekly_report import write_weekly_report
from tests.tasks.conftest import Bench
from tests.tasks.scoring.test_drift import Nights


def test_a_week_is_told_from_the_record(bench: Bench) -> None:
    nights = Nights(bench)
    engine, run_id = bench.engine, bench.run_id
    nights.night(40)
    ids = nights.night(5, shift=6.0)
    rows = decisions(engine, HistoryQuery(verdict=Verdict.SUSPICIOUS, limit=None))
    n_suspicious = len(rows)
    by_scan = {row.scan_id: row.decision_id for row in rows}
    append_review(
        engine, Review(ids[0], by_scan[ids[0]], "me", ReviewVerdict.NORMAL, "an artefact", now())
    )
    append_rejections(
        engine,
        [
            Rejection(
                "inbox/a.txt", 2, 3, None, RejectionReason.UNSUPPORTED, "a note", run_id, now()
            ),
            Rejection("inbox/b", 2, 3, None, RejectionReason.OTHER_KIND, "T2", run_id, now()),
        ],
    )
    append_warnings(
        engine, [RecordedWarning(WarningKind.DRIFT, "{}", "They drift.", run_id, now())]
    )
    again = append_threshold(engine, nights.again)
    dataset = threshold_by_id(engine, again).dataset_id
    append_comparison(
        engine,
        Comparison(
            nights.threshold, again, dataset, 0, "not promoted: too few", "{}", run_id, now()
        ),
    )
    night = {"new": 85, "scored": 85, "suspicious": n_suspicious}
    growth = {"of_run": 1, "n_new": 25, "needed": 20, "comparison_id": 1, "promoted": 0}
    counts = json.dumps(night | growth)
    end_run(engine, RunEnd(run_id, RunStatus.COMPLETED, counts, now()))

    found = write_weekly_report.fn(str(bench.home), bench.next_night().run_id, 7)
    page = (bench.home / found.report).read_text()
    assert (found.runs, found.suspicious, found.warnings) == (1, n_suspicious, 1)
    assert f"{n_suspicious} suspicious of 85 scans decided" in page
    for said in (
        "They drift.",
        "Why: too few.",
        "<b>1</b> suspicious ones called normal",
        "25 new healthy ones (20 needed)",
        "the page of run 1, with the result of its retraining, new",
    ):
        assert said in page
    table = csv.DictReader(io.StringIO((bench.home / found.report).with_suffix(".csv").read_text()))
    results = [row["result"] for row in table]
    assert results == ["suspicious"] * n_suspicious + ["rejected", "incompatible"]
    assert 'Rejected files<b class="flag">1</b>' in page
    assert "inbox/b</td><td><code>other_kind" in page


def test_a_scan_decided_again_counts_once_by_the_last_word(bench: Bench) -> None:
    nights = Nights(bench)
    (scan,) = nights.scans(1, None)
    nights.decide([scan], [1.2])
    assert latest_decisions(bench.engine, [bench.run_id], 10).tally.suspicious >= 1
    nights.threshold = append_threshold(bench.engine, nights.again)
    (score,) = stored_scores(bench.engine, nights.model, [scan]).values()
    rows = [DecidedAgain(scan, score.score_id, Verdict.NORMAL, 0.2)]
    append_decisions(bench.engine, nights.threshold, rows, bench.run_id, now())
    found = latest_decisions(bench.engine, [bench.run_id], 100)
    assert scan not in {row.scan_id for row in found.worst}
    assert found.tally.decisions == 41


def test_a_week_counts_for_what_scans_are_uncertain_or_not_scorable(bench: Bench) -> None:
    nights = Nights(bench)
    unlike, unsure = nights.scans(2, None)
    rows = [
        ScoredScan(i, 9.0, (9.0,), (), verdict, 0.1, reason=reason)
        for i, verdict, reason in (
            (unlike, Verdict.NOT_SCORABLE, DecisionReason.UNLIKE_LEARNED),
            (unsure, Verdict.UNCERTAIN, DecisionReason.FOLDS_DISAGREE),
        )
    ]
    append_scored(bench.engine, nights.model, nights.threshold, rows, bench.run_id, now())
    week = write_weekly_report.fn(str(bench.home), bench.next_night().run_id, 7)
    assert list(week.reasons) == [
        ReasonCount(Verdict.UNCERTAIN, "folds_disagree", 1),
        ReasonCount(Verdict.NOT_SCORABLE, "unlike_learned", 1),
    ]


@pytest.mark.parametrize(
    "reason",
    [
        RejectionReason.INCOMPLETE,
        RejectionReason.BAD_GEOMETRY,
        RejectionReason.NO_SIGNAL,
        RejectionReason.UNREGISTERED,
    ],
)
def test_a_scan_that_was_not_scorable_and_is_decided_now_is_no_rejected_file(
    bench: Bench, reason: RejectionReason
) -> None:
    nights = Nights(bench)
    later, never = nights.scans(2, None)
    paths = [f"{number:064d}.png" for number in (nights.n - 1, nights.n)]
    rows = [Rejection(path, 1, 2, None, reason, "why", bench.run_id, now()) for path in paths]
    note = Rejection("a.txt", 2, 3, None, RejectionReason.UNSUPPORTED, "x", bench.run_id, now())
    cut = replace(note, path="b.png", reason=RejectionReason.INCOMPLETE)  # a file, no scan
    append_rejections(bench.engine, [*rows, note, cut])
    nights.decide([later], [0.2])
    found = write_weekly_report.fn(str(bench.home), bench.next_night().run_id, 7)
    assert found.not_scorable == 1
    page = (bench.home / found.report).read_text()
    assert 'Rejected files<b class="flag">2</b>' in page
    assert (paths[0] in page, paths[1] in page) == (False, True)
    assert f'<b class="scan">{never}</b>' in page
    assert never != later


def test_an_empty_record_makes_an_empty_week(bench: Bench) -> None:
    found = write_weekly_report.fn(str(bench.home), bench.run_id, 7)
    assert (found.runs, found.suspicious, found.warnings) == (0, 0, 0)
    assert "No model is active." in (bench.home / found.report).read_text()

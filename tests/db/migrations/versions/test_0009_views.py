"""The views of the record: what they say, that they cannot be written, and the cookbook."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.engine.chain_check import broken_links
from db.engine.connect import reading, writing
from db.engine.structure import differences
from db.entities import Label, Rejection, Review
from db.repository.intake.labels import append_labels
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.reports.reviews import append_review, withdraw_review
from db.repository.reports.unscored import unscored_scans
from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
from db.repository.training.models import activate
from mriad_model.enums import (
    DecisionReason,
    HeatmapKind,
    LabelSource,
    LabelValue,
    RejectionReason,
    ReviewVerdict,
    Verdict,
)
from tests.support.places import REPOSITORY
from tests.support.record.checking import steps_taken_once

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

PATIENT = "00112233445566778899aabbccddeeff"
VIEWS = ("v_scan", "v_decision", "v_worklist", "v_unscored", "v_daily")
QUERIES = re.findall(
    r"\n([^\n]+):\n\n```sql\n(.*?)```", (REPOSITORY / "docs/queries.md").read_text(), re.DOTALL
)
# Columns of v_decision that a line of the history has too.
SAME = [
    "decision_id",
    "scan_id",
    "path",
    "kind",
    "contrast",
    "scanner",
    "patient",
    "study_uid",
    "series_uid",
    "model_id",
    "threshold_id",
    "threshold",
    "verdict",
    "reason",
    "gate",
    "spread",
    "heatmap_path",
    "review",
    "reviewer",
    "tags",
    "decided_at",
    "run_id",
]
SUSPICIOUS, NORMAL, NOT_SCORABLE = Verdict.SUSPICIOUS, Verdict.NORMAL, Verdict.NOT_SCORABLE


def at(day: int) -> str:
    return f"2026-11-{day:02d}T12:00:00.000000+00:00"


def ask(hand: "Hand", query: str) -> list[dict[str, Any]]:
    with reading(hand.engine) as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def row(scan_id: int, score: float, verdict: Verdict, **more: Any) -> ScoredScan:
    return ScoredScan(scan_id, score, (score,), more.pop("maps", ()), verdict, 0.25, **more)


def failure(hand: "Hand", name: str, reason: RejectionReason, day: int) -> Rejection:
    path, run = f"inbox/{name}", hand.run()
    return Rejection(path, 10, 20, None, reason, "fit 0.2", run, at(day), ctime_ns=40)


@pytest.fixture
def filled(hand: "Hand") -> "Hand":
    """Scans a to d, decided by a first threshold and, but for b, by the active one.

    a is suspicious by both; b by the first alone; c is not scorable; d turned from normal.
    Registration failed of b and c; taught was cut off, and has no decision.
    """
    model_id, first = hand.ready()
    shot = [
        (replace(hand.seen(name, "GE")[0], patient=PATIENT), hand.seen(name)[1]) for name in "abc"
    ]
    shot.append(hand.series("d", ["in/d/1.dcm", "in/d/2.dcm"], contrast="FLAIR"))
    a, b, c, d = (each.scan_id for each in register_scans(hand.engine, shot))
    reason = DecisionReason.UNLIKE_LEARNED
    picture = [HeatmapFile(HeatmapKind.SLICE, 0, "heatmaps/a.png", "f00")]
    old = [
        row(a, 0.9, SUSPICIOUS, maps=picture),
        row(b, 0.8, SUSPICIOUS),
        row(c, 9.9, NOT_SCORABLE, reason=reason),
        row(d, 0.55, NORMAL),
    ]
    append_scored(hand.engine, model_id, first, old, hand.run(), at(1))
    active = hand.threshold(model_id, 1, k=2.0)
    activate(hand.engine, active, "stricter", "me")
    new = [
        row(a, 0.9, SUSPICIOUS),
        row(c, 9.9, NOT_SCORABLE, reason=reason),
        row(d, 0.55, SUSPICIOUS),
    ]
    append_scored(hand.engine, model_id, active, new, hand.run(), at(2))
    rejected = Rejection("x", 1, 2, None, RejectionReason.EMPTY, "", hand.run(), at(1), ctime_ns=3)
    failed = [
        failure(hand, "b.png", RejectionReason.UNREGISTERED, 2),  # decided by the first threshold
        failure(hand, "c.png", RejectionReason.UNREGISTERED, 3),  # and by the active one
        failure(hand, "taught.png", RejectionReason.INCOMPLETE, 2),
        failure(hand, "calibrates.png", RejectionReason.GAP, 3),  # of reading
    ]
    append_rejections(hand.engine, [rejected, *failed])
    return hand


def review(hand: "Hand", letter: str, tags: str | None = None) -> int:
    line = next(
        each for each in decisions(hand.engine) if str(each.path).removesuffix("/")[-5:] == letter
    )
    said = Review(
        line.scan_id, line.decision_id, "Ann", ReviewVerdict.SUSPICIOUS, "", at(3), tags=tags
    )
    append_review(
        hand.engine,
        said,
        Label(line.scan_id, LabelValue.ABNORMAL, LabelSource.REVIEWER, "Ann", at(3)),
    )
    return line.scan_id


def test_a_decision_reads_as_in_the_history(filled: "Hand") -> None:
    review(filled, "a.png", "motion")
    seen = ask(filled, "SELECT * FROM v_decision ORDER BY decision_id DESC")
    lines = decisions(filled.engine, HistoryQuery(limit=None))
    assert len(seen) == len(lines) == 7
    for view, line in zip(seen, lines, strict=True):
        empty = line.verdict is NOT_SCORABLE
        assert view["score"] == (None if empty else line.score)
        assert view["p_value"] == (None if empty else line.p_value)
        for name in SAME:
            assert view[name] == getattr(line, name), name
        assert view["day"] == line.decided_at[:10]
    assert [each["active"] for each in seen] == [1, 1, 1, 0, 0, 0, 0]
    (first,) = (each for each in seen if each["review"] is not None)
    assert (first["tags"], first["label"], first["path"]) == ("motion", "abnormal", "inbox/a.png")
    assert first["sigmas_above_healthy"] == pytest.approx((0.9 - 0.4) / 0.1)


def test_the_worklist_is_of_standing_decisions_that_nobody_reviewed(filled: "Hand") -> None:
    waiting = "SELECT path FROM v_worklist ORDER BY scan_id"
    assert [each["path"] for each in ask(filled, waiting)] == [
        "inbox/a.png",
        "inbox/b.png",
        "inbox/c.png",
        "in/d/",
    ]
    scan_id = review(filled, "a.png")
    assert [each["path"] for each in ask(filled, waiting)] == [
        "inbox/b.png",
        "inbox/c.png",
        "in/d/",
    ]
    withdraw_review(filled.engine, scan_id, "Ann", "", at(4))
    assert len(ask(filled, waiting)) == 4


def test_scans_without_a_score_are_those_of_the_pages(filled: "Hand") -> None:
    seen = ask(filled, "SELECT * FROM v_unscored ORDER BY rejection_id DESC")
    lines = unscored_scans(filled.engine)
    assert [
        (view["scan_id"], view["reason"], view["verdict"], view["detail"], view["decided_at"])
        for view in seen
    ] == [(each.scan_id, each.reason, each.verdict, each.detail, each.decided_at) for each in lines]
    assert [(view["path"], view["reason"], view["day"]) for view in seen] == [
        ("inbox/taught.png", "incomplete", "2026-11-02"),
        ("inbox/b.png", "registration_failed", "2026-11-02"),
    ]


def test_a_scan_counts_once_a_day_and_by_its_first_verdict(filled: "Hand") -> None:
    review(filled, "a.png")
    assert ask(filled, "SELECT * FROM v_daily ORDER BY day") == [
        {
            "day": "2026-11-01",
            "scanner": "GE",
            "scans": 4,
            "suspicious": 2,
            "uncertain": 0,
            "not_scorable": 1,
            "normal": 1,
            "reviewed": 1,
        },
        # No decision was made of it.
        {
            "day": "2026-11-02",
            "scanner": None,
            "scans": 1,
            "suspicious": 0,
            "uncertain": 0,
            "not_scorable": 1,
            "normal": 0,
            "reviewed": 0,
        },
    ]


def test_a_scan_has_the_last_label_and_the_reviews_that_hold(filled: "Hand") -> None:
    (taught, *_) = ask(filled, "SELECT * FROM v_scan ORDER BY scan_id")
    assert (taught["decisions"], taught["reviews"], taught["label"]) == (0, 0, None)
    append_labels(
        filled.engine,
        [Label(taught["scan_id"], LabelValue.HEALTHY, LabelSource.FOLDER, "me", at(1))],
    )
    scan_id = review(filled, "a.png")
    named = f"SELECT label, reviews, decisions FROM v_scan WHERE scan_id = {scan_id}"
    assert ask(filled, named) == [{"label": "abnormal", "reviews": 1, "decisions": 2}]
    withdraw_review(filled.engine, scan_id, "Ann", "", at(4))
    assert ask(filled, named) == [{"label": None, "reviews": 0, "decisions": 2}]
    labels = [each["label"] for each in ask(filled, "SELECT label FROM v_scan ORDER BY scan_id")]
    assert labels == ["healthy", None, None, None, None, None]


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_read_alone_and_are_part_of_what_check_knows(hand: "Hand", view: str) -> None:
    for change in (
        f"DELETE FROM {view}",
        f"UPDATE {view} SET scanner = 'x'",
        f"INSERT INTO {view} (scanner) VALUES ('x')",
    ):
        with pytest.raises(DBAPIError), writing(hand.engine) as connection:
            connection.execute(text(change))
    assert changed_tables(hand) == []
    assert list(broken_links(hand.engine)) == []
    with writing(hand.engine, chained=False) as connection:
        connection.execute(
            text(f"DROP VIEW {view} CASCADE" if _on_server(hand) else f"DROP VIEW {view}")
        )
    assert any(view in each and "is gone" in each for each in changed_tables(hand))


def test_a_view_that_was_changed_is_named(hand: "Hand") -> None:
    with writing(hand.engine, chained=False) as connection:
        connection.execute(text("DROP VIEW v_daily"))
        connection.execute(
            text("CREATE VIEW v_daily AS SELECT 'x' AS day, count(*) AS scans FROM scan")
        )
    assert any("v_daily" in each for each in changed_tables(hand))


def changed_tables(hand: "Hand") -> list[str]:
    with steps_taken_once():
        found = differences(hand.engine)
    assert found is not None
    return found


def _on_server(hand: "Hand") -> bool:
    return hand.engine.dialect.name == "postgresql"


def test_each_query_of_the_cookbook_finds_what_it_is_for(filled: "Hand") -> None:
    review(filled, "a.png", "motion")
    assert [what for what, query in QUERIES if not ask(filled, query)] == []


def test_the_queries_for_datasette_find_something(filled: "Hand") -> None:
    metadata = yaml.safe_load((REPOSITORY / "docs/datasette.yaml").read_text())
    for name, each in metadata["databases"]["mriad"]["queries"].items():
        with reading(filled.engine) as connection:
            given = {"pseudonym": PATIENT} if ":pseudonym" in each["sql"] else {}
            assert connection.execute(text(each["sql"]), given).all(), name


def test_the_query_of_all_that_waits_has_each_scan_once(filled: "Hand") -> None:
    query = next(query for what, query in QUERIES if what.startswith("All that waits, each"))
    found = [(each["scan_id"], each["reason"]) for each in ask(filled, query)]
    both = ask(filled, "SELECT scan_id FROM v_worklist UNION ALL SELECT scan_id FROM v_unscored")
    assert len(both) > len(found)  # b waits by a threshold of before, and failed since
    assert {scan_id for scan_id, _ in found} == {each["scan_id"] for each in both}
    assert len(dict(found)) == len(found)


def test_the_cookbook_was_found() -> None:
    assert len(QUERIES) == (REPOSITORY / "docs/queries.md").read_text().count("```sql") > 10

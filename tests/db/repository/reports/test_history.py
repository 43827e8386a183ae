"""The history of decisions: newest first, filtered, quick over any number of them."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event, text

from db.engine.connect import reading
from db.repository.reports.history import decided_in, decisions, tally
from db.repository.reports.history_query import HistoryQuery
from db.repository.reports.reports import latest_decisions
from db.repository.reports.scan_details import scan_details
from db.repository.scoring.scores import undecided
from mriad_model.enums import ScanKind, Verdict
from mriad_model.errors import NotInRecord, RecordError, SettingsError

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

NORMAL, SUSPICIOUS = Verdict.NORMAL, Verdict.SUSPICIOUS

KEYS = [
    "scan_id",
    "decision_id",
    "path",
    "kind",
    "model_id",
    "threshold_id",
    "score",
    "threshold",
    "p_value",
    "verdict",
    "heatmap_path",
    "decided_at",
    "review",
    "reason",
    "gate",
    "spread",
    "reviewer",
    "scanner",
    "contrast",
    "patient",
    "study_uid",
    "series_uid",
    "sha256",
    "run_id",
    "tags",
]


def at(day: int, hour: int = 12) -> str:
    return f"2026-11-{day:02d}T{hour:02d}:00:00.000000+00:00"


def listed(hand: "Hand", **query: Any) -> list[int]:
    """The scans of the decisions a query lists, in its order."""
    lines = decisions(hand.engine, HistoryQuery(**query))
    return [line.scan_id for line in lines]


def test_an_empty_record_has_no_history(hand: "Hand") -> None:
    assert decisions(hand.engine) == []


def test_a_line_tells_all_of_its_decision(hand: "Hand") -> None:
    from db.repository.intake.scans import register_scans
    from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
    from mriad_model.enums import DecisionReason, HeatmapKind

    model_id, threshold_id = hand.ready()
    (a,) = hand.scans("a")
    register_scans(hand.engine, [hand.seen("a", path="archive/a.png")])
    pictures = [HeatmapFile(HeatmapKind.SLICE, n, f"heatmaps/a{n}.png", "f00") for n in (0, 1)]
    row = ScoredScan(
        *(a, 0.7, (0.7,), pictures, SUSPICIOUS, 0.25),
        reason=DecisionReason.NEAR_GATE,
        gate=0.75,
        spread=0.5,
    )
    append_scored(hand.engine, model_id, threshold_id, [row], hand.run(), at(3))
    (line,) = decisions(hand.engine)
    assert [field.name for field in fields(line)] == KEYS
    assert asdict(line) == {
        "decision_id": line.decision_id,
        "scan_id": a,
        "path": "archive/a.png",
        "kind": ScanKind.IMAGE,
        "model_id": model_id,
        "threshold_id": threshold_id,
        "score": 0.7,
        "threshold": 0.5,
        "p_value": 0.25,
        "verdict": SUSPICIOUS,
        "heatmap_path": "heatmaps/a0.png",
        "decided_at": at(3),
        "review": None,
        "reason": DecisionReason.NEAR_GATE,
        "gate": 0.75,
        "spread": 0.5,
        "reviewer": None,
        "scanner": None,
        "contrast": None,
        "patient": None,
        "study_uid": None,
        "series_uid": None,
        "sha256": hand.sha("a"),
        "run_id": hand.run(),
        "tags": None,
    }


def test_the_newest_decisions_come_first_and_no_more_than_the_limit(hand: "Hand") -> None:
    ready = hand.ready()
    a, b, c, d = hand.scans("a", "b", "c", "d")
    hand.decide(*ready, {a: 0.1}, at(2))
    hand.decide(*ready, {b: 0.9}, at(3))
    hand.decide(*ready, {c: 0.1}, at(1))
    hand.decide(*ready, {d: 0.1}, at(3))
    assert listed(hand) == [d, b, a, c]
    assert listed(hand, limit=2) == [d, b]
    assert listed(hand, limit=None) == [d, b, a, c]
    assert listed(hand, limit=0) == []


def test_days_are_included_to_their_end_and_moments_excluded(hand: "Hand") -> None:
    ready = hand.ready()
    a, b, c = hand.scans("a", "b", "c")
    for scan_id, moment in ((a, at(1, 23)), (b, at(2, 0)), (c, at(2, 23))):
        hand.decide(*ready, {scan_id: 0.1}, moment)
    assert listed(hand, since="2026-11-02") == [c, b]
    assert listed(hand, until="2026-11-01") == [a]
    assert listed(hand, since="2026-11-02", until="2026-11-02") == [c, b]
    assert listed(hand, since="2026-11-02T23:00:00") == [c]
    assert listed(hand, until="2026-11-02T23:00:00") == [b, a]
    assert listed(hand, since="2026-11-03T00:30:00+02:00") == [c]
    assert listed(hand, until="2026-11-02T01:00:00+01:00") == [a]


@pytest.mark.parametrize("wrong", [{"since": "last night"}, {"until": "2026-13-01"}])
def test_what_is_no_date_is_said_plainly(hand: "Hand", wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="is not a valid date: write 2026-11-23"):
        listed(hand, **wrong)


def test_a_scan_is_named_by_id_hash_or_path(hand: "Hand") -> None:
    ready = hand.ready()
    a, b = hand.scans("a", "b")
    hand.decide(*ready, {a: 0.1, b: 0.9})
    for name in (a, str(a), hand.sha("a"), hand.sha("a")[:8].upper(), "inbox/a.png"):
        assert listed(hand, scan=name) == [a]
    assert listed(hand, scan=a, verdict=SUSPICIOUS) == []
    for name in (99, "99", "zzzz", "inbox/c.png", "", "9" * 40):
        with pytest.raises(NotInRecord, match=f"no scan {name}"):
            listed(hand, scan=name)
    with pytest.raises(NotInRecord, match=r"no scan 'a\\udcff\\n'"):
        listed(hand, scan="a\udcff\n")


def test_the_beginning_of_several_hashes_names_no_scan(hand: "Hand") -> None:
    from dataclasses import replace

    from db.repository.intake.scans import register_scans

    twins = [hand.seen("a"), hand.seen("b")]
    seen = [(replace(scan, sha256=f"abcdef{n}"), where) for n, (scan, where) in enumerate(twins)]
    register_scans(hand.engine, seen)
    with pytest.raises(RecordError, match="Several scans begin with abcd"):
        scan_details(hand.engine, "abcd")
    assert scan_details(hand.engine, "abcdef1").scan.sha256 == "abcdef1"


@pytest.fixture(params=[(2_000, 20_000), (3, 40)], ids=["few decisions", "many decisions"])
def depths(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search as over a small record, and as if this one were large."""
    few, deep = request.param
    monkeypatch.setattr("db.repository.reports.history.FEW_SCANS", few)
    monkeypatch.setattr("db.repository.reports.history.SEARCH_DEPTH", deep)


@pytest.mark.usefixtures("depths")
def test_every_mix_of_filters_lists_what_a_plain_search_would(hand: "Hand") -> None:
    rng = random.Random(5)
    lines = []
    scans = {
        scanner: hand.scans(*(f"{scanner}{n}" for n in range(count)), scanner=scanner or None)
        for scanner, count in {"GE": 60, "Philips": 40, "rare": 2, "": 10}.items()
    }
    models = []
    for m in range(3):
        train, calibration = hand.scans(f"train {m}", f"calibrate {m}")
        dataset_id = hand.dataset(train=[train], calibration=[calibration])
        model_id = hand.model(dataset_id, f"weights {m}")
        models.append((model_id, [hand.threshold(model_id, dataset_id, k) for k in (1.0, 2.0)]))
    for model_id, thresholds in models:
        for threshold_id in thresholds:
            for scanner, ids in scans.items():
                if scanner == "GE" and model_id == models[-1][0]:
                    continue  # retired before the last model
                for day in rng.sample(range(1, 28), 4):
                    some = {
                        scan_id: random.Random(scan_id * 10 + model_id).random()
                        for scan_id in ids[day % 4 :: 4]
                    }
                    if not undecided(hand.engine, some, threshold_id):
                        continue
                    hand.decide(model_id, threshold_id, some, at(day))
                    for scan_id, value in some.items():
                        verdict = SUSPICIOUS if value > 0.5 else NORMAL
                        lines.append((at(day), scan_id, scanner, model_id, verdict))
    order = sorted(range(len(lines)), key=lambda n: (lines[n][0], n), reverse=True)
    for _ in range(60):
        query: dict[str, Any] = {
            "verdict": rng.choice([None, NORMAL, SUSPICIOUS]),
            "scanner": rng.choice([None, "GE", "Philips", "rare", "none of ours"]),
            "model_id": rng.choice([None, *(model_id for model_id, _ in models), 99]),
            "since": rng.choice([None, "2026-11-09"]),
            "until": rng.choice([None, "2026-11-18"]),
            "limit": rng.choice([None, 5, 50]),
        }
        expected = [
            lines[n][1]
            for n in order
            if query["verdict"] in (None, lines[n][4])
            and query["scanner"] in (None, lines[n][2])
            and query["model_id"] in (None, lines[n][3])
            and (query["since"] is None or lines[n][0] >= at(9, 0))
            and (query["until"] is None or lines[n][0] < at(19, 0))
        ][: query["limit"]]
        assert listed(hand, **query) == expected, query


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def plans(engine: Engine, **query: Any) -> list[str]:
    """What SQLite does for a history query, step by step."""
    return plans_of(engine, lambda: decisions(engine, HistoryQuery(**query)))


def plans_of(engine: Engine, ask: Callable[[], object]) -> list[str]:
    """What SQLite does for a question, step by step."""
    with statements(engine) as seen:
        ask()
    steps = []
    with reading(engine) as connection:
        for statement, parameters in seen:
            if statement.startswith("SELECT"):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                steps += [row.detail for row in rows]
    assert any("decision" in step for step in steps)
    return steps


QUERIES: dict[str, dict[str, Any]] = {
    "all": {},
    "verdict": {"verdict": SUSPICIOUS},
    "since": {"since": "2026-11-01"},
    "until": {"until": "2026-11-01"},
    "night": {"since": "2026-11-01", "until": "2026-11-01", "verdict": NORMAL},
    "model": {"model_id": 1},
    "model and verdict": {"model_id": 1, "verdict": SUSPICIOUS, "since": "2026-11-01"},
}


@pytest.mark.usefixtures("home")  # SQLite alone explains itself so
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_the_history_walks_an_index_and_never_scans_or_sorts_all_decisions(
    hand: "Hand", query: dict[str, Any]
) -> None:
    hand.ready()
    for step in plans(hand.engine, **query):
        assert not step.startswith("SCAN decision"), step
        assert "FOR ORDER BY" not in step or "LAST TERM" in step or "RIGHT PART" in step, step
        if step.startswith("SEARCH decision"):
            assert "USING" in step


@pytest.mark.usefixtures("home")  # SQLite alone explains itself so
def test_a_scanners_history_is_led_by_its_scans_or_walks_an_index(
    hand: "Hand", monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.decide(*hand.ready(), dict.fromkeys(hand.scans("a", "b", scanner="GE"), 0.1))
    for filters in ({}, {"verdict": NORMAL}, {"model_id": 1}, {"since": "2026-11-01"}):
        few = plans(hand.engine, scanner="GE", **filters)
        assert any("COVERING INDEX ix_scan_scanner" in step for step in few)
        assert not any("SCAN decision" in step or "ix_decision" in step for step in few), few
    monkeypatch.setattr("db.repository.reports.history.FEW_SCANS", 2)
    many = plans(hand.engine, scanner="GE", limit=1)
    assert any("ix_decision_verdict_created_at" in step for step in many)
    assert not any(step.startswith(("SCAN decision", "SCAN scan")) for step in many)


@pytest.mark.usefixtures("home")  # SQLite alone explains itself so
def test_the_history_of_a_scan_is_found_by_its_scan(hand: "Hand") -> None:
    (a,) = hand.scans("a")
    hand.decide(*hand.ready(), {a: 0.1})
    steps = plans(hand.engine, scan=a, verdict=NORMAL, model_id=1)
    assert any("uq_decision" in step or "scan_id=?" in step for step in steps)
    assert not any(step.startswith("SCAN") for step in steps)


@pytest.mark.usefixtures("home")  # SQLite alone explains itself so
def test_what_a_run_decided_is_found_without_looking_at_all_decisions(hand: "Hand") -> None:
    hand.decide(*hand.ready(), dict.fromkeys(hand.scans("a", "b"), 0.1))
    engine = hand.engine
    for steps in (
        plans_of(engine, lambda: tally(engine, [1])),
        plans_of(engine, lambda: decided_in(engine, [1])),
        plans_of(engine, lambda: latest_decisions(engine, [1, 2], 10, 1)),
    ):
        assert any("ix_decision_run_id (run_id=?)" in step for step in steps), steps
        assert not any(step.startswith("SCAN decision") for step in steps), steps


def test_a_reader_sees_one_state_while_others_write(hand: "Hand") -> None:
    ready = hand.ready()
    a, b = hand.scans("a", "b")
    hand.decide(*ready, {a: 0.1})
    with reading(hand.engine) as connection:
        count = text("SELECT count(*) FROM decision")
        before = connection.scalar(count)
        hand.decide(*ready, {b: 0.1})
        assert connection.scalar(count) == before == 1
    assert len(decisions(hand.engine)) == 2

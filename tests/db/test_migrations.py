"""A record comes along to the next version whole; one of a version in development is refused."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from db.engine import chain, chain_check
from db.engine.chain_check import broken_links
from db.engine.connect import engine, open_record, reading, writing
from db.engine.sqlite import DATABASE
from db.engine.structure import differences
from db.entities import Label, Rejection, Review, RunEnd, Unscored
from db.repository.intake.labels import append_labels
from db.repository.intake.rejections import append_rejections
from db.repository.reports.history import decisions
from db.repository.reports.reviews import append_review, reviews
from db.repository.runs import end_run, newest_runs
from db.repository.scoring.decisions import ScoredScan, append_scored
from db.repository.scoring.scores import undecided
from db.repository.scoring.unscored import append_unscored
from db.repository.scoring.warnings import warnings
from db.repository.training.models import append_threshold, thresholds
from mriad_model.enums import (
    DecisionReason,
    LabelSource,
    LabelValue,
    Policy,
    RejectionReason,
    ReviewVerdict,
    RunStatus,
    Verdict,
    WarningKind,
)
from mriad_model.errors import RecordError
from tests.support.record.hand import Hand
from tests.support.record.next_step import bring_next_step, stay_before

if TYPE_CHECKING:
    from tests.db.conftest import Place
    from tests.support.record.postgresql import Server

FILLED = ("run", "scan", "sighting", "dataset", "model", "threshold", "activation", "label")
DEVELOPMENT = ("0001", "0008")  # the first and the last step there was


def rows_of(made: Engine) -> dict[str, list[tuple[object, ...]]]:
    with reading(made) as connection:
        return {
            table: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}"))]
            for table in FILLED
        }


BEFORE_RATES = (
    "INSERT INTO run (flow, flow_run_id, software_version, libraries, device, started_at) "
    "VALUES ('train_model', 'x', '0', '{}', 'cpu', 'noon')",
    "INSERT INTO dataset (sha256, run_id, created_at) VALUES ('ab', 1, 'noon')",
    "INSERT INTO model (sha256, path, recipe, dataset_id, metrics, run_id, created_at) "
    "VALUES ('cd', 'models/cd', '{}', 1, '{}', 1, 'noon')",
    "INSERT INTO threshold "
    "(model_id, dataset_id, policy, mean, sd, n, k, value, run_id, created_at) "
    "VALUES (1, 1, 'sigmas', 0, 1, 9, 1, 1, 1, 'noon')",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Of an empty database in PostgreSQL; None for SQLite in the home."""
    if request.param == "sqlite":
        return None
    server: Server = request.getfixturevalue("postgresql")
    return server.create()


@pytest.fixture
def before(
    hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[tuple[object, ...]]]:
    """The rows of a record that the next version is about to open."""
    hand.ready()
    hand.label(hand.scans("a")[0])
    found = rows_of(hand.engine)
    assert all(found.values())
    bring_next_step(tmp_path, monkeypatch)
    return found


def test_every_row_comes_along_to_the_next_version(
    place: "Place", before: dict[str, list[tuple[object, ...]]]
) -> None:
    made = place.open()
    before["run"] = [(*row, None) for row in before["run"]]
    assert rows_of(made) == before
    assert list(broken_links(made)) == []
    append_labels(made, [Label(1, LabelValue.HEALTHY, LabelSource.CSV, "me", "noon")])
    assert list(broken_links(made)) == []
    made.dispose()


def test_a_table_of_the_next_version_is_append_only(
    place: "Place", before: dict[str, list[tuple[object, ...]]]
) -> None:
    made = place.open()
    with writing(made, chained=False) as connection:
        connection.execute(text("INSERT INTO visit (day) VALUES ('monday'), ('tuesday')"))
    for change in (
        "UPDATE visit SET day = 'friday'",
        "DELETE FROM visit",
        "INSERT INTO visit (id, day) VALUES (9, 'friday')",
    ):
        with pytest.raises(DBAPIError, match="refused"), writing(made) as connection:
            connection.execute(text(change))
    with reading(made) as connection:
        found = connection.execute(text("SELECT id, day FROM visit ORDER BY id")).all()
    assert [tuple(row) for row in found] == [(1, "monday"), (2, "tuesday")]
    made.dispose()


def test_a_record_of_an_older_version_is_read_only_after_a_command_that_writes(
    place: "Place", before: dict[str, list[tuple[object, ...]]]
) -> None:
    with pytest.raises(RecordError, match="older version of mriad: run a command that writes"):
        place.open(read_only=True)
    place.open().dispose()
    place.open(read_only=True).dispose()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("step", DEVELOPMENT)
def test_a_record_of_a_version_in_development_is_refused_and_left_as_it_is(
    tmp_path: Path, step: str, read_only: bool
) -> None:
    made = engine(f"sqlite:///{tmp_path / DATABASE}")
    with writing(made, chained=False) as connection:
        for statement in (
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{step}')",
            "CREATE TABLE scan (id INTEGER NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL)",
            "INSERT INTO scan VALUES (1, 'a')",
        ):
            connection.exec_driver_sql(statement)
    made.dispose()
    data = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(RecordError) as error:
        open_record(tmp_path, read_only=read_only)
    message = str(error.value)
    assert "\n" not in message
    assert f"{tmp_path / DATABASE} was made by a version of mriad in development" in message
    assert f"(step {step})" in message
    assert "choose another home, or move this one away, and ingest its scans again" in message
    assert (tmp_path / DATABASE).read_bytes() == data


def rejected(path: str, reason: RejectionReason) -> Rejection:
    return Rejection(
        path, 3, 5, None, reason, "for a test", run_id=1, created_at="noon", ctime_ns=5
    )


def test_a_record_from_before_heads_were_registered_takes_their_rejections(
    url: str | None, tmp_path: Path
) -> None:
    unregistered = rejected("a.nii", RejectionReason.UNREGISTERED)
    with pytest.MonkeyPatch.context() as patched:
        stay_before("0002_unregistered", tmp_path, patched)
        old = open_record(tmp_path, url)
        hand = Hand(old)
        hand.scans("a")
        append_rejections(old, [rejected(each, RejectionReason.EMPTY) for each in ("b", "c")])
        with pytest.raises(DBAPIError):
            append_rejections(old, [unregistered])
        old.dispose()
    made = open_record(tmp_path, url)
    assert append_rejections(made, [unregistered, rejected("b", RejectionReason.EMPTY)]) == 1
    with reading(made) as connection:
        found = connection.execute(text("SELECT id, path, reason FROM rejection ORDER BY id")).all()
    assert [tuple(row) for row in found] == [
        (1, "b", "empty"),
        (2, "c", "empty"),
        (3, "a.nii", "unregistered"),
    ]
    for change in ("UPDATE rejection SET detail = ''", "DELETE FROM rejection"):
        with pytest.raises(DBAPIError, match="append-only"), writing(made) as connection:
            connection.execute(text(change))
    assert list(broken_links(made)) == []
    made.dispose()


def test_a_record_from_before_runs_were_stopped_comes_along_and_takes_them(
    url: str | None, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        stay_before("0014_stopped_runs", tmp_path, patched)
        old = open_record(tmp_path, url)
        hand = Hand(old)
        ended = [RunEnd(hand.run(each.value), each, "{}", "noon") for each in RunStatus]
        for each in ended[:2]:
            end_run(old, each)
        with pytest.raises(DBAPIError), writing(old, chained=False) as connection:
            connection.execute(
                text(
                    "INSERT INTO run_end (run_id, status, counts, ended_at) VALUES (3, :s, '', '')"
                ),
                {"s": "stopped"},
            )
        old.dispose()
    made = open_record(tmp_path, url)
    end_run(made, ended[2])
    assert [end.status for _, end in newest_runs(made, 9) if end] == [*RunStatus][::-1]
    with pytest.raises(DBAPIError, match="append-only"), writing(made) as connection:
        connection.execute(text("UPDATE run_end SET status = 'failed'"))
    assert list(broken_links(made)) == []
    assert differences(made) == []
    made.dispose()


def test_a_record_from_before_models_remembered_what_they_cannot_score_comes_along(
    url: str | None, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        stay_before("0015_unscored", tmp_path, patched)
        old = open_record(tmp_path, url)
        model_id, threshold_id = Hand(old).ready()
        old.dispose()
    made = open_record(tmp_path, url)
    hand = Hand(made)
    (a,) = hand.scans("a")
    assert undecided(made, [a], threshold_id) == [a]
    why = (RejectionReason.UNREGISTERED, "fit 0.2", hand.run(), "noon")
    assert append_unscored(made, [Unscored(a, model_id, *why)]) == 1
    assert undecided(made, [a], threshold_id) == []
    with pytest.raises(DBAPIError, match="append-only"), writing(made) as connection:
        connection.execute(text("UPDATE unscored SET detail = ''"))
    assert list(broken_links(made)) == []
    assert differences(made) == []
    made.dispose()


def test_a_record_from_before_thresholds_had_rates_comes_along_and_takes_them(
    url: str | None, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        stay_before("0003_rates", tmp_path, patched)
        old = open_record(tmp_path, url)
        with writing(old, chained=False) as connection:
            for statement in BEFORE_RATES:
                connection.execute(text(statement))
        with pytest.raises(DBAPIError), writing(old, chained=False) as connection:
            connection.execute(text(BEFORE_RATES[-1].replace("'sigmas', 0", "'rate', 0")))
        old.dispose()
    made = open_record(tmp_path, url)
    (before,) = thresholds(made)
    assert (before.policy, before.value) == (Policy.SIGMAS, 1.0)
    assert before.n_groups is before.rate is before.rate_low is before.rate_high is None
    drawn = replace(
        before, policy=Policy.RATE, k=0.1, n_groups=9, rate=0.1, rate_low=0.003, rate_high=0.34
    )
    assert append_threshold(made, drawn) == 2
    assert replace(thresholds(made)[1], id=1) == drawn
    with pytest.raises(DBAPIError), writing(made) as connection:
        connection.execute(text(BEFORE_RATES[-1].replace("'sigmas', 0", "'other', 0")))
    with pytest.raises(DBAPIError, match="append-only"), writing(made) as connection:
        connection.execute(text("UPDATE threshold SET rate = 0"))
    if url is None:
        with reading(made) as connection:
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    made.dispose()


# As the version before wrote its rows, so that its links are over the columns that there were.
DECIDED_BEFORE = (
    "INSERT INTO score (scan_id, model_id, value, run_id, created_at) VALUES (1, 1, 0.25, 1, 'n')",
    "INSERT INTO score (scan_id, model_id, value, run_id, created_at) VALUES (2, 1, 0.75, 1, 'n')",
    "INSERT INTO decision (scan_id, threshold_id, score_id, verdict, p_value, run_id, created_at)"
    " VALUES (1, 1, 1, 'normal', 0.5, 1, 'n'), (2, 1, 2, 'suspicious', 0.25, 1, 'n')",
    "INSERT INTO review (scan_id, decision_id, reviewer, verdict, note, created_at)"
    " VALUES (2, 2, 'me', 'normal', '', 'n')",
    "INSERT INTO review (scan_id, decision_id, reviewer, verdict, note, created_at, withdrawn)"
    " VALUES (2, 2, 'me', 'normal', '', 'n', 1)",
    "INSERT INTO warning (kind, subject, text, run_id, created_at)"
    " VALUES ('drift', '{}', 'words', 1, 'n')",
)
LATE = {"score": {"gate"}, "decision": {"reason"}, "review": {"tags"}}


def shapes_before() -> tuple[chain.Shape, ...]:
    return tuple(
        replace(each, columns=tuple(c for c in each.columns if c not in LATE.get(each.table, ())))
        for each in chain.shapes()
    )


def test_decisions_of_two_verdicts_come_along_and_four_are_taken(
    url: str | None, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        stay_before("0004_four_verdicts", tmp_path, patched)
        before = shapes_before()
        for module in (chain, chain_check):
            patched.setattr(module, "shapes", lambda: before)
        old = open_record(tmp_path, url)
        model_id, threshold_id = Hand(old).ready()
        with writing(old) as connection:
            for statement in DECIDED_BEFORE:
                connection.execute(text(statement))
        assert list(broken_links(old)) == []
        old.dispose()
    made = open_record(tmp_path, url)
    assert list(broken_links(made)) == []
    lines = [(each.scan_id, each.verdict, each.reason, each.gate) for each in decisions(made)]
    assert lines == [(2, Verdict.SUSPICIOUS, None, None), (1, Verdict.NORMAL, None, None)]
    assert [(each.withdrawn, each.tags) for each in reviews(made)] == [(None, None), (1, None)]
    (new,) = Hand(made).scans("new")
    reason = DecisionReason.UNLIKE_LEARNED
    row = ScoredScan(new, 3.0, (3.0,), (), Verdict.NOT_SCORABLE, 0.25, reason=reason, gate=1.5)
    append_scored(made, model_id, threshold_id, [row], 1, "noon")
    tagged = Review(new, 3, "me", ReviewVerdict.SUSPICIOUS, "", "noon", tags="artefact motion")
    append_review(made, tagged)
    assert reviews(made)[-1].tag_words == ("artefact", "motion")
    newest = decisions(made)[0]
    assert (newest.verdict, newest.reason, newest.gate) == (Verdict.NOT_SCORABLE, reason, 1.5)
    for wrong in (
        "INSERT INTO review (scan_id, decision_id, reviewer, verdict, note, created_at)"
        " VALUES (1, 1, 'me', 'uncertain', '', 'n')",
        "INSERT INTO review (scan_id, decision_id, reviewer, verdict, note, created_at)"
        " VALUES (1, 9, 'me', 'normal', '', 'n')",
        "UPDATE decision SET verdict = 'normal'",
        "DELETE FROM review",
    ):
        with pytest.raises((DBAPIError, RecordError)), writing(made) as connection:
            connection.execute(text(wrong))
    assert list(broken_links(made)) == []
    assert differences(made) == []
    made.dispose()


WARNED = (
    "INSERT INTO warning (kind, subject, text, run_id, created_at) "
    "VALUES ('{kind}', '{{}}', 'It drifts.', 1, 'noon')"
)


def test_a_record_from_before_detectors_could_be_silent_comes_along(
    url: str | None, tmp_path: Path
) -> None:
    silent = WARNED.format(kind=WarningKind.SILENT_DETECTOR)
    with pytest.MonkeyPatch.context() as patched:
        stay_before("0006_silent", tmp_path, patched)
        old = open_record(tmp_path, url)
        with writing(old, chained=False) as connection:
            connection.execute(text(BEFORE_RATES[0]))
            connection.execute(text(WARNED.format(kind=WarningKind.DRIFT)))
        with pytest.raises(DBAPIError), writing(old, chained=False) as connection:
            connection.execute(text(silent))
        old.dispose()
    made = open_record(tmp_path, url)
    with writing(made, chained=False) as connection:
        connection.execute(text(silent))
    assert [each.kind for each in warnings(made)] == [
        WarningKind.DRIFT,
        WarningKind.SILENT_DETECTOR,
    ]
    with pytest.raises(DBAPIError, match="append-only"), writing(made) as connection:
        connection.execute(text("UPDATE warning SET text = ''"))
    if url is None:
        with reading(made) as connection:
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    made.dispose()

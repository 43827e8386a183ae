"""No row of the record changes or goes, whoever tries."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db import schema
from db.engine.connect import open_record, writing
from db.engine.sqlite import DATABASE
from db.entities import (
    Arrival,
    Comparison,
    FindingLimit,
    RecordedWarning,
    Rejection,
    Report,
    Review,
    RunEnd,
    Sending,
    Unscored,
)
from db.repository.intake.arrivals import append_arrivals, end_arrivals
from db.repository.intake.rejections import append_rejections
from db.repository.reports.reports import append_report
from db.repository.reports.reviews import append_review
from db.repository.runs import end_run
from db.repository.scoring.decisions import FoundPart, HeatmapFile, ScoredScan, append_scored
from db.repository.scoring.findings import append_finding_limit
from db.repository.scoring.sendings import append_sending
from db.repository.scoring.unscored import append_unscored
from db.repository.scoring.warnings import append_warnings
from db.repository.training.comparisons import append_comparison
from mriad_model.enums import (
    HeatmapKind,
    RejectionReason,
    ReviewVerdict,
    RunStatus,
    SettledBy,
    Side,
    Verdict,
    WarningKind,
)

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

APPEND_ONLY = sorted(schema.metadata.tables)


@pytest.fixture(scope="module")
def full_home(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory, hand_of: "type[Hand]"
) -> Path:
    """A home whose record has a row in every table."""
    home = tmp_path_factory.mktemp("full") / "home"
    shutil.copytree(migrated, home)
    hand = hand_of(open_record(home))
    model_id, threshold_id = hand.ready()
    (scan_id,) = hand.scans("a")
    hand.label(scan_id)
    picture = HeatmapFile(HeatmapKind.SLICE, 0, "heatmaps/a.png", hand.sha("picture"))
    part = FoundPart(1.5, 0.7, (10.0, 20.0, 30.0), Side.RIGHT)
    row = ScoredScan(scan_id, 0.7, (0.7,), (picture,), Verdict.SUSPICIOUS, 0.25, findings=[part])
    limit = FindingLimit(model_id, 0.5, 0.3, 0.15, 1, 0.5, hand.run(), hand.noon)
    append_finding_limit(hand.engine, limit)
    append_scored(hand.engine, model_id, threshold_id, [row], hand.run(), hand.noon)
    end_run(hand.engine, RunEnd(hand.run(), RunStatus.COMPLETED, "{}", hand.noon))
    rejection = Rejection("a.txt", 1, 2, None, RejectionReason.EMPTY, "", hand.run(), hand.noon)
    append_rejections(hand.engine, [rejection])
    review = Review(scan_id, 1, "me", ReviewVerdict.NORMAL, "", hand.noon)
    append_review(hand.engine, review)
    arrived = [Arrival("inbox/a", hand.sha("a"), 1, SettledBy.QUIET, hand.noon)]
    end_arrivals(hand.engine, append_arrivals(hand.engine, arrived), hand.run(), hand.noon)
    drift = RecordedWarning(WarningKind.DRIFT, "{}", "Scores drift.", hand.run(), hand.noon)
    append_warnings(hand.engine, [drift])
    met = Comparison(threshold_id, threshold_id, 1, 0, "Not better.", "{}", hand.run(), hand.noon)
    append_comparison(hand.engine, met)
    page = Report(hand.run(), "reports/a.html", None, hand.noon, hand.noon)
    append_report(hand.engine, page)
    sent = Sending(1, "dicom://PACS@pacs:104", hand.sha("picture"), "taken", hand.run(), hand.noon)
    append_sending(hand.engine, sent)
    (tried,) = hand.scans("tried")
    why = (RejectionReason.UNREGISTERED, "fit 0.2", hand.run(), hand.noon)
    append_unscored(hand.engine, [Unscored(tried, model_id, *why)])
    hand.engine.dispose()
    return home


@pytest.fixture
def full(full_home: Path, tmp_path: Path, hand_of: "type[Hand]") -> Iterator["Hand"]:
    """The full record, to try and to harm."""
    shutil.copytree(full_home, tmp_path / "home")
    engine = open_record(tmp_path / "home")
    yield hand_of(engine)
    engine.dispose()


@pytest.fixture
def shell(full: "Hand", tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The database as any other program opens it, with SQLite's own defaults."""
    with closing(sqlite3.connect(tmp_path / "home" / DATABASE)) as connection:
        yield connection


def contents(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    assert rows, f"the test needs a row in {table}"
    return rows


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_update_and_delete_raise_from_our_engine(full: "Hand", table: str, verb: str) -> None:
    column = next(iter(schema.metadata.tables[table].columns)).name
    change = (
        f"UPDATE {table} SET {column} = {column}" if verb == "UPDATE" else f"DELETE FROM {table}"
    )
    with (
        pytest.raises(IntegrityError, match=f"{table} is append-only: {verb} refused"),
        writing(full.engine) as connection,
    ):
        connection.execute(text(change))


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_update_and_delete_raise_from_any_program(shell: sqlite3.Connection, table: str) -> None:
    before = contents(shell, table)
    column = next(iter(schema.metadata.tables[table].columns)).name
    for change in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            shell.execute(change)
    assert contents(shell, table) == before


@pytest.mark.parametrize("table", [t for t in APPEND_ONLY if "id" in schema.metadata.tables[t].c])
def test_replacing_a_row_by_its_id_raises(shell: sqlite3.Connection, table: str) -> None:
    before = contents(shell, table)
    with pytest.raises(sqlite3.IntegrityError, match="append-only: this id is taken"):
        shell.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    assert contents(shell, table) == before


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_replacing_a_row_by_another_key_leaves_it_as_it_was(
    shell: sqlite3.Connection, table: str
) -> None:
    """`INSERT OR REPLACE` fires no DELETE trigger where recursive_triggers is off."""
    before = contents(shell, table)
    columns = [c.name for c in schema.metadata.tables[table].columns if c.name != "id"]
    names = ", ".join(columns)
    shell.execute(f"REPLACE INTO {table} ({names}) SELECT {names} FROM {table}")
    assert contents(shell, table)[: len(before)] == before


def test_a_replacement_with_another_content_is_passed_over(shell: sqlite3.Connection) -> None:
    shell.execute(
        "REPLACE INTO decision (scan_id, threshold_id, score_id, verdict, p_value, run_id,"
        " created_at) SELECT scan_id, threshold_id, score_id, 'normal', 1.0, run_id, ''"
        " FROM decision"
    )
    assert shell.execute("SELECT verdict, p_value FROM decision").fetchall() == [
        ("suspicious", 0.25)
    ]


def test_an_upsert_changes_nothing(shell: sqlite3.Connection) -> None:
    shell.execute(
        "INSERT INTO score (scan_id, model_id, value, run_id, created_at)"
        " SELECT scan_id, model_id, 0.0, run_id, '' FROM score WHERE true"
        " ON CONFLICT (scan_id, model_id) DO UPDATE SET value = excluded.value"
    )
    assert shell.execute("SELECT value FROM score").fetchall() == [(0.7,)]


def test_a_word_outside_the_enum_is_refused(shell: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="ck_label_value"):
        shell.execute("INSERT INTO label VALUES (NULL, 1, 'well', 'csv', 'me', '')")


def test_a_text_where_a_number_belongs_is_refused(shell: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in REAL column"):
        shell.execute("INSERT INTO slice_score VALUES (1, 9, 'high')")


@pytest.mark.parametrize("table", [t for t in APPEND_ONLY if "id" in schema.metadata.tables[t].c])
def test_every_table_with_ids_numbers_its_rows(shell: sqlite3.Connection, table: str) -> None:
    (said,) = shell.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ? AND tbl_name = ?",
        (f"{table}_numbers_its_rows", table),
    ).fetchone()
    assert f"AFTER INSERT ON {table} BEGIN SELECT RAISE(ABORT" in said


@pytest.mark.parametrize("new_id", [2**53 - 1, 2**53, 2**63 - 1, 4, 0, -1, -5, -(2**63)])
def test_a_row_that_names_another_id_than_the_next_is_refused(
    shell: sqlite3.Connection, new_id: int
) -> None:
    """A higher one would stay the latest for ever, or be the last that there can be."""
    before = contents(shell, "activation")
    hostile = f"activation SELECT {new_id}, threshold_id, reason, author, created_at"
    for verb in ("INSERT", "INSERT OR IGNORE", "REPLACE"):
        with pytest.raises(sqlite3.IntegrityError, match="numbers its rows: this id is refused"):
            shell.execute(f"{verb} INTO {hostile} FROM activation")
    assert contents(shell, "activation") == before
    shell.execute(f"INSERT INTO {hostile.replace(str(new_id), '2', 1)} FROM activation")
    assert [row[0] for row in contents(shell, "activation")] == [1, 2]

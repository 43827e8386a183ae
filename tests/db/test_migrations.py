"""A record of an older version comes along whole."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from db.engine.connect import engine, open_record, writing
from db.engine.sqlite import DATABASE
from db.repository.reviews import standing_reviews, withdraw_review
from mriad_model.enums import HeatmapKind, RejectionReason
from mriad_model.errors import RecordError

REASONS_OF_0001 = [
    "symlink",
    "not_regular",
    "unreadable",
    "empty",
    "unsupported",
    "too_large",
    "truncated",
    "corrupt",
    "multi_frame",
    "bad_shape",
    "no_signal",
]
CHANGED = ("rejection", "heatmap", "sighting")
WIDER = ("run", "sighting", "rejection")  # a column was added, empty in the rows of before
NEW = ("arrival", "arrival_end", "warning", "challenge", "link")
REJECT = (
    "INSERT INTO rejection (path, size, mtime_ns, sha256, reason, detail, run_id, created_at)"
    " VALUES (?, 1, 2, NULL, ?, '', 1, 'noon')"
)
PAINT = (
    "INSERT INTO heatmap (score_id, kind, position, path, sha256, created_at)"
    " VALUES (1, ?, 0, ?, 'f00', 'noon')"
)


@pytest.fixture
def old_home(tmp_path: Path) -> Path:
    """A home as version 0.1.0 left it, with rows in each table that changes."""
    made = engine(f"sqlite:///{tmp_path / DATABASE}")
    with writing(made, chained=False) as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "db:migrations")
        command.upgrade(config, "0001")
        for statement in (
            "INSERT INTO run VALUES (1, 'train_model', 'a', '0.1.0', NULL, '{}', 'cpu', 'noon')",
            "INSERT INTO scan VALUES (1, 'a', 'image', NULL, NULL, NULL, NULL, '{}', 1, 1, 'noon')",
            "INSERT INTO sighting VALUES (5, 1, 'inbox/a.png', 10, 20, 30, 1, 'noon')",
            "INSERT INTO dataset VALUES (1, 'a', 1, 'noon')",
            "INSERT INTO model VALUES (1, 'a', 'models/a', '{}', 1, '{}', 1, 'noon')",
            "INSERT INTO score VALUES (1, 1, 1, 0.5, 1, 'noon')",
            "INSERT INTO threshold VALUES (1, 1, 1, 'sigmas', 0.4, 0.1, 3, 1.0, 0.5, 1, 'noon')",
            "INSERT INTO decision VALUES (4, 1, 1, 1, 'normal', 0.25, 1, 'noon')",
            "INSERT INTO review VALUES (9, 1, 4, 'uid 0', 'normal', 'why', 'noon')",
        ):
            connection.exec_driver_sql(statement)
        for number, reason in enumerate(REASONS_OF_0001, start=3):
            connection.exec_driver_sql(
                "INSERT INTO rejection VALUES (?, ?, 1, 2, 'f00', ?, 'why', 1, 'noon')",
                (number, f"inbox/{reason}.png", reason),
            )
        for number, kind in enumerate(("slice", "volume"), start=7):
            connection.exec_driver_sql(
                "INSERT INTO heatmap VALUES (?, 1, ?, 0, ?, 'f00', 'noon')",
                (number, kind, f"heatmaps/{kind}"),
            )
    made.dispose()
    return tmp_path


def shell_on(home: Path) -> sqlite3.Connection:
    """The database as any other program opens it."""
    return sqlite3.connect(home / DATABASE, isolation_level=None)


def contents(shell: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: shell.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
        for table in (*CHANGED, "score", "scan", "run")
    }


def objects(shell: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Names and kinds of all that the database is made of."""
    query = "SELECT type, name, tbl_name FROM sqlite_master"
    return set(shell.execute(query).fetchall())


@pytest.fixture
def before(old_home: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(shell_on(old_home)) as shell:
        return contents(shell)


@pytest.fixture
def shell(
    old_home: Path, before: dict[str, list[tuple[object, ...]]]
) -> Iterator[sqlite3.Connection]:
    """A shell on the record after it was opened by this version."""
    open_record(old_home).dispose()
    with closing(shell_on(old_home)) as connection:
        yield connection


def test_every_row_is_kept_under_its_id(
    before: dict[str, list[tuple[object, ...]]], shell: sqlite3.Connection
) -> None:
    assert len(before["rejection"]) == len(REASONS_OF_0001)
    wider = {table: [(*row, None) for row in before[table]] for table in WIDER}
    assert contents(shell) == before | wider
    assert shell.execute("PRAGMA foreign_key_check").fetchall() == []
    assert shell.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_tables_indexes_and_triggers_keep_their_names(old_home: Path) -> None:
    with closing(shell_on(old_home)) as shell:
        old = objects(shell)
    open_record(old_home).dispose()
    with closing(shell_on(old_home)) as shell:
        kept = {each for each in objects(shell) if each[2] not in NEW}
    numbering = {("trigger", f"{table}_numbers_its_rows", table) for _, _, table in kept}
    kept -= numbering
    assert kept == old | {("index", "ix_scan_series_uid", "scan")}
    assert ("trigger", "rejection_keeps_what_is_there", "rejection") in old


@pytest.mark.parametrize("table", CHANGED)
def test_the_rows_still_cannot_change(shell: sqlite3.Connection, table: str) -> None:
    rows = contents(shell)[table]
    for change in (
        f"UPDATE {table} SET path = 'elsewhere'",
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            shell.execute(change)
    shell.execute(REJECT, ("inbox/empty.png", "empty"))  # passed over: the first word stands
    shell.execute(PAINT.replace("INSERT", "REPLACE"), ("volume", "heatmaps/slice"))
    shell.execute(
        "REPLACE INTO sighting (scan_id, path, size, mtime_ns, inode, run_id, seen_at)"
        " VALUES (1, 'inbox/a.png', 10, 20, 30, 1, 'midnight')"
    )
    assert contents(shell)[table] == rows


def test_the_new_words_are_taken_and_no_others(shell: sqlite3.Connection) -> None:
    for reason in RejectionReason:
        shell.execute(REJECT, (f"new/{reason.value}", reason.value))
    for kind in HeatmapKind:
        shell.execute(PAINT, (kind.value, f"new/{kind.value}"))
    with pytest.raises(sqlite3.IntegrityError, match="ck_rejection_reason"):
        shell.execute(REJECT, ("new/other", "ugly"))
    with pytest.raises(sqlite3.IntegrityError, match="ck_heatmap_kind"):
        shell.execute(PAINT, ("drawing", "new/other"))
    found = contents(shell)
    assert len(found["rejection"]) == len(REASONS_OF_0001) + len(RejectionReason)
    assert len(found["heatmap"]) == 2 + len(HeatmapKind)


def test_a_file_of_an_older_record_may_belong_to_another_scan_too(
    shell: sqlite3.Connection,
) -> None:
    shell.execute(
        "INSERT INTO scan VALUES (2, 'b', 'dicom', NULL, NULL, '1.2', NULL, '{}', 9, 1, 'noon')"
    )
    shell.execute("INSERT INTO sighting VALUES (6, 2, 'inbox/a.png', 10, 20, 30, 1, 'noon', 40)")
    assert [row[1] for row in contents(shell)["sighting"]] == [1, 2]


def test_a_review_of_an_older_record_is_kept_and_can_be_withdrawn_but_not_changed(
    old_home: Path, shell: sqlite3.Connection
) -> None:
    kept = (9, 1, 4, "uid 0", "normal", "why", "noon", None)
    assert shell.execute("SELECT * FROM review").fetchall() == [kept]
    for change in (
        "UPDATE review SET verdict = 'suspicious'",
        "DELETE FROM review",
        "INSERT OR REPLACE INTO review SELECT * FROM review",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            shell.execute(change)
    made = open_record(old_home)
    number, last = withdraw_review(made, 1, "ann", "", "later")
    assert (number, last.id) == (10, 9)
    assert standing_reviews(made) == []
    assert shell.execute("SELECT * FROM review WHERE id = 9").fetchall() == [kept]
    shell.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        shell.execute("INSERT INTO review VALUES (11, 1, 4, 'bob', 'normal', '', 'noon', 99)")


def test_an_older_record_opened_to_read_is_left_as_it_is(old_home: Path) -> None:
    data = (old_home / DATABASE).read_bytes()
    with pytest.raises(RecordError, match="older version of mriad: run a command that writes"):
        open_record(old_home, read_only=True)
    assert (old_home / DATABASE).read_bytes() == data

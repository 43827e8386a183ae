"""The first servers of a home wait for each other."""

import fcntl
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flows.service.server.first_start import DATABASE, MADE, first_start
from tests.conftest import REPOSITORY
from tests.support.processes.prefect_database import schema_of


def is_held(folder: Path) -> bool:
    with (folder / "start.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def words(schema: str) -> list[list[str]]:
    """Of each statement, in any order: Prefect writes a table's constraints now so, now so."""
    return [sorted(line.replace(",", " ").split()) for line in schema.splitlines()]


def test_first_starts_wait_for_each_other_and_later_ones_do_not(tmp_path: Path) -> None:
    with first_start(tmp_path) as start:
        assert is_held(tmp_path)
        assert not start.made
        start.up()
        assert not is_held(tmp_path)
    with first_start(tmp_path) as one, first_start(tmp_path) as other:
        assert not is_held(tmp_path)
        assert one.made
        assert other.made
    (tmp_path / DATABASE).unlink()
    with first_start(tmp_path) as start:
        assert is_held(tmp_path)
        assert not start.made


def test_a_database_of_other_migrations_is_looked_at_again(tmp_path: Path) -> None:
    with first_start(tmp_path) as start:
        start.up()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'older'")
        database.commit()
    with first_start(tmp_path) as start:
        assert not start.made


def test_the_database_is_made_as_prefects_own_migrations_make_it(
    tmp_path: Path, prefect_database: Path
) -> None:
    """Prefect changed? Write its schema anew: see tests/support/processes/prefect_database.py."""
    with first_start(tmp_path):
        pass
    made = tmp_path / DATABASE
    assert words(schema_of(made)) == words(schema_of(prefect_database))
    assert made.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / MADE).exists()
    with (
        closing(sqlite3.connect(made)) as ours,
        closing(sqlite3.connect(prefect_database)) as theirs,
    ):
        for (table,) in ours.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            columns = f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')"
            assert ours.execute(columns).fetchall() == theirs.execute(columns).fetchall()


def test_a_database_elsewhere_and_one_that_is_there_are_left_alone(tmp_path: Path) -> None:
    with first_start(tmp_path, make=False):
        assert not (tmp_path / DATABASE).exists()
    (tmp_path / DATABASE).write_bytes(b"")
    with first_start(tmp_path):
        assert (tmp_path / DATABASE).read_bytes() == b""


def test_a_database_that_was_half_made_is_made(tmp_path: Path) -> None:
    (tmp_path / MADE).write_bytes(b"half")
    with first_start(tmp_path) as start:
        start.up()
    with first_start(tmp_path) as start:
        assert start.made


def test_a_first_start_that_fails_lets_the_next_try(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), first_start(tmp_path):
        raise KeyboardInterrupt
    code = (
        "import os, sys, pathlib\nfrom flows.service.server.first_start import first_start\n"
        "with first_start(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL
    with first_start(tmp_path):
        assert is_held(tmp_path)

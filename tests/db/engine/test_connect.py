"""Opening a record: made once whoever comes first, private, refused plainly where it must be."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event, text

from db.engine import sqlite as sqlite_file
from db.engine.connect import HEAD, engine, open_record, reading, writing
from db.engine.sqlite import DATABASE, make_private, url_to_write, use_wal
from db.repository.reports.history import decisions
from mriad_model.errors import HomeError, MriadError, NotInRecord, RecordError
from tests.support.places import REPOSITORY

if TYPE_CHECKING:
    from tests.support.record.hand import Hand


@contextmanager
def opened(home: Path, *, read_only: bool = False) -> Iterator[Engine]:
    made = open_record(home, read_only=read_only)
    yield made
    made.dispose()


def plain(error: pytest.ExceptionInfo[MriadError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def python(*lines: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_a_new_home_gets_a_database_that_only_its_owner_reads(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(tmp_path / "deep" / "home") as made, writing(made) as connection:
            connection.execute(text("SELECT count(*) FROM decision"))
            home = tmp_path / "deep" / "home"
            modes = {each.name: oct(each.stat().st_mode & 0o777) for each in home.iterdir()}
            assert home.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert modes.keys() >= {DATABASE}
    assert set(modes.values()) == {"0o600"}


def test_connections_are_set_up_for_a_record(home: Path) -> None:
    pragmas = {"foreign_keys": 1, "recursive_triggers": 1, "synchronous": 2}
    with opened(home) as made, reading(made) as connection:
        for pragma, value in pragmas.items():
            assert connection.scalar(text(f"PRAGMA {pragma}")) == value
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA busy_timeout")) >= 10_000


def test_three_processes_that_open_a_new_home_at_once_make_one_record(tmp_path: Path) -> None:
    home = tmp_path / "home"
    lines = (
        "import sys; from pathlib import Path",
        "from db.engine.connect import open_record; import alembic.command",
        "print('ready', flush=True); sys.stdin.readline()",
        f"open_record(Path({str(home)!r})); print('opened')",
    )
    several = [
        subprocess.Popen(
            [sys.executable, "-c", "\n".join(lines)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in several:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in several:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [finished(process) for process in several] == ["opened\n"] * 3
    with opened(home) as made, reading(made) as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [HEAD]


def test_a_home_that_another_process_is_making_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_private(tmp_path / DATABASE)
    made = engine(url_to_write(tmp_path / DATABASE), "the record")
    with made.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")  # of the one that the pool keeps
    other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    waited = list[float]()

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            other.close()

    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=sleep)  # this module's alone
    monkeypatch.setattr(sqlite_file, "time", clock)
    use_wal(made)
    assert len(waited) == 3
    with reading(made) as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    made.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> list[str]:
        return ["CREATE TRIGGER nonsense"]

    monkeypatch.setattr("db.engine.append_only.refuse_changes", broken)
    with pytest.raises(Exception, match="incomplete input"):
        open_record(tmp_path)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    monkeypatch.undo()
    with opened(tmp_path) as made, reading(made) as connection:
        assert connection.scalar(text("SELECT count(*) FROM decision")) == 0


def test_a_record_up_to_date_opens_without_alembic(home: Path) -> None:
    out = finished(
        python(
            "import sys; from pathlib import Path; from db.engine.connect import open_record",
            f"open_record(Path({str(home)!r}))",
            "print('alembic' in sys.modules)",
        )
    )
    assert out == "False\n"


def test_reading_the_history_loads_neither_torch_nor_prefect_nor_numpy() -> None:
    out = finished(
        python(
            "import sys, db.repository.reports.history, db.repository.reports.scan_details",
            "import db.repository.training.models",
            "print(sorted({'torch', 'prefect', 'numpy', 'alembic', 'cv2'} & set(sys.modules)))",
        )
    )
    assert out == "[]\n"


def test_a_record_from_a_newer_version_is_refused(home: Path) -> None:
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'r0099'")
        connection.commit()
    for read_only in (False, True):
        with pytest.raises(RecordError, match="newer version of mriad") as error:
            open_record(home, read_only=read_only)
        assert str(home / DATABASE) in plain(error)
        assert "update mriad" in plain(error)


def test_a_record_from_an_older_version_is_not_read(home: Path) -> None:
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'r0000'")
        connection.commit()
    with pytest.raises(RecordError, match="older version of mriad") as error:
        open_record(home, read_only=True)
    assert "run a command that writes" in plain(error)


def test_an_empty_file_becomes_a_record_when_it_is_written(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    with pytest.raises(NotInRecord, match="no record"):
        open_record(tmp_path, read_only=True)
    with opened(tmp_path), opened(tmp_path, read_only=True) as made:
        assert decisions(made) == []


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(RecordError, match="not a record of mriad"):
        open_record(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, read_only: bool) -> None:
    (tmp_path / DATABASE).write_text("a letter, and not a short one" * 100)
    with pytest.raises(RecordError, match="not a record of mriad") as error:
        open_record(tmp_path, read_only=read_only)
    assert "choose another home" in plain(error)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(HomeError, match="cannot be written") as error:
        open_record(tmp_path / "home")
    assert str(tmp_path / "home") in plain(error)


def test_reading_where_there_is_no_record_says_so_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotInRecord, match="no record at") as error:
        open_record(tmp_path / "home", read_only=True)
    assert "ingest" in plain(error)
    assert list(tmp_path.iterdir()) == []


def test_reading_leaves_no_file_behind(hand: "Hand", home: Path) -> None:
    hand.decide(*hand.ready(), dict.fromkeys(hand.scans("a"), 0.1))
    hand.engine.dispose()
    before = sorted(each.name for each in home.iterdir())
    with opened(home, read_only=True) as made:
        assert len(decisions(made)) == 1
    assert sorted(each.name for each in home.iterdir()) == before == [DATABASE]


def test_a_record_opened_to_read_cannot_be_written(home: Path, hand_of: "type[Hand]") -> None:
    with opened(home, read_only=True) as made, pytest.raises(HomeError, match="cannot be written"):
        hand_of(made).run()


READER = """
import os, sys
from pathlib import Path
from db.engine.connect import open_record
from db.repository.reports.history import decisions
home = Path(sys.argv[1])
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
print(len(decisions(open_record(home, read_only=True))))
"""


def test_a_home_that_cannot_be_written_can_be_read(hand: "Hand", home: Path) -> None:
    hand.decide(*hand.ready(), dict.fromkeys(hand.scans("a"), 0.1))
    hand.engine.dispose()
    public = [home.parent, *home.parent.parents[:3]]
    modes = {each: each.stat().st_mode for each in [home, home / DATABASE, *public]}
    try:
        for each in public:
            each.chmod(0o755)
        (home / DATABASE).chmod(0o444)
        home.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READER, str(home)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
        assert [each.name for each in home.iterdir()] == [DATABASE]
    finally:
        for each, mode in modes.items():
            each.chmod(mode & 0o7777)


@contextmanager
def a_full_disk(made: Engine) -> Iterator[None]:
    """SQLite says the same when its file may not grow as when its disk is full."""

    def stop_growing(connection: sqlite3.Connection, _: object) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    made.dispose()
    event.listen(made, "connect", stop_growing)
    yield
    event.remove(made, "connect", stop_growing)
    made.dispose()


def test_a_full_disk_is_one_plain_line_and_half_of_nothing(home: Path, hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    scans = hand.scans(*(f"scan {n}" for n in range(2000)))
    with a_full_disk(hand.engine), pytest.raises(HomeError, match="disk is full") as error:
        hand.decide(model_id, threshold_id, dict.fromkeys(scans, 0.1))
    assert DATABASE in plain(error)
    assert hand.count("score") == hand.count("slice_score") == hand.count("decision") == 0
    assert hand.decide(model_id, threshold_id, dict.fromkeys(scans, 0.1)).decisions == 2000


def test_a_lock_that_stays_is_one_plain_line(home: Path) -> None:
    with closing(sqlite3.connect(home / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with opened(home) as made:
            event.listen(made, "connect", lambda c, _: c.execute("PRAGMA busy_timeout = 0"))
            made.dispose()
            with pytest.raises(RecordError, match="another program") as error, writing(made):
                pass
    assert "run again" in plain(error)


def test_a_damaged_file_is_one_plain_line(hand: "Hand", home: Path) -> None:
    hand.scans(*(f"scan {n}" for n in range(500)))
    hand.engine.dispose()
    data = bytearray((home / DATABASE).read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)
    (home / DATABASE).write_bytes(data)
    with pytest.raises(RecordError, match="damaged; restore it from a backup"):
        hand.scans("one more")


def test_a_row_that_names_no_row_is_refused_plainly(hand: "Hand") -> None:
    with pytest.raises(RecordError, match="names another that is not there"):
        hand.label(12345)


def test_threads_share_one_engine(hand: "Hand") -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: hand.scans(f"scan {n % 10}")[0], range(80)))
    assert len(set(ids)) == hand.count("scan") == 10


def test_a_home_with_any_name_can_be_opened(tmp_path: Path) -> None:
    home = tmp_path / "50% of #1? a&b=c 'quoted' ünï"
    with opened(home):
        assert (home / DATABASE).is_file()
    with opened(home, read_only=True) as made:
        assert decisions(made) == []


def test_an_engine_can_be_made_for_any_url(tmp_path: Path) -> None:
    made = engine(f"sqlite:///{tmp_path / 'other.db'}")
    with writing(made, chained=False) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    made.dispose()
    assert (tmp_path / "other.db").is_file()


def test_a_record_opened_twice_in_a_process_keeps_its_log_when_another_process_is_done(
    home: Path,
) -> None:
    first = open_record(home)
    with first.connect() as held:
        assert held.scalar(text("SELECT count(*) FROM scan")) == 0
        open_record(home).dispose()
        reads = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        reads += "c.execute('SELECT * FROM scan').fetchall(); c.close()"
        subprocess.run([sys.executable, "-c", reads, str(home / DATABASE)], check=True)
        # Had the locks been lost, the other would have been the last, and taken the log away.
        assert (home / f"{DATABASE}-wal").exists()
    first.dispose()

"""`mriad backup`: whole or not there, of one moment, private, and of use."""

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db.engine import chain_head as heads
from db.engine.connect import open_record
from db.engine.sqlite import DATABASE
from db.repository.intake.sightings import FileKey, known_files
from db.repository.reports.history import decisions
from mriad_model.errors import HomeError, RecordError
from tasks.maintenance.backup import back_up
from tasks.maintenance.check import check
from tests.support.record.hand import Hand
from tests.support.record.kept import N_HEATMAPS, KeptHome, kept_home
from tests.support.record.postgresql import Server
from tests.support.record.tampering import tamper


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptHome]:
    made = kept_home(tmp_path / "home")
    yield made
    made.engine.dispose()


def names_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_backup_is_a_home_with_the_record_and_its_models(kept: KeptHome, tmp_path: Path) -> None:
    target = tmp_path / "backups" / "monday"
    made = back_up(kept.engine, kept.home, target)
    assert (made.models, made.missing, made.notes) == (1, [], [])
    assert (made.scans, made.decisions) == (N_HEATMAPS + 2, N_HEATMAPS)
    assert names_in(target) == sorted(
        ["backup.json", DATABASE, str(kept.model_file.relative_to(kept.home))]
    )
    assert [each.name for each in target.parent.iterdir()] == ["monday"]
    restored = open_record(target)
    assert decisions(restored) == decisions(kept.engine)
    Hand(restored).scans("one more")  # and goes on
    report = check(restored, target)
    assert {each.kind for each in report.problems} == {"missing_heatmap"}
    restored.dispose()
    told = json.loads((target / "backup.json").read_text())
    assert told["decisions"] == N_HEATMAPS
    assert (told["head"], told["broken"]) == (made.head, [])
    assert str(heads.head(kept.engine)) == made.head


def test_a_backup_of_a_record_whose_chain_does_not_hold_says_so(
    kept: KeptHome, tmp_path: Path
) -> None:
    tamper(kept.engine, "UPDATE decision SET verdict = 'normal' WHERE id = 1")
    made = back_up(kept.engine, kept.home, tmp_path / "copy")
    (line,) = made.broken
    assert "its rows of decision" in line
    assert made.decisions == N_HEATMAPS  # kept all the same


def test_only_the_owner_can_read_a_backup(kept: KeptHome, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        back_up(kept.engine, kept.home, tmp_path / "copy")
    finally:
        os.umask(before)
    for path in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_the_sites_key_is_not_in_it_and_is_named(kept: KeptHome, tmp_path: Path) -> None:
    (kept.home / "site.key").write_text("secret")
    made = back_up(kept.engine, kept.home, tmp_path / "copy")
    assert ["not in it is site.key" in each for each in made.notes] == [True]
    assert "site.key" not in names_in(tmp_path / "copy")


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_what_is_there_is_not_written_over(kept: KeptHome, tmp_path: Path, there: str) -> None:
    target = tmp_path / "copy"
    {
        "file": target.touch,
        "folder": target.mkdir,
        "link": lambda: target.symlink_to(tmp_path / "nowhere"),
    }[there]()
    with pytest.raises(HomeError, match="is there already: name a new folder"):
        back_up(kept.engine, kept.home, target)
    assert not target.is_dir() or list(target.iterdir()) == []


def test_a_model_that_is_gone_or_changed_is_named_and_the_rest_kept(
    kept: KeptHome, tmp_path: Path
) -> None:
    kept.model_file.write_bytes(b"other weights")
    made = back_up(kept.engine, kept.home, tmp_path / "changed")
    assert made.missing == [f"model 1 (models/{kept.model_file.name}) was changed"]
    kept.model_file.unlink()
    made = back_up(kept.engine, kept.home, tmp_path / "gone")
    assert "no such file" in made.missing[0]
    assert names_in(tmp_path / "gone") == ["backup.json", DATABASE]


def test_a_damaged_record_is_refused_and_nothing_is_left(kept: KeptHome, tmp_path: Path) -> None:
    kept.engine.dispose()
    data = bytearray((kept.home / DATABASE).read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)
    (kept.home / DATABASE).write_bytes(data)
    with pytest.raises(RecordError, match="damaged"):
        back_up(kept.engine, kept.home, tmp_path / "copy")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home"]


def test_a_folder_that_cannot_be_written_is_one_plain_line(kept: KeptHome, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match=r"file/copy: not a directory|file/copy: file exists"):
        back_up(kept.engine, kept.home, tmp_path / "file" / "copy")


def test_a_backup_while_others_write_is_of_one_moment(kept: KeptHome, tmp_path: Path) -> None:
    stop, started = threading.Event(), threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            scans = kept.hand.scans(*(f"new {n} {k}" for k in range(20)))
            kept.hand.decide(kept.model_id, kept.threshold_id, dict.fromkeys(scans, 0.1))
            n += 1
            started.set()

    kept.hand.run()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        started.wait(30)
        copies = [tmp_path / f"copy {n}" for n in range(5)]
        for copy in copies:
            back_up(kept.engine, kept.home, copy)
    finally:
        stop.set()
        writer.join()
    for copy in copies:
        with closing(sqlite3.connect(copy / DATABASE)) as made:
            decided, scored, slices = (
                made.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("decision", "score", "slice_score")
            )
        assert decided == scored == slices
        assert decided % 20 == N_HEATMAPS


def test_of_a_record_in_postgresql_the_models_are_copied_and_pg_dump_is_named(
    postgresql: Server, tmp_path: Path
) -> None:
    url = postgresql.create()
    kept = kept_home(tmp_path / "home", url)
    made = back_up(kept.engine, kept.home, tmp_path / "copy")
    assert (made.record, made.models) == (None, 1)
    assert any("pg_dump" in each for each in made.notes)
    assert names_in(tmp_path / "copy") == ["backup.json", f"models/{kept.model_file.name}"]
    kept.engine.dispose()
    postgresql.drop(url)


def test_the_record_is_as_it_was(kept: KeptHome, tmp_path: Path) -> None:
    before = {t: kept.hand.count(t) for t in ("run", "scan", "decision")}
    back_up(kept.engine, kept.home, tmp_path / "copy")
    assert {t: kept.hand.count(t) for t in before} == before
    assert known_files(kept.engine, [FileKey("inbox/taught.png", 10, 20, 30, 40)])

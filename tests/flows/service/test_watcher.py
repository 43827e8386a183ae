"""The watcher with real events in a folder: what it records, hands on, and sees again."""

import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from db.entities import Arrival
from db.repository.intake.arrivals import open_arrivals
from flows.service.watcher import FOLDER_BACK, FOLDER_MISSING, NO_MODEL, Pace, Watcher
from mriad_model.paths import source_path
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tests.support.processes.waiting import until
from tests.support.scans.deliveries import drop


class Watching:
    """A watcher in a thread, over `root`; it hands on to a list."""

    def __init__(self, home: Path, root: Path, **pace: Any) -> None:
        self.home = home
        self.root = root
        self.handed: list[Sequence[int]] = []
        settings = {"quiet": 0.3, "sweep": 60.0} | pace
        self.swept = threading.Event()
        self.watcher = Watcher(home, str(root), Pace(**settings), self._hand_on, self.swept.set)
        self.thread = threading.Thread(target=self.watcher.run, daemon=True)

    def _hand_on(self, ids: Sequence[int]) -> float:
        self.handed.append(ids)
        return 60.0

    def __enter__(self) -> "Watching":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.end()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def arrived(self) -> list[Arrival]:
        return open_arrivals(database(str(self.home)))

    def paths(self) -> list[bytes]:
        found = [source_path(each.path, self.home) for each in self.arrived()]
        return sorted(os.fsencode(os.path.relpath(each, self.root)) for each in found)


@pytest.fixture
def with_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.service.watcher.has_model", lambda _: True)


@pytest.fixture
def home(tmp_path: Path, with_model: None) -> Path:
    return prepare_home(tmp_path / "home")


def test_events_bring_the_sweep_forward(home: Path) -> None:
    with Watching(home, home / "inbox") as watching:  # which sweeps once a minute by itself
        until(watching.swept.is_set)
        drop(home / "inbox" / os.fsdecode(b"f\xfcr\n1"))
        until(lambda: watching.paths() == [b"f\xfcr\n1"])
        drop(home / "elsewhere")
        (home / "elsewhere").rename(home / "inbox/moved in")
        until(lambda: watching.paths() == [b"f\xfcr\n1", b"moved in"])
        drop(home / "inbox/marked", ".complete")
        drop(home / "inbox/marked")
        drop(home / "inbox/marked", ".complete", b"now")
        until(lambda: watching.handed and len(watching.handed[-1]) == 3)


def test_folders_wait_for_a_model_and_both_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = threading.Event()
    monkeypatch.setattr("flows.service.watcher.has_model", lambda _: trained.is_set())
    monkeypatch.setattr("flows.service.watcher.NO_MODEL_SECONDS", 0.1)
    drop(home / "inbox/a")
    with Watching(home, home / "inbox") as watching:
        until(watching.arrived)
        until(lambda: NO_MODEL.format(n=1) in capsys.readouterr().err)
        assert not watching.handed
        trained.set()
        assert until(lambda: watching.handed) == [[1]]
        assert "a model is active now" in capsys.readouterr().err


def test_what_lay_there_before_the_start_is_found_and_what_was_recorded_is_not_again(
    home: Path,
) -> None:
    drop(home / "inbox/a")
    with Watching(home, home / "inbox") as watching:
        until(lambda: watching.handed)
    drop(home / "inbox/b")
    with Watching(home, home / "inbox", quiet=3600.0) as watching:
        # Without waiting: it stood so, and no run is done with it.
        assert until(lambda: watching.handed) == [[1]]
    assert [each.path for each in watching.arrived()] == ["inbox/a"]


@pytest.mark.parametrize("poll", [False, True])
def test_a_root_that_is_deleted_and_made_again_is_watched_again(
    home: Path, capsys: pytest.CaptureFixture[str], *, poll: bool
) -> None:
    root = home / "share"
    drop(root / "a")
    with Watching(home, root, poll=poll, sweep=0.3) as watching:
        until(lambda: watching.paths() == [b"a"])
        shutil.rmtree(root)
        until(lambda: FOLDER_MISSING in capsys.readouterr().err)
        drop(root / "b")
        until(lambda: watching.paths() == [b"a", b"b"])
    assert FOLDER_BACK in capsys.readouterr().err

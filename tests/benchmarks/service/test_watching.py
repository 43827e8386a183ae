"""Waiting for dropped folders: as long as their number asks for, and no longer than they take."""

import time
from pathlib import Path

import pytest

from benchmarks.service import watching
from db import schema
from db.engine.connect import open_record, writing
from mriad_model.enums import SettledBy
from tasks.runtime.home import prepare_home

AT = "2026-01-01T00:00:00+00:00"


class Clock:
    """A clock that sleeping moves; from a moment on, the folder is decided."""

    def __init__(self, home: Path, decided_at: float) -> None:
        self.now = 0.0
        self.home = home
        self.decided_at = decided_at

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        before, self.now = self.now, self.now + seconds
        if before < self.decided_at <= self.now:
            decide(self.home)


def decide(home: Path) -> None:
    arrived = {"path": "inbox/a", "fingerprint": "-", "n_files": 1}
    run = {"flow": "score", "flow_run_id": "r", "software_version": "0", "libraries": "{}"}
    with writing(open_record(home)) as connection:
        connection.execute(schema.run.insert(), {**run, "device": "cpu", "started_at": AT})
        settled = {"settled_by": SettledBy.QUIET, "settled_at": AT}
        connection.execute(schema.arrival.insert(), {**arrived, **settled})
        end = {"arrival_id": 1, "run_id": 1, "ended_at": AT}
        connection.execute(schema.arrival_end.insert(), end)


@pytest.mark.parametrize(("n", "decided_at", "waited"), [(1, 30, 30), (2, 30, 604), (9, 1e9, 618)])
def test_a_wait_ends_when_all_are_decided_or_when_it_is_longer_than_so_many_take(
    n: int, decided_at: float, waited: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = prepare_home(tmp_path / "home")
    clock = Clock(home, decided_at)
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    watching.await_folders(home, n)
    assert clock.now == pytest.approx(waited, abs=1)

"""The watcher with real events in a folder: what it records, hands on, and sees again."""

import csv
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from db.entities import Arrival
from db.repository.arrivals import append_arrivals, open_arrivals
from db.repository.history import HistoryQuery, decisions
from db.timestamps import now
from flows.deployments import deployments
from flows.nightly import nightly, score_arrivals
from flows.service.filesystem_events import Events
from flows.service.triggers import FIRST_PAUSE_SECONDS, Deployed, InProcess, Pauses, idempotency_key
from flows.service.watcher import FOLDER_BACK, FOLDER_MISSING, NO_MODEL, Pace, Watcher
from flows.settings import read_settings
from mriad_model.delivery.pending import PendingReason
from mriad_model.enums import RejectionReason, SettledBy
from mriad_model.paths import source_path
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tests.conftest import Trained
from tests.support.waiting import PATIENCE, until


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


def drop(folder: Path, name: str = "1.png", data: bytes = b"scan") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


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


def test_events_are_those_of_the_root_that_is_there(tmp_path: Path) -> None:
    wake = threading.Event()
    root = tmp_path / "root"
    root.mkdir()
    with closing(Events(str(root), wake, poll=False, seconds=1.0)) as events:
        events.keep()
        drop(root / "a")
        assert wake.wait(PATIENCE)
        shutil.rmtree(root)
        root.mkdir()
        time.sleep(0.1)
        events.keep()
        wake.clear()
        drop(root / "b")
        assert wake.wait(PATIENCE)
        time.sleep(0.2)
        wake.clear()
        list(os.scandir(root / "b"))
        (root / "b/1.png").read_bytes()
        assert not wake.wait(0.5)  # reading is nothing new: sweeps would wake themselves


def test_a_run_that_comes_to_nothing_is_tried_again_later_and_later() -> None:
    pauses = Pauses()
    pauses.begun([1, 2])
    pauses.ended([2], 100.0)
    assert pauses.left(100.0) == FIRST_PAUSE_SECONDS
    pauses.begun([2, 3])
    pauses.ended([2, 3], 200.0)
    assert pauses.left(200.0) == 2 * FIRST_PAUSE_SECONDS
    pauses.begun([2, 3])
    pauses.ended([4], 300.0)
    assert pauses.left(300.0) == 0


def test_a_key_is_the_same_until_a_run_has_ended() -> None:
    before, after = uuid4(), uuid4()
    assert idempotency_key([1, 2], before) == idempotency_key([2, 1], before)
    assert idempotency_key([1, 2], before) != idempotency_key([1, 2, 3], before)
    assert idempotency_key([1, 2], before) != idempotency_key([1, 2], after)


@pytest.fixture
def settled(trained: Trained) -> Callable[..., list[int]]:
    """Fill folders of the inbox with pictures; give the ids of their arrivals."""
    pictures = sorted((trained.heads / "yes").iterdir())

    def fill(**folders: int) -> list[int]:
        for name, picture in folders.items():
            folder = trained.home / "inbox" / name
            folder.mkdir(exist_ok=True)
            shutil.copy(pictures[picture], folder / f"{picture}.png")
        return until(lambda: arrivals_of(trained.home, folders))

    def arrivals_of(home: Path, folders: dict[str, int]) -> list[int]:
        from mriad_model.delivery.snapshot import files_in, fingerprint

        return append_arrivals(
            database(str(home)),
            [
                Arrival(
                    f"inbox/{name}",
                    fingerprint(files_in(home / "inbox" / name)),
                    1,
                    SettledBy.QUIET,
                    now(),
                )
                for name in folders
            ],
        )

    return fill


def decided(home: Path) -> list[str | None]:
    rows = decisions(database(str(home)), HistoryQuery(limit=None))
    return sorted(row.path or "" for row in rows)


def test_only_what_stands_as_it_settled_is_scored(
    trained: Trained, settled: Callable[..., list[int]]
) -> None:
    home, engine = trained.home, database(str(trained.home))
    ids = settled(a=0, b=1, c=2, d=3)
    drop(home / "inbox/b", "more.png", b"half a pic")
    shutil.rmtree(home / "inbox/c")
    done = score_arrivals(home, ids[:3], "cpu")
    assert decided(home) == ["inbox/a/0.png"]
    assert (done.arrivals, done.waiting, done.vanished) == (1, 1, 1)
    assert [each.id for each in open_arrivals(engine)] == ids[1:]

    (home / "inbox/b/more.png").unlink()
    again = settled(b=4)  # two files now: another state of the folder
    done = score_arrivals(home, None, "cpu")
    assert decided(home) == [f"inbox/{name}.png" for name in ("a/0", "b/1", "b/4", "d/3")]
    assert done.arrivals == 3  # the earlier state of b is done with the later one
    assert again != ids[1:2]
    assert [each.path for each in open_arrivals(engine)] == ["inbox/c"]
    assert score_arrivals(home, ids, "cpu").scoring.scored == 0


def test_a_folder_that_stays_away_is_given_up_with_a_rejection(
    trained: Trained, settled: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(a=0)
    shutil.rmtree(trained.home / "inbox/a")
    assert score_arrivals(trained.home, None, "cpu").arrivals == 0
    monkeypatch.setattr("tasks.intake.arrivals.now", lambda: "2099-01-01T00:00:00.000000+00:00")
    done = score_arrivals(trained.home, None, "cpu")
    assert done.arrivals == 1
    (refused,) = done.scoring.rejected
    assert (refused.path, refused.reason) == ("inbox/a", RejectionReason.UNREADABLE.value)


def test_the_night_finds_what_no_watcher_saw(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRIAD_QUIET_SECONDS", "0.2")
    monkeypatch.setenv("MRIAD_DEVICE", "cpu")
    pictures = sorted((trained.heads / "yes").iterdir())
    drop(trained.home / "inbox/a", "1.png", pictures[0].read_bytes())
    drop(trained.home / "inbox/b", "1.png", pictures[1].read_bytes())
    drop(trained.home / "inbox/b", "2.png.part", pictures[2].read_bytes())
    first = nightly(trained.home)
    assert first.scoring.scored == 1
    assert (trained.home / first.scoring.report).exists()
    assert decided(trained.home) == ["inbox/a/1.png"]
    (trained.home / "inbox/b/2.png.part").rename(trained.home / "inbox/b/2.png")
    assert nightly(trained.home).scoring.scored == 2
    assert nightly(trained.home).arrivals == 0


def page_and_table(home: Path, report: str) -> tuple[str, list[tuple[str, str]]]:
    """The text of a page, and what the table beside it says of folders that are not scored."""
    with (home / report).with_suffix(".csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["result"] == "not_scored"]
    return (home / report).read_text(), [(row["path"], row["reason"]) for row in rows]


def test_the_morning_names_the_folders_that_are_not_scored_and_says_why(
    trained: Trained, settled: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRIAD_QUIET_SECONDS", "0.2")
    monkeypatch.setenv("MRIAD_DEVICE", "cpu")
    home = trained.home
    settled(gone=0)
    shutil.rmtree(home / "inbox/gone")
    drop(home / "inbox/halfway", "b.JPG.part")
    drop(home / "inbox/halfway", "Y17.jpg")
    drop(home / "inbox/study.part/series", "1.dcm")
    night = nightly(home)
    page, rows = page_and_table(home, night.scoring.report)
    assert sorted(rows) == [
        ("inbox/gone/", "vanished"),
        ("inbox/halfway/", "copy_under_way"),
        ("inbox/study.part/", "copy_under_way"),
    ]
    assert "3 deliveries are not scored yet" in page
    assert page.index("inbox/halfway") < page.index("Suspicious scans, worst first")
    assert "<h2>Scans not scored</h2>\n<p>None.</p>" not in page
    assert {each.path: each.n_files for each in night.pending.folders} == {
        "inbox/gone": 1,
        "inbox/halfway": 2,
        "inbox/study.part": 1,
    }
    assert all(each.since for each in night.pending.folders)


def test_a_folder_that_changed_after_it_had_settled_is_named(
    trained: Trained, settled: Callable[..., list[int]]
) -> None:
    ids = settled(a=0)
    drop(trained.home / "inbox/a", "more.png", b"half a pic")
    done = score_arrivals(trained.home, ids, "cpu")
    page, rows = page_and_table(trained.home, done.scoring.report)
    assert rows == [("inbox/a/", "changed_again")]
    assert "A delivery is not scored yet" in page


def test_a_folder_that_still_changes_is_named_once(
    trained: Trained, settled: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had settled before, so it is both unsettled and waited for."""
    monkeypatch.setenv("MRIAD_QUIET_SECONDS", "0.2")
    settled(a=0)
    drop(trained.home / "inbox/a", "2.png.tmp")
    drop(trained.home / "inbox/a", "3.png")
    (folder,) = nightly(trained.home).pending.folders
    assert (folder.path, folder.why, folder.n_files) == ("inbox/a", PendingReason.COPYING, 3)


def test_the_morning_says_that_the_watched_folder_is_not_there(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRIAD_WATCH", str(tmp_path / "share"))
    page, rows = page_and_table(trained.home, nightly(trained.home).scoring.report)
    assert rows == [(str(tmp_path / "share"), "watched_folder_missing")]
    assert "The watched folder is missing" in page


def test_scoring_in_this_process_takes_the_newest_and_goes_on_after_errors() -> None:
    scored: list[list[int]] = []
    scorer = InProcess(scored.append)
    assert scorer([1]) > 0
    scorer([2, 1])
    scorer.work(lambda: [], lambda: bool(scored))
    assert scored == [[1, 2]]


@pytest.mark.parametrize("by_setting", [True, False])
def test_a_worker_is_told_of_a_home_only_where_it_is_not_mriad_home(
    prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_setting: bool
) -> None:
    """A worker on another machine may have it at another place."""
    from prefect.client.orchestration import get_client

    monkeypatch.setenv("MRIAD_HOME", str(tmp_path if by_setting else tmp_path / "another"))
    (planned,) = [each for each in deployments(read_settings()) if each.name == "on-new-scans"]
    with get_client(sync_client=True) as client:
        deployment = planned.to_serve().apply()
        try:
            with closing(Deployed(tmp_path)) as deployed:
                deployed([1])
            (run,) = [r for r in client.read_flow_runs() if r.deployment_id == deployment]
        finally:
            client.delete_deployment(deployment)
    assert run.parameters == ({} if by_setting else {"home": str(tmp_path)})


def test_a_run_that_failed_is_said(
    prefect_server: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Failed

    (planned,) = [each for each in deployments(read_settings()) if each.name == "on-new-scans"]
    with get_client(sync_client=True) as client, closing(Deployed(tmp_path)) as deployed:
        deployment = planned.to_serve().apply()
        try:
            deployed([1])
            (run,) = [r for r in client.read_flow_runs() if r.deployment_id == deployment]
            assert "ended as" not in capsys.readouterr().err
            client.set_flow_run_state(run.id, Failed(), force=True)
            assert deployed([1]) > 0  # a pause
            assert "a run over new scans ended as failed" in capsys.readouterr().err
        finally:
            client.delete_deployment(deployment)

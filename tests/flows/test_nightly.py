"""Runs over new scans: what has settled is scored, and the page names what is not."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from db.entities import Arrival
from db.repository.intake.arrivals import append_arrivals, open_arrivals
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.timestamps import now
from flows.nightly import nightly, score_arrivals
from mriad_model.delivery.pending import PendingReason
from mriad_model.enums import RejectionReason, SettledBy
from tasks.runtime.connections import database
from tests.conftest import Trained
from tests.support.processes.waiting import until
from tests.support.scans.deliveries import drop


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
    (rejected,) = done.scoring.rejected
    assert (rejected.path, rejected.reason) == ("inbox/a", RejectionReason.UNREADABLE.value)


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

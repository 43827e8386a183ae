"""When a folder has settled: real folders, a clock of our own."""

import os
import shutil
from pathlib import Path

import pytest

from mriad_model.delivery.pending import PendingReason
from mriad_model.delivery.settling import PATIENCE, SettleTracker
from mriad_model.delivery.snapshot import files_in, fingerprint, take_snapshot
from mriad_model.enums import SettledBy

QUIET = 60.0


class Room:
    """A watched folder and its clock. `look` gives what settled, as paths below the folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.now = 1000.0
        self.start()

    def start(self) -> None:
        self.watched = SettleTracker(str(self.root), QUIET)

    def file(self, name: str | bytes, data: bytes = b"scan") -> None:
        path = self.root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def look(self, after: float = 0.0) -> list[str]:
        self.now += after
        self.seen = self.watched.observe(take_snapshot(str(self.root)), self.now)
        return sorted(os.path.relpath(each.snapshot.path, self.root) for each in self.seen.settled)

    def wait(self, seconds: float, step: float = 10.0) -> list[str]:
        found = []
        for _ in range(round(seconds / step)):
            found += self.look(step)
        return found


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "inbox")


def test_a_folder_settles_once_when_nothing_has_changed_for_the_quiet_period(room: Room) -> None:
    room.file("a/1.png")
    assert room.look() == []
    assert room.seen.due == room.now + QUIET
    assert room.look(59) == []
    assert room.look(1) == ["a"]
    assert room.seen.settled[0].by is SettledBy.QUIET
    assert room.wait(600) == []
    assert room.seen.due is None


def test_a_copy_that_stalls_and_goes_on_starts_the_clock_again(room: Room) -> None:
    room.file("a/1.png", b"half")
    assert room.wait(50) == []
    room.file("a/1.png", b"half and half")
    room.file("a/2.png")
    assert room.wait(60) == []
    assert room.look(10) == ["a"]
    assert room.seen.settled[0].snapshot.n_files == 2


@pytest.mark.parametrize("name", ["2.png.part", "2.PART", "2.tmp", "2.part/1.dcm"])
def test_a_copy_under_way_holds_its_folder_until_it_is_renamed(room: Room, name: str) -> None:
    room.file("a/1.png")
    room.file(f"a/{name}")
    assert room.wait(20 * QUIET) == []
    assert [each.why for each in room.seen.unsettled] == [PendingReason.COPYING]
    (room.root / "a" / Path(name).parts[0]).rename(room.root / "a/done")
    room.wait(QUIET)
    assert "a" in room.wait(20)


def test_a_file_under_a_hidden_name_that_grows_keeps_its_folder_restless(room: Room) -> None:
    room.file("a/1.png")
    for n in range(20):
        room.file("a/.2.png.Xy12", b"x" * n)
        assert room.look(20) == []
    (room.root / "a/.2.png.Xy12").unlink()
    room.look()
    assert room.look(QUIET) == ["a"]


def test_a_folder_renamed_in_settles_like_any_other(room: Room, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.png").write_bytes(b"scan")
    room.look()
    (tmp_path / "elsewhere").rename(room.root / "b")
    assert room.look(10) == []
    assert room.look(QUIET) == ["b"]


def test_a_folder_marked_complete_settles_at_once(room: Room) -> None:
    room.file("a/1.png")
    room.file("a/.complete")
    assert room.look() == ["a"]
    assert room.seen.settled[0].by is SettledBy.COMPLETE
    assert room.seen.settled[0].snapshot.n_files == 1


def test_a_mark_speaks_for_the_folders_below_it_but_not_from_the_root(room: Room) -> None:
    room.file("study/series-1/1.dcm")
    room.file("study/series-2/sub/1.dcm")
    room.file("other/1.png")
    room.file("study/.complete")
    room.file(".complete")
    assert room.look() == ["study/series-1", "study/series-2/sub"]


def test_a_mark_says_nothing_of_what_came_after_it(room: Room) -> None:
    room.file("a/.complete")
    mark = (room.root / "a/.complete").stat().st_ctime_ns
    while True:  # the disk's clock ticks every few milliseconds
        room.file("a/1.png")
        if (room.root / "a/1.png").stat().st_ctime_ns > mark:
            break
    assert room.look() == []
    assert room.look(QUIET) == ["a"]


def test_a_folder_touched_again_settles_again(room: Room) -> None:
    room.file("a/1.png")
    room.look()
    assert room.look(QUIET) == ["a"]
    os.utime(room.root / "a/1.png", (1, 1))
    assert room.look(10) == []
    assert room.look(QUIET) == ["a"]


def test_a_file_that_can_be_read_now_makes_its_folder_settle_again(room: Room) -> None:
    room.file("a/1.png")
    (room.root / "a/1.png").chmod(0)
    room.look()
    assert room.look(QUIET) == ["a"]
    (room.root / "a/1.png").chmod(0o600)
    assert room.look() == []
    assert room.look(QUIET) == ["a"]


def test_what_stood_so_before_the_start_is_not_new(room: Room) -> None:
    room.file("a/1.png")
    room.file("b/1.png")
    (known,) = (each for each in take_snapshot(str(room.root)) if each.path.endswith("/a"))
    room.start()
    room.watched.known(known.path, known.fingerprint)
    room.look()
    assert room.watched.has_settled(known.path, known.fingerprint)
    assert room.look(QUIET) == ["b"]


def test_a_root_made_again_is_looked_at_afresh(room: Room) -> None:
    room.file("a/1.png")
    room.look()
    assert room.look(QUIET) == ["a"]
    shutil.rmtree(room.root)
    with pytest.raises(FileNotFoundError):
        list(take_snapshot(str(room.root)))
    room.file("a/1.png")
    room.file("b/1.png")
    assert room.look(10) == []
    assert room.look(QUIET) == ["a", "b"]


def test_the_series_of_a_study_wait_for_each_other(room: Room) -> None:
    room.file("patient/study/series-1/1.dcm")
    room.file("patient/study-2/series/1.dcm")
    room.look()
    room.now += 50
    room.file("patient/study/series-2/1.dcm")
    assert room.look() == []
    assert room.look(10) == ["patient/study-2/series"]
    assert room.look(50) == ["patient/study/series-1", "patient/study/series-2"]


def test_a_folder_that_waits_says_for_what(room: Room) -> None:
    room.file("study/1/a.dcm")
    room.look()
    room.file("study/2/a.dcm")
    room.file("study/3/a.dcm.part")
    assert room.look(QUIET) == []
    assert {Path(each.snapshot.path).name: each.why for each in room.seen.unsettled} == {
        "1": PendingReason.NEIGHBOURS,
        "2": PendingReason.CHANGING,
        "3": PendingReason.COPYING,
    }


def test_a_study_waits_for_a_series_that_is_copied_under_another_name(room: Room) -> None:
    room.file("study/series-1/1.dcm")
    room.file("study/series-2/1.dcm.part")
    assert room.wait(5 * QUIET) == []
    (room.root / "study/series-2/1.dcm.part").rename(room.root / "study/series-2/1.dcm")
    room.look()
    assert room.look(QUIET) == ["study/series-1", "study/series-2"]


def test_a_folder_does_not_wait_for_ever_for_its_neighbours(room: Room) -> None:
    found = []
    for n in range(40):
        room.file(f"2026-11/scan-{n}/1.png")
        found += room.look(QUIET / 2)
    assert found == [f"2026-11/scan-{n}" for n in range(40 - 2 * PATIENCE)]


def test_folders_side_by_side_and_loose_files_do_not_wait_for_each_other(room: Room) -> None:
    room.file("a/1.png")
    room.file("loose.png")
    room.file("coming.part/1.png")
    room.look()
    room.now += 50
    room.file("b/1.png")
    room.look()
    assert room.look(10) == [".", "a"]


def test_names_may_hold_any_bytes(room: Room) -> None:
    room.file(b"f\xfcr \xff\n/\xe4.png")
    room.look()
    room.look(QUIET)
    (settled,) = room.seen.settled
    assert os.fsencode(settled.snapshot.path).endswith(b"f\xfcr \xff\n")
    assert fingerprint(files_in(Path(settled.snapshot.path))) == settled.snapshot.fingerprint


def test_the_fingerprint_is_the_same_by_either_road(room: Room) -> None:
    room.file("a/2.png", b"22")
    room.file("a/1.png")
    room.file("a/.hidden")
    (room.root / "a/link").symlink_to("1.png")
    os.mkfifo(room.root / "a/pipe")
    (room.root / "a/below").mkdir()
    (look,) = take_snapshot(str(room.root))
    held = files_in(room.root / "a")
    assert [each.path.name for each in held] == ["1.png", "2.png", "link", "pipe"]
    assert fingerprint(held) == look.fingerprint


def test_a_folder_deeper_than_paths_go_does_not_stop_the_sweep(room: Room) -> None:
    room.file("a/1.png")
    descriptor = os.open(room.root, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=descriptor)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    looks = {Path(each.path).name[:1] for each in take_snapshot(str(room.root))}
    assert looks == {"a", "d"}  # the last folder that can be named holds one that cannot be opened

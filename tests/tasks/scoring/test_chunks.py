"""Chunks that several runs share: their order, what each leaves, and that they travel whole."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mriad_model.enums import RejectionReason
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.write import write_dicom_series
from mriad_model.rejections import RejectedItem
from tasks.intake.find_files import ScanSources
from tasks.intake.ingest import Ingested
from tasks.scoring import chunks
from tasks.scoring.chunks import Chunk, ChunkResult, SharedChunks, chunks_of
from tasks.scoring.score import ScoredChunk
from tasks.scoring.selection import wanted_scans
from tests.support.scans.phantoms import CONTRAST, SHAPE
from tests.tasks.conftest import Bench


@pytest.fixture
def ten(tmp_path: Path) -> SharedChunks:
    """Ten chunks of a scan each."""
    shared = SharedChunks(tmp_path, tmp_path / "shared")
    shared.write(chunks_of(wanted_scans((i, 1) for i in range(10)), [], 1))
    return shared


def result(decided: int, path: str = "a.png") -> ChunkResult:
    refused = [RejectedItem(path, RejectionReason.CORRUPT, "no picture")]
    read = Ingested([(1, path)], 1, 2, refused)
    return ChunkResult(read, wanted_scans([(1, 1)]), ScoredChunk(1, decided, 1 - decided))


def order(shared: SharedChunks, shard: int, shards: int) -> list[int]:
    return [number for number, _ in shared.left_for(shard, shards)]


@pytest.mark.parametrize(
    ("shard", "shards", "expected"),
    [
        (0, 2, [0, 1, 2, 3, 4, 9, 8, 7, 6, 5]),
        (1, 2, [5, 6, 7, 8, 9, 4, 3, 2, 1, 0]),
        (1, 3, [3, 4, 5, 9, 8, 7, 6, 2, 1, 0]),
        (0, 1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_a_shard_begins_with_its_own_range_and_helps_others_from_their_ends(
    ten: SharedChunks, shard: int, shards: int, expected: list[int]
) -> None:
    assert order(ten, shard, shards) == expected


def test_what_is_done_since_is_found_whoever_did_it(ten: SharedChunks) -> None:
    for number in (4, 1, 7):
        ten.finish(number, result(number))
    assert [number for number, _ in ten.finished()] == [1, 4, 7]
    assert [each.scored.decided for _, each in ten.finished(but={4})] == [1, 7]


def test_what_another_has_begun_is_left_to_it(ten: SharedChunks) -> None:
    other, mine = ten.left_for(1, 2), ten.left_for(0, 2)
    assert [next(other)[0] for _ in range(4)] == [5, 6, 7, 8]
    assert [number for number, _ in mine] == [0, 1, 2, 3, 4, 9]
    assert list(other) == []


def test_what_another_has_begun_and_not_done_is_done_once_it_counts_as_dead(
    ten: SharedChunks,
) -> None:
    for number in order(ten, 0, 1):
        if number not in (4, 7):
            ten.finish(number, result(1))
    behind = replace(ten, patience=0.0).left_behind()
    found = []
    for number, chunk in behind:
        assert chunk.known is not None
        assert chunk.known.scan_ids == [number]
        found.append(number)
        ten.finish(number, result(0))
    assert found == [4, 7]


def test_it_is_waited_for_until_then(ten: SharedChunks, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = order(ten, 0, 1)
    # This module's clock alone: other threads of the process sleep as well.
    monkeypatch.setattr(
        chunks,
        "time",
        SimpleNamespace(
            sleep=lambda _: ten.finish(begun.pop(), result(1)), monotonic=time.monotonic
        ),
    )
    assert list(ten.left_behind()) == []
    assert begun == []
    assert ten.n_results == 10


def test_the_wait_begins_anew_with_each_result_of_another(
    ten: SharedChunks, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, clock = order(ten, 0, 1), [0.0]

    def sleep(_: float) -> None:
        clock[0] += 0.7 * ten.patience
        ten.finish(begun.pop(), result(1))

    monkeypatch.setattr(chunks, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock[0]))
    assert next(ten.left_behind(), None) is None
    assert clock == [pytest.approx(7 * ten.patience)]


def test_ones_own_results_are_no_sign_of_life_of_another(
    ten: SharedChunks, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(ten, 0, 1)
    clock = [0.0]
    monkeypatch.setattr(
        chunks,
        "time",
        SimpleNamespace(
            sleep=lambda _: clock.append(clock[-1] + ten.patience), monotonic=lambda: clock[-1]
        ),
    )
    for number, _ in ten.left_behind():
        ten.finish(number, result(1))
    assert ten.n_results == 10
    assert clock == [0.0, ten.patience]


def test_two_that_wait_take_over_different_chunks_and_one_that_dies_is_taken_over_too(
    ten: SharedChunks,
) -> None:
    for number in order(ten, 0, 1):
        if number not in (4, 7):
            ten.finish(number, result(1))
    impatient = replace(ten, patience=0.0)
    one, two, three = (impatient.left_behind() for _ in range(3))
    assert [next(each)[0] for each in (one, two, three)] == [4, 7, 4]


def test_a_chunk_that_another_has_done_meanwhile_is_passed_over(ten: SharedChunks) -> None:
    left = ten.left_for(0, 2)
    assert next(left)[0] == 0
    for number in (1, 2, 9):
        ten.finish(number, result(1))
    assert [number for number, _ in left] == [3, 4, 8, 7, 6, 5]  # 0 is in hand


def test_of_two_results_of_a_chunk_the_first_stays(ten: SharedChunks) -> None:
    strange = os.fsdecode(b"\xff scan.png")
    ten.finish(3, result(1, strange))
    ten.finish(3, result(0))
    ten.finish(1, result(0))
    assert ten.results() == [result(0), result(1, strange)]
    assert ten.n_results == 2


def test_shards_end_when_the_folder_has_gone_with_the_run_that_made_it(ten: SharedChunks) -> None:
    left = ten.left_for(1, 2)
    next(left)
    shutil.rmtree(ten.folder)
    ten.finish(5, result(1))
    assert list(left) == list(ten.left_for(1, 2)) == list(ten.left_behind()) == []
    assert not ten.folder.exists()


def test_series_and_pictures_travel_whole_to_a_home_at_another_path(
    bench: Bench, tmp_path: Path, heads: Path
) -> None:
    inbox, outside = bench.home / "inbox", tmp_path / "outside"
    write_dicom_series(inbox / "series", phantom_volume(1, CONTRAST, None, SHAPE), patient="P-17")
    shutil.copy(next((heads / "no").iterdir()), inbox / os.fsdecode(b"\xff head.png"))
    shutil.copytree(heads / "yes", outside)
    unread = [*bench.find(inbox).unread, *bench.find(outside).unread]
    there = SharedChunks(bench.home, bench.home / "work" / "shared")
    there.write(chunks_of(wanted_scans([]), unread, 4))
    moved = tmp_path / "moved"
    bench.home.rename(moved)
    told = [chunk for _, chunk in SharedChunks(moved, moved / "work" / "shared").left_for(0, 1)]
    moved.rename(bench.home)
    for mark in there.folder.glob("*.begun"):
        mark.unlink()
    assert all(path.is_relative_to(moved) or path.parent == outside for path in files(told))
    assert told != chunks_of(wanted_scans([]), unread, 4)
    assert [chunk for _, chunk in there.left_for(0, 1)] == chunks_of(wanted_scans([]), unread, 4)


def files(chunks: list[Chunk]) -> list[Path]:
    sources = ScanSources.of(each.unread for each in chunks)
    of_volumes = [file for volume in sources.volumes for file in volume.files]
    return [each.path for each in (*sources.pictures, *of_volumes)]

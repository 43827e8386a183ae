"""A folder in which reading takes too long, night after night."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tasks.intake.ingest
import tasks.intake.read_sources
from db.repository.rejections import rejections_of
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.sandbox.time_budget import TimeBudget
from mriad_model.readers.sandbox.worker import ChildLimits
from tasks.intake.find_files import ScanSources
from tests.support.deadly import store_or_loop
from tests.tasks.conftest import Bench


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One late file a folder, one more in little time; then no other is tried."""
    budgets: dict[int, TimeBudget] = {}

    def of_run(_home: str, run_id: int) -> TimeBudget:
        return budgets.setdefault(run_id, TimeBudget(4, quick_seconds=3, n_late=1, n_put_off=1))

    with ReaderPool(1, ChildLimits(seconds=4)) as children:
        monkeypatch.setattr(tasks.intake.read_sources, "reader_pool", lambda: children)
        monkeypatch.setattr(tasks.intake.ingest, "time_budget", of_run)
        monkeypatch.setattr(tasks.intake.read_sources, "store_image", store_or_loop)
        yield


@pytest.mark.usefixtures("impatient")
def test_what_was_not_tried_is_tried_by_the_next_run_and_nothing_is_lost(
    bench: Bench, scans: Path
) -> None:
    folder = scans / "stuck"
    folder.mkdir()
    for number in range(3):
        (folder / f"slow-{number}.png").write_bytes((scans / "0.png").read_bytes() + bytes(number))
    (scans / "2.png").rename(folder / "z.png")  # a good one, behind them

    def night(run: Bench) -> tuple[set[str], dict[str, str]]:
        seen = {Path(path).name for _, path in run.ingest(scans).seen}
        rows = rejections_of(run.engine, [run.run_id])
        return seen, {Path(row.path).name: row.reason.value for row in rows}

    assert night(bench) == (
        {"0.png", "1.png"},
        {
            "slow-0.png": "timed_out",
            "slow-1.png": "unreadable",
            "slow-2.png": "unreadable",
            "z.png": "unreadable",
        },
    )
    second = bench.next_night()
    assert {path.name for each in second.find(scans).unread for path in _paths(each)} == {
        *("slow-1.png", "slow-2.png", "z.png")
    }
    seen, refused = night(second)
    assert refused == {"slow-1.png": "timed_out"}  # the others are refused as they were
    assert seen == set()
    seen, refused = night(second.next_night())
    assert seen == {"z.png"}
    assert refused == {"slow-2.png": "timed_out"}
    assert second.next_night().find(scans).unread == []


def _paths(source: ScanSources) -> list[Path]:
    return [each.path for each in source.pictures]

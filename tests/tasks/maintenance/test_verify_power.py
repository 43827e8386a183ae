"""The power of a model, replayed: the lesions are implanted again, and come out as recorded."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from db.repository.training.models import model_by_id
from mriad_model.promotion.power import METRIC, from_metrics
from tasks.maintenance.verify import replay_decisions
from tasks.maintenance.verify_report import ReplayCounts, ReplayReport
from tasks.runtime.connections import database
from tests.conftest import Trained


def verify(trained: Trained, *, power: bool = True) -> ReplayReport:
    folder = str(trained.home / "work" / "power")
    return replay_decisions.fn(str(trained.home), None, "cpu", folder, quick=True, power=power)


@contextmanager
def metrics_changed(trained: Trained) -> Iterator[dict[str, Any]]:
    """The model's metrics, to be changed behind the record's back."""
    with closing(sqlite3.connect(trained.home / "mriad.db", isolation_level=None)) as shell:
        triggers = shell.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            shell.execute(f"DROP TRIGGER {name}")
        (text,) = shell.execute("SELECT metrics FROM model").fetchone()
        metrics = json.loads(text)
        yield metrics
        shell.execute("UPDATE model SET metrics = ?", (json.dumps(metrics),))


def test_implants_come_out_to_the_last_bit_and_are_left_out_where_nobody_asks(
    trained: Trained,
) -> None:
    engine = database(str(trained.home))
    n = len(from_metrics(model_by_id(engine, trained.model_id).metrics))
    rejections = _count(trained.home, "rejection")
    report = verify(trained)
    assert report.whole
    assert report.power == ReplayCounts(identical=n)
    assert n > 10
    assert "power of models" not in [each.what for each in report.not_recomputed]
    left = verify(trained, power=False)
    assert left.power == ReplayCounts()
    assert "power of models" in [each.what for each in left.not_recomputed]
    assert _count(trained.home, "rejection") == rejections


@pytest.mark.parametrize("what", ["score", "kind", "millimetres"])
def test_a_recorded_implant_that_was_changed_is_a_fault_of_the_model(
    trained: Trained, what: str
) -> None:
    with metrics_changed(trained) as metrics:
        for each in metrics[METRIC]:
            each[what] = "oedema" if what == "kind" else (each[what] or 0.0) + 1.0
    report = verify(trained)
    (first, *_) = [each for each in report.faults if each.what == f"model {trained.model_id}"]
    assert "comes out as" in first.why
    assert report.power.mismatched > 10
    threshold = [each for each in report.faults if each.what.startswith("threshold")]
    assert threshold
    assert all("by the implants drawn again it finds" in each.why for each in threshold)


def test_implants_of_a_scan_that_is_gone_are_told(trained: Trained, tmp_path: Path) -> None:
    with metrics_changed(trained):
        pass
    with closing(sqlite3.connect(trained.home / "mriad.db", isolation_level=None)) as shell:
        shell.execute("UPDATE sighting SET path = path || '.gone'")
    report = verify(trained)
    assert report.power == ReplayCounts()
    (told,) = [each for each in report.not_recomputed if each.what == "implants of models"]
    assert told.n > 10
    assert report.whole


def _count(home: Path, table: str) -> int:
    with closing(sqlite3.connect(home / "mriad.db")) as shell:
        return int(shell.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

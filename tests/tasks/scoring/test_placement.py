"""Scans that a model cannot compare: rejected, and not tried again by this model."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from db.repository.intake.rejections import rejections_of
from db.repository.scoring.unscored import unscored_by
from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from tasks.scoring.placement import placed
from tasks.scoring.preprocess import FailedScan, reject_scans
from tests.conftest import Trained
from tests.tasks.conftest import Bench, bench_in

WHY = "its structure does not lie where the site's mean head has it"


def first_scan(bench: Bench, scans: Path) -> list[Any]:
    return bench.prepare([bench.ingest(scans).seen[0][0]])


def test_a_scan_that_lies_elsewhere_is_rejected_and_remembered_of_the_model(
    trained: Trained, scans: Path
) -> None:
    bench, fitted = bench_in(trained.home), SimpleNamespace(misplaced=lambda _: WHY)
    (head,) = first_scan(bench, scans)
    assert placed(str(bench.home), bench.run_id, cast(Any, fitted), [head]) == []
    assert unscored_by(bench.engine, trained.model_id) == []  # it is being trained
    assert placed(str(bench.home), bench.run_id, cast(Any, fitted), [head], trained.model_id) == []
    (row,) = rejections_of(bench.engine, [bench.run_id])
    assert (row.reason, row.detail) == (RejectionReason.UNREGISTERED, WHY)
    (tried,) = unscored_by(bench.engine, trained.model_id)
    assert (tried.scan_id, tried.reason, tried.detail) == (head.scan_id, row.reason, WHY)


def test_what_is_no_fault_of_the_scan_is_tried_again(trained: Trained, scans: Path) -> None:
    bench = bench_in(trained.home)
    (head,) = first_scan(bench, scans)
    died = RejectedFile(RejectionReason.READER_DIED, "its reader died")
    failed = [FailedScan(head.scan_id, head.source, died)]
    reject_scans(str(bench.home), bench.run_id, failed, trained.model_id)
    assert [each.reason for each in rejections_of(bench.engine, [bench.run_id])] == [died.reason]
    assert unscored_by(bench.engine, trained.model_id) == []

"""What the watcher hands on becomes runs: how often, under which key; failed ones are said."""

from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from flows.runtime.deployments import deployments
from flows.runtime.settings import read_settings
from flows.service.triggers import FIRST_PAUSE_SECONDS, Deployed, InProcess, Pauses, idempotency_key


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

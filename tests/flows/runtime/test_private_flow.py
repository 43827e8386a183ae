"""Flows of ours: what becomes of their threads where somebody stops the process."""

from threading import Event

import pytest
from prefect import task

from flows.runtime.private_flow import private_flow
from mriad_model.errors import Terminated

PATIENCE = 60.0  # seconds, for what never comes


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Terminated()], ids=repr)
def test_a_flow_that_is_stopped_leaves_its_threads(
    prefect_server: None, stop: BaseException
) -> None:
    begun, go_on, ended = Event(), Event(), Event()

    @task
    def training() -> None:
        begun.set()
        go_on.wait(PATIENCE)
        ended.set()

    @private_flow(name="stopped", flow_run_name="stopped", workers=1, leaving=True)
    def stopped() -> None:
        training.submit()
        begun.wait(PATIENCE)
        raise stop

    with pytest.raises(type(stop)):
        stopped()
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(PATIENCE)

"""Runs of deployments take turns at a home."""

from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from flows import nightly as nightly_flows
from flows.nightly import nightly, score_arrivals
from flows.runtime.turns import limit_name, turn_at

pytestmark = pytest.mark.usefixtures("prefect_server")


class Working(Exception):
    """A run has come to its work."""


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs here is a run of a deployment."""
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(uuid4()))


def slots(home: Path) -> tuple[int, int]:
    """How many runs may work at a home at once, and how many do."""
    with get_client(sync_client=True) as client:
        found = client.read_global_concurrency_limit_by_name(limit_name(home))
    return found.limit, found.active_slots


@pytest.mark.parametrize("flow", [nightly, score_arrivals])
def test_a_run_of_a_deployment_works_while_it_has_the_turn(
    deployed: None, flow: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("MRIAD_HOME", str(tmp_path / "another"))

    def work(*_: object, **__: object) -> None:
        assert slots(home) == (1, 1)
        raise Working

    monkeypatch.setattr(nightly_flows, "_score", work)
    with pytest.raises(Working):
        flow(home)  # type: ignore[operator]
    assert slots(home) == (1, 0)


@pytest.mark.parametrize("flow", [nightly, score_arrivals])
def test_outputs_are_sent_when_the_turn_is_given_back(
    deployed: None, flow: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(home: Path, _: object) -> None:
        assert slots(home) == (1, 0)
        raise Working

    scored = SimpleNamespace(scoring=None, folder="", pending=None)
    monkeypatch.setattr(nightly_flows, "_score", lambda *_, **__: scored)
    monkeypatch.setattr(nightly_flows, "send_by_itself", send)
    with pytest.raises(Working):
        flow(tmp_path / "home")  # type: ignore[operator]


def test_another_run_at_the_same_home_waits_and_one_at_another_home_does_not(
    deployed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRIAD_HOME", str(tmp_path / "one"))
    assert limit_name(tmp_path / "one") == "mriad-home"  # at any path on another machine
    with turn_at(tmp_path / "one"):
        refused = concurrency(limit_name(tmp_path / "one"), max_retries=0, strict=True)
        with pytest.raises(Exception, match="423"), refused:
            pass
        with turn_at(tmp_path / "two"):
            assert slots(tmp_path / "two") == (1, 1)


def test_a_command_that_somebody_typed_begins_at_once(tmp_path: Path) -> None:
    with turn_at(tmp_path / "three"), pytest.raises(ObjectNotFound):
        slots(tmp_path / "three")

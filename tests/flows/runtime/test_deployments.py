"""What runs by itself: the same by `mriad up` and by prefect.yaml."""

import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import flows
from flows.runtime.deployments import deployments
from flows.runtime.private_flow import PrivateFlow
from flows.runtime.settings import read_settings
from mriad_model.errors import SettingsError
from tests.conftest import REPOSITORY


def in_yaml() -> list[dict[str, Any]]:
    text = (REPOSITORY / "prefect.yaml").read_text()
    assert str(REPOSITORY) not in text
    document = yaml.safe_load(text)
    return document["deployments"]


def test_prefect_yaml_and_mriad_up_know_the_same_deployments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [each for each in os.environ if each.startswith("MRIAD_")]:
        monkeypatch.delenv(name)
    served = []
    for each in deployments(read_settings()):
        made = each.to_serve()
        schedules = [each.schedule for each in made.schedules or []]
        served.append(
            {
                "name": made.name,
                "entrypoint": made.entrypoint,
            }
            | (
                {
                    "concurrency_limit": {
                        "limit": made.concurrency_limit,
                        "collision_strategy": made.concurrency_options.collision_strategy.value,
                    }
                }
                if made.concurrency_limit
                else {}
            )
            # None is said too, or `prefect deploy` asks for some where somebody can answer.
            | {"schedules": [{"cron": s.cron, "timezone": s.timezone} for s in schedules]}
        )
    written = in_yaml()
    assert [each.pop("work_pool") for each in written] == [{"name": "mriad"}] * len(written)
    assert written == served


@pytest.fixture
def deployed(prefect_server: None, tmp_path: Path) -> Iterator[list[Any]]:
    """What a server has of prefect.yaml once it is deployed as the README says."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.settings import PREFECT_API_URL

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="mriad", type="process"))
        subprocess.run(
            [Path(sys.executable).parent / "prefect", "deploy", "--all"],
            env={
                **os.environ,
                "PREFECT_API_URL": PREFECT_API_URL.value(),
                "PREFECT_HOME": str(tmp_path),
            },
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        found = client.read_deployments()
        yield found
        for each in found:
            client.delete_deployment(each.id)
        client.delete_work_pool("mriad")


def test_what_is_deployed_has_its_schedules_and_names_no_place_on_this_machine(
    deployed: list[Any],
) -> None:
    """A worker's checkout may be elsewhere."""
    told = {each.name: each for each in deployed}
    assert len(told) == len(in_yaml())
    for each in in_yaml():
        one = told[each["name"]]
        assert one.entrypoint == each["entrypoint"]
        schedules = [(s.schedule.cron, s.schedule.timezone, s.active) for s in one.schedules]
        assert schedules == [(s["cron"], s["timezone"], True) for s in each["schedules"]]
        assert str(REPOSITORY) not in one.model_dump_json()
        (step,) = one.pull_steps  # without one, all that lies where a worker stands is copied
        assert list(step.values()) == [{"directory": "."}]


def test_flows_are_served_before_torch_is_loaded() -> None:
    """It is imported once a run computes a score; a new home's service is ready sooner."""
    code = (
        "import sys; from flows.runtime.deployments import deployments; "
        "from flows.runtime.settings import read_settings; "
        "print(len([each.to_serve() for each in deployments(read_settings())])); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    served, modules = done.stdout.splitlines()
    assert int(served) == len(deployments(read_settings()))
    assert "torch" not in modules.split()


def test_the_notifications_of_the_readme_are_what_prefect_takes() -> None:
    """Sent to a webhook by a 3.8.8 server once; here only their form is held."""
    from prefect.events.schemas.automations import AutomationCore

    text = (REPOSITORY / "docs" / "notify.yaml").read_text()
    names = {each.name: each.entrypoint.rsplit(".", 1)[1] for each in deployments(read_settings())}
    found = yaml.safe_load(text.replace("BLOCK", "80ff4e49-fc3c-45d9-a537-36fff1882776"))
    report, trouble = (AutomationCore.model_validate(each) for each in found["automations"])
    told = report.trigger.model_dump()["match_related"]["prefect.resource.name"]
    assert told == [names["nightly-scoring"], names["weekly-report"]]
    assert "state.message" not in text  # it may name a folder
    assert trouble.actions == report.actions


def test_what_ends_runs_that_were_killed_is_what_prefect_takes() -> None:
    """Tried with a 3.8.8 server and a worker killed with its run; here only its form is held."""
    from prefect.client.schemas.objects import StateType
    from prefect.events.schemas.automations import AutomationCore
    from prefect.settings.models.flows import FlowsSettings

    text = (REPOSITORY / "docs" / "zombies.yaml").read_text()
    found, again = map(AutomationCore.model_validate, yaml.safe_load(text)["automations"])
    trigger = found.trigger.model_dump()
    beat, names = "prefect.flow-run.heartbeat", trigger["match_related"]["prefect.resource.name"]
    assert names == sorted(each.name for each in all_flows())
    assert trigger["posture"].value == "Proactive"
    assert trigger["for_each"] == {"prefect.resource.id"}  # run by run
    assert trigger["after"] == {"prefect.flow-run.Pending", beat}
    ends = {"Completed", "Failed", "Crashed", "Cancelled"}
    assert trigger["expect"] >= {beat, *(f"prefect.flow-run.{each}" for each in ends)}
    # Some heartbeats may be missed before a run that lives is taken for dead.
    assert (
        trigger["within"].total_seconds()
        > 3 * FlowsSettings.model_fields["heartbeat_frequency"].default
    )
    (action,) = found.actions
    told = action.model_dump()
    assert (told["type"], told["state"]) == ("change-flow-run-state", StateType.CRASHED)
    assert not told.get("force")  # what has ended well meanwhile stays so
    trigger = again.trigger.model_dump()
    assert trigger["expect"] == {"prefect.flow-run.Crashed"}
    assert set(trigger["match_related"]["prefect.resource.name"]) < set(names)
    (action,) = again.actions
    told = action.model_dump()
    assert (told["state"], told["name"]) == (StateType.SCHEDULED, "AwaitingRetry")


def all_flows() -> list[PrivateFlow[..., Any]]:
    modules = [import_module(f"flows.{each.name}") for each in pkgutil.iter_modules(flows.__path__)]
    found = {
        each.name: each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, PrivateFlow)
    }
    return list(found.values())


@pytest.mark.parametrize(
    "given",
    [
        {"nightly": "at two"},
        {"nightly": "99 2 * * *"},
        {"nightly": "0 2 30 2 *"},
        {"timezone": "Mars/Olympus"},
        {"timezone": ""},
    ],
)
def test_a_schedule_that_is_none_is_said_in_one_line(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="is not a valid schedule"):
        deployments(read_settings(**given))

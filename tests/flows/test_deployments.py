"""What runs by itself: the same by `mriad up` and by prefect.yaml."""

import os
from typing import Any

import pytest
import yaml

from flows.deployments import deployments
from flows.settings import read_settings
from mriad_model.errors import SettingsError
from tests.conftest import REPOSITORY


def in_yaml() -> list[dict[str, Any]]:
    text = (REPOSITORY / "prefect.yaml").read_text()
    assert str(REPOSITORY) not in text
    document = yaml.safe_load(text)
    assert "pull" not in document
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
            | (
                {"schedules": [{"cron": s.cron, "timezone": s.timezone} for s in schedules]}
                if schedules
                else {}
            )
        )
    written = in_yaml()
    assert [each.pop("work_pool") for each in written] == [{"name": "mriad"}] * len(written)
    assert written == served


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


@pytest.mark.parametrize(
    "given", [{"nightly": "at two"}, {"nightly": "99 2 * * *"}, {"timezone": "Mars/Olympus"}]
)
def test_a_schedule_that_is_none_is_said_in_one_line(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="is no schedule"):
        deployments(read_settings(**given))

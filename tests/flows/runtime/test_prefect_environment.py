"""Which server the settings name, and whose it is."""

import os

import pytest

from flows.runtime.prefect_environment import local_port, names_own_prefect
from flows.runtime.settings import read_settings


@pytest.mark.parametrize(
    ("api", "port"),
    [
        ("http://127.0.0.1:4200/api", 4200),
        ("http://localhost:4300/api", 4300),
        ("http://127.0.0.1/api", 80),
        ("https://127.0.0.1:4200/api", None),
        ("http://prefect.example:4200/api", None),
        ("http://127.0.0.1.example:4200/api", None),
        ("http://127.0.0.1:wrong/api", None),
        ("nonsense", None),
    ],
)
def test_servers_of_ours_are_on_this_machine_alone(api: str, port: int | None) -> None:
    assert local_port(api) == port


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({}, False),
        ({"PREFECT_API_AUTH_STRING": "me:mine"}, False),  # no server is named
        ({"MRIAD_PREFECT_API_URL": "http://127.0.0.1:4300/api"}, False),
        ({"PREFECT_API_URL": "http://127.0.0.1:4200/api"}, False),
        ({"PREFECT_API_URL": "http://prefect.example:4200/api"}, True),
        (
            {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_AUTH_STRING": "me:mine"},
            True,
        ),
        ({"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_KEY": "mine"}, True),
        (
            # Prefect's own commands, pointed at `mriad up`: the port may be another's by now.
            {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_AUTH_STRING": "of:home"},
            False,
        ),
        ({"MRIAD_OWN_PREFECT": "true"}, True),
    ],
)
def test_a_prefect_of_ones_own_is_one_that_was_named_so(
    given: dict[str, str], own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("MRIAD_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert names_own_prefect(read_settings(), "of:home") is own

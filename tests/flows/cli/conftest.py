"""Commands with settings of the test alone, and a Prefect server that they find."""

import os

import pytest


@pytest.fixture(autouse=True)
def _settings_of_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MRIAD_")]:
        monkeypatch.delenv(name)
    mask = os.umask(0)
    os.umask(mask)
    monkeypatch.setattr(os, "umask", lambda _: mask)


@pytest.fixture
def served(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the session's Prefect server."""
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("MRIAD_PREFECT_API_URL", str(PREFECT_API_URL.value()))
    monkeypatch.setenv("MRIAD_OWN_PREFECT", "true")

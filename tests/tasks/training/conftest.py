"""A site whose model remembers, see `tests.support.sites`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mriad_model.detection.detectors import DETECTORS
from tasks.runtime.model_cache import forget_models
from tests.support.memory import KIND, Memory
from tests.support.sites import Site
from tests.tasks.conftest import Bench


@pytest.fixture
def site(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Healthy pictures of twelve groups, three of them with a twin."""
    monkeypatch.setitem(DETECTORS, KIND, Memory)
    forget_models()
    yield Site(bench, folder)
    forget_models()

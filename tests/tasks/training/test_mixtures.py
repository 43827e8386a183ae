"""Drawn heads and photographs in one pool."""

from pathlib import Path

import pytest

from tasks.runtime.home import prepare_home
from tasks.training.mixtures import mixed_pool, source_of
from tests.support.record.pools import pool


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "home")


def test_a_pool_of_drawn_and_other_heads_is_told_by_the_record(home: Path) -> None:
    ids = pool(home, "demo-scans/no/1.png", "demo-scans/no/2.png", "/data/kaggle/no/1.png")
    assert mixed_pool(str(home), ids[:2]) == []
    assert mixed_pool(str(home), ids[2:]) == []
    (said,) = mixed_pool(str(home), ids)
    assert "mixes drawn heads (2) and other scans (1)" in said
    assert source_of("/data/kaggle/healthy/no/1.png") == "/data/kaggle"
    assert source_of("1.png") == "the home"

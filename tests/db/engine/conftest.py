"""Homes with a row in each table that is tampered with, in either database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.entities import Review, RunEnd
from db.repository.reports.reviews import append_review
from db.repository.runs import end_run
from mriad_model.enums import ReviewVerdict, RunStatus
from tests.support.record.emptied import EmptiedRecord, Rows, rows_in
from tests.support.record.hand import NOON
from tests.support.record.kept import KeptHome, copied, kept_home


@pytest.fixture(scope="session")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> KeptHome:
    """In SQLite; closed, to be copied."""
    made = kept_home(tmp_path_factory.mktemp("kept") / "home")
    made.engine.dispose()
    return made


@pytest.fixture(scope="session")
def served_once(
    emptied: EmptiedRecord, tmp_path_factory: pytest.TempPathFactory
) -> tuple[KeptHome, Rows]:
    """In PostgreSQL; closed, to be copied with these rows."""
    url = emptied.taken()
    made = kept_home(tmp_path_factory.mktemp("kept") / "home", url)
    made.engine.dispose()
    rows = rows_in(url)
    emptied.given_back()
    return made, rows


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest) -> KeptHome:
    """A home with a row in each table that is tampered with, in either database."""
    name = "served" if request.param == "postgresql" else "in_home"
    made: KeptHome = request.getfixturevalue(name)
    made.hand.label(3)
    append_review(made.engine, Review(3, 1, "me", ReviewVerdict.NORMAL, "", NOON))
    failed = made.hand.run("failed")
    end_run(made.engine, RunEnd(failed, RunStatus.FAILED, "{}", NOON))
    return made


@pytest.fixture
def in_home(kept_once: KeptHome, tmp_path: Path) -> Iterator[KeptHome]:
    """A home whose record is SQLite's file."""
    made = copied(kept_once, tmp_path / "home")
    yield made
    made.engine.dispose()


@pytest.fixture
def served(
    served_once: tuple[KeptHome, Rows], emptied: EmptiedRecord, tmp_path: Path
) -> Iterator[KeptHome]:
    """A home whose record is in PostgreSQL."""
    template, rows = served_once
    made = copied(template, tmp_path / "home", emptied.taken(rows))
    yield made
    made.engine.dispose()
    emptied.given_back()

"""An empty record for each test, in SQLite and in PostgreSQL, and a hand to fill it with."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from db.engine.connect import open_record
from tests.support.record.emptied import EmptiedRecord
from tests.support.record.hand import Hand
from tests.support.record.postgresql import Server


@dataclass(frozen=True)
class Place:
    """Where a test's record is: in the home, or in a PostgreSQL database."""

    home: Path
    url: str | None = None

    def open(self, *, read_only: bool = False) -> Engine:
        return open_record(self.home, self.url, read_only=read_only)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that writes through a hand runs on SQLite, then on PostgreSQL.

    One that looks into the home's file, with the fixture `home`, is of SQLite alone.
    """
    if "place" in metafunc.fixturenames:
        own = "home" in metafunc.fixturenames
        metafunc.parametrize("database", ["sqlite"] if own else ["sqlite", "postgresql"])


@pytest.fixture(autouse=True)
def _a_new_record_is_a_copy() -> None:
    """Here none is: all steps are taken."""


@pytest.fixture(scope="session")
def template(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database whose record is empty and up to date."""
    url = postgresql.create()
    open_record(tmp_path_factory.mktemp("template"), url).dispose()
    return url


@pytest.fixture(scope="session")
def emptied(postgresql: Server, template: str) -> EmptiedRecord:
    """The database that is each test's in turn."""
    return EmptiedRecord(postgresql, template)


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    """A home whose record is empty and up to date."""
    shutil.copytree(migrated, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def place(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """An empty record that is up to date: in a home, or in a database of its own."""
    if database == "sqlite":
        yield Place(request.getfixturevalue("home"))
        return
    record: EmptiedRecord = request.getfixturevalue("emptied")
    (tmp_path / "home").mkdir()
    yield Place(tmp_path / "home", record.taken())
    record.given_back()


@pytest.fixture
def hand(place: Place) -> Iterator[Hand]:
    engine = place.open()
    yield Hand(engine)
    engine.dispose()


@pytest.fixture
def second(place: Place) -> Iterator[Engine]:
    """The hand's record, opened once more, as another process does."""
    engine = place.open()
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def hand_of() -> type[Hand]:
    return Hand

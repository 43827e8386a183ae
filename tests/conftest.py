"""Fixtures for all rooms: drawn heads, a home, and a Prefect server for the few flow tests."""

import gc
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import pytest

from tests.support.once import made_once
from tests.support.places import REPOSITORY
from tests.support.processes.prefect_database import made_database, server_of_session
from tests.support.record import postgresql as postgresql_server

if TYPE_CHECKING:
    from tests.support.scans.cases import Judge

KAGGLE = REPOSITORY.parent / "shared/data/kaggle253"

MISSING = "not run, for want of something on this machine"

IDS = "ids.json"

TESTS = REPOSITORY / "tests"
WAIT = ("e2e", "flows", "web/browser")  # for servers, other processes and a browser
BY_THEN = 0.85  # of the other tests those that wait have begun

N_HEALTHY = 24
N_ABNORMAL = 6


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait go between those that compute: all together they leave the cores idle.

    Spread over the first part of the others, so that none of them, the longest, is left for last.
    """
    files = [list(each) for _, each in groupby(items, lambda item: item.path)]
    waiting = [each for each in files if _waits(each[0].path)]
    busy = [each for each in files if not _waits(each[0].path)]
    n = len(items) - sum(map(len, waiting))
    done = accumulate(map(len, busy), initial=0)
    placed = [(BY_THEN * i / len(waiting), each) for i, each in enumerate(waiting)]
    placed += [(before / n, each) for before, each in zip(done, busy, strict=False)]
    items[:] = [item for _, each in sorted(placed, key=itemgetter(0)) for item in each]


def _waits(path: Path) -> bool:
    return any(path.is_relative_to(TESTS / each) for each in WAIT)


def pytest_collection() -> None:
    """Nothing that is imported is garbage, and to look for some takes a fifth of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What is imported stays, so it is looked through for garbage no more."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def _the_record_in_use_is_none_to_play_in() -> None:
    os.environ.pop("MRIAD_DATABASE_URL", None)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """The command line sets its own for good; a test leaves none to the next."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn heads: `no` (24 healthy) and `yes` (6 abnormal)."""

    def draw(folder: Path) -> None:
        from mriad_model.phantom.write import write_folder

        write_folder(folder / "scans", N_HEALTHY, N_ABNORMAL, seed=3, size=128)

    return made_once(tmp_path_factory, "heads", draw) / "scans"


@pytest.fixture(scope="session")
def few_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, of 12 healthy heads and 3 abnormal ones: enough to be cross-fitted, soon."""

    def draw(folder: Path) -> None:
        from mriad_model.phantom.write import write_folder

        write_folder(folder / "scans", 12, 3, seed=3, size=128)

    return made_once(tmp_path_factory, "few-heads", draw) / "scans"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose record is empty and up to date, to be copied: all its steps take a while."""
    return _migrated(tmp_path_factory)


def _migrated(factory: pytest.TempPathFactory) -> Path:
    from db.engine.connect import open_record
    from db.engine.sqlite import DATABASE

    def make(folder: Path) -> None:
        home = folder / "home"
        home.mkdir(0o700)
        (home / DATABASE).touch(0o600)  # there, so it is no copy
        open_record(home).dispose()

    return made_once(factory, "migrated", make) / "home"


@pytest.fixture(autouse=True)
def _a_new_record_is_a_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In this process, of one that is up to date. In tests/db all steps are taken."""
    from db.engine import sqlite

    make = sqlite.make_private

    def copied(path: Path) -> None:
        if not path.exists():
            with suppress(OSError):  # which `make` says in its words
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with NamedTemporaryFile(dir=path.parent) as new:  # its owner's alone
                    new.write((_migrated(tmp_path_factory) / path.name).read_bytes())
                    new.flush()
                    os.link(new.name, path)
        make(path)

    monkeypatch.setattr(sqlite, "make_private", copied)


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hard cases unpacked, a folder each; tests that need them are skipped without."""
    from tests.support.scans.cases import ARCHIVE, WHY_NOT, unpack

    if not ARCHIVE.is_file():
        pytest.skip(WHY_NOT)
    return unpack(tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="session")
def flair_judge(tmp_path_factory: pytest.TempPathFactory) -> "Judge":
    """A small model of drawn FLAIR heads, with its threshold."""
    from tests.support.scans.cases import kept_judge, trained_judge

    def train(folder: Path) -> None:
        trained_judge().keep(folder)

    return kept_judge(made_once(tmp_path_factory, "judge", train))


@pytest.fixture(scope="session")
def taught_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a small model of a few healthy volumes is active, to be copied."""

    def make(folder: Path) -> None:
        from tests.support.scans.phantoms import N_HEALTHY, teach, write_head
        from tests.tasks.conftest import new_bench

        for number in range(N_HEALTHY):
            write_head(folder / "healthy" / f"sub-{number:02}_T1w.nii.gz", number)
        bench = new_bench(folder / "home")
        teach(bench, folder / "healthy")
        bench.engine.dispose()  # folds the log into the file

    return made_once(tmp_path_factory, "taught", make) / "home"


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Prefect server for the session, offline, without heartbeats, events, kinds of blocks."""
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOGGING_TO_API_ENABLED,
        PREFECT_SERVER_ANALYTICS_ENABLED,
        PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED,
        PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION,
        PREFECT_SERVER_REGISTER_BLOCKS_ON_START,
        PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED,
        PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED,
        PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED,
        temporary_settings,
    )

    quiet = {
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
        PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION: False,
        PREFECT_SERVER_REGISTER_BLOCKS_ON_START: False,
        # Nobody asks it for events or runs of tasks: half of its work.
        PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED: False,
        PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED: False,
        PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED: False,
        PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED: False,
    }
    with temporary_settings(quiet), server_of_session(tmp_path_factory):
        yield


@pytest.fixture(scope="session")
def prefect_database(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that a Prefect server has made, for a home to begin with."""
    return made_database(tmp_path_factory)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgresql_server.Server]:
    """One PostgreSQL server for the session; tests that need it are skipped where it is not."""
    why_not = postgresql_server.missing()
    if why_not is not None:
        pytest.skip(why_not)
    with postgresql_server.server() as running:
        yield running


@dataclass(frozen=True)
class Trained:
    """A home in which a small model is active."""

    home: Path
    heads: Path
    model_id: int
    threshold_id: int


@pytest.fixture(scope="session")
def trained_once(
    prefect_server: None, heads: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """Ingested heads and a model trained on the healthy ones for three epochs."""

    def make(folder: Path) -> None:
        from flows.ingest import ingest_scans
        from flows.train import train_model
        from mriad_model.datasets.labels import Labelling
        from mriad_model.paths import escape_path
        from mriad_model.recipes.built_in_recipes import recipe_named
        from tasks.runtime.connections import database
        from tasks.runtime.home import prepare_home

        home = prepare_home(folder / "home")
        ingest_scans(home, escape_path(heads), Labelling("tester", from_folders=True))
        recipe = recipe_named("autoencoder").with_training(max_epochs=3).to_json()
        result = train_model(home, recipe, "tester", device="cpu")
        (folder / IDS).write_text(json.dumps([result.model_id, result.threshold_id]))
        database(str(home)).dispose()  # folds the log into the file

    folder = made_once(tmp_path_factory, "trained", make)
    return Trained(folder / "home", heads, *json.loads((folder / IDS).read_text()))


@pytest.fixture
def quick_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe `default` takes two samples a step and two drawn heads: it learns little, soon."""
    from mriad_model.recipes import built_in_recipes
    from mriad_model.recipes.built_in_recipes import BUILT_IN, DEFAULT

    implants = DEFAULT.training.implants
    assert implants is not None
    training = replace(DEFAULT.training, batch_size=2, implants=replace(implants, drawn_heads=2))
    quick = replace(DEFAULT, training=training)
    recipes = tuple(quick if each is DEFAULT else each for each in BUILT_IN)
    monkeypatch.setattr(built_in_recipes, "BUILT_IN", recipes)


@pytest.fixture
def few_implants(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training measures its model's power on a dozen lesions, a scan each, in place of 144.

    And compares it with the active one on four healthy scans.
    """
    from tasks.promotion import candidate_figures
    from tasks.training import power

    monkeypatch.setattr(power, "WANTED", 12)
    monkeypatch.setattr(power, "MOST_SCANS", 12)
    monkeypatch.setattr(candidate_figures, "MOST_SCANS", 4)


@pytest.fixture
def trained(trained_once: Trained, tmp_path: Path) -> Trained:
    """A copy of the trained home, for one test to do with as it likes."""
    home = tmp_path / "home"
    shutil.copytree(trained_once.home, home)
    return Trained(home, trained_once.heads, trained_once.model_id, trained_once.threshold_id)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was skipped, a line a reason: real images, dcm2niix, Orthanc, PostgreSQL, ..."""
    skipped = terminalreporter.getreports("skipped")
    reasons = Counter(each.longrepr[2].removeprefix("Skipped: ") for each in skipped)
    if not reasons:
        return
    terminalreporter.section(MISSING)
    for reason, n in reasons.most_common():
        terminalreporter.line(f"{n:5} skipped: {reason}")

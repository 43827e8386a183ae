"""A home with a record and a run, without any Prefect server: tasks are called as functions."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from db.engine.connect import open_record
from db.entities import Run
from db.repository.runs import start_run
from db.timestamps import now
from mriad_model.datasets.labels import Labelling
from mriad_model.paths import escape_path
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from mriad_model.recipes.recipe import Recipe
from tasks.intake.find_files import FoundScans, ScanSources, find_files
from tasks.intake.ingest import Ingested, LabelCounts, ingest_chunk, label_scans
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tasks.runtime.workspace import Workspace
from tasks.scoring.preprocess import PreparedItem, load_prepared, preprocess_chunk
from tasks.scoring.selection import wanted_scans
from tasks.training.train import FrozenDataset, freeze_healthy


@dataclass(frozen=True)
class Bench:
    """A home, its record, and a run to write under."""

    home: Path
    engine: Engine
    run_id: int

    def next_night(self) -> "Bench":
        """The same home under a run of its own."""
        return replace(self, run_id=start_run(self.engine, _run()))

    def find(self, folder: Path) -> FoundScans:
        return find_files.fn(str(self.home), self.run_id, escape_path(folder), "*")

    def ingest(self, folder: Path) -> Ingested:
        sources = ScanSources.of(self.find(folder).unread)
        return ingest_chunk.fn(
            str(self.home), self.run_id, sources, str(self.home / "work" / "read"), keep=False
        )

    def freeze(self, recipe: Recipe = AUTOENCODER) -> FrozenDataset:
        return freeze_healthy.fn(
            str(self.home), self.run_id, 0, recipe.to_json(), str(self.home / "work")
        )

    def prepare(self, scan_ids: Sequence[int], recipe: Recipe = AUTOENCODER) -> list[PreparedItem]:
        """What the preprocessing step leaves for the next, read again."""
        workspace = Workspace(self.home / "work" / "chunk")
        wanted = wanted_scans((scan_id, 1) for scan_id in scan_ids)
        n = preprocess_chunk.fn(
            str(self.home), self.run_id, recipe.to_json(), wanted, str(workspace.folder)
        )
        assert workspace.prepared.exists() == (n > 0)
        return load_prepared(workspace) if n else []

    def label(
        self, folder: Path, labelling: Labelling, seen: Sequence[tuple[int, str]]
    ) -> LabelCounts:
        return label_scans.fn(str(self.home), self.run_id, escape_path(folder), labelling, seen)


def new_bench(folder: Path) -> Bench:
    """A home in a folder, and its first run."""
    return bench_in(prepare_home(folder))


def bench_in(home: Path) -> Bench:
    """A home that is there, and a run more."""
    engine = database(str(home))
    return Bench(home, engine, start_run(engine, _run()))


@pytest.fixture(scope="session")
def empty_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose record is empty and up to date; nobody has it open."""
    home = prepare_home(tmp_path_factory.mktemp("empty") / "home")
    open_record(home).dispose()
    return home


@pytest.fixture
def bench(empty_once: Path, tmp_path: Path) -> Bench:
    home = tmp_path / "bench-home"
    shutil.copytree(empty_once, home)
    return bench_in(home)


def _run() -> Run:
    return Run("test", str(uuid4()), "0", None, "{}", "none", now())


@pytest.fixture
def scans(tmp_path: Path, heads: Path) -> Path:
    """Three healthy heads in a folder of their own."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for i, source in enumerate(sorted((heads / "no").iterdir())[:3]):
        (folder / f"{i}.png").write_bytes(source.read_bytes())
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for scans."""
    made = tmp_path / "scans"
    made.mkdir()
    return made

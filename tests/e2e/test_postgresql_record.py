"""The whole job with its record in PostgreSQL: nothing but a setting is different."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow

import flows
from db.engine.connect import open_record
from db.repository.intake.scans import scans_by_id
from flows.cli import main as cli
from flows.runtime.private_flow import PrivateFlow
from tests.support.record.postgresql import Server


@pytest.fixture
def url(postgresql: Server, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database that the settings name."""
    from prefect.settings import PREFECT_API_URL

    made = postgresql.create()
    monkeypatch.setenv("MRIAD_PREFECT_API_URL", str(PREFECT_API_URL.value()))
    monkeypatch.setenv("MRIAD_OWN_PREFECT", "true")
    monkeypatch.setenv("MRIAD_DATABASE_URL", made)
    yield made
    postgresql.drop(made)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    status = cli.main([*(str(argument) for argument in arguments), "--json"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    found: dict[str, Any] = json.loads(captured.out)
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    from tasks.runtime.connections import database

    yield tmp_path / "home"
    database(str(tmp_path / "home")).dispose()


def test_the_whole_job_with_its_record_in_a_database(
    url: str,
    home: Path,
    quick_default: None,
    few_implants: None,
    few_heads: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place, n = ("--home", home), len([each for each in few_heads.rglob("*") if each.is_file()])
    intake = run(capsys, "ingest", few_heads, "--labels-from-folders", *place)
    assert (intake["new"], intake["known"], intake["rejected"]) == (n, 0, [])
    trained = run(capsys, "train", "--epochs", 1, "--device", "cpu", *place)
    scored = run(capsys, "score", few_heads, "--device", "cpu", *place)
    assert scored["scored"] == n  # each healthy scan by the member that did not learn it
    assert run(capsys, "score", few_heads, "--device", "cpu", *place)["scored"] == 0
    decisions = run(capsys, "history", *place)["decisions"]
    assert len(decisions) == scored["scored"]
    told = run(capsys, "show", decisions[0]["path"], *place)
    assert told["scan"]["id"] == decisions[0]["scan_id"]
    verified = run(capsys, "verify", "--all", "--device", "cpu", *place)
    assert verified["identical"] == verified["checked"] == len(decisions)
    drawn = run(capsys, "recalibrate", "--sigmas", 2, *place)
    assert drawn["threshold_id"] != trained["threshold_id"]
    back = run(capsys, "activate", trained["threshold_id"], *place)
    assert back["model_id"] == trained["model_id"]
    assert not list(home.glob("mriad.db*"))


def test_a_flow_that_no_command_began_finds_the_record(url: str, home: Path, heads: Path) -> None:
    from flows.ingest import ingest_scans
    from mriad_model.paths import escape_path
    from tasks.runtime.home import prepare_home

    ingest_scans(prepare_home(home), escape_path(heads / "no"))
    record = open_record(home, url, read_only=True)
    assert len(scans_by_id(record, range(1, 100))) == 24
    record.dispose()
    assert not list(home.glob("mriad.db*"))


def test_a_home_whose_models_are_in_another_record_is_not_begun_anew(
    url: str, home: Path, heads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "models").mkdir(parents=True)
    (home / "models" / "a.safetensors").touch()
    status = cli.main(["ingest", str(heads), "--home", str(home)])
    assert status == 1
    assert "name the right database in MRIAD_DATABASE_URL" in capsys.readouterr().err
    (home / "models" / "a.safetensors").unlink()


def test_a_wrong_setting_is_one_line_without_the_password(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MRIAD_DATABASE_URL", "postgresql://me:hush@:::")
    assert cli.main(["history", "--home", str(home)]) == 2
    err = capsys.readouterr().err
    assert "the database URL is none that mriad knows" in err
    assert "hush" not in err
    assert len(err.splitlines()) == 1
    monkeypatch.delenv("MRIAD_DATABASE_URL")


def test_every_flow_that_is_given_a_home_finds_its_record() -> None:
    """A flow that a worker begins would start a record of its own in the home otherwise."""
    names = [each.name for each in pkgutil.iter_modules(flows.__path__)]
    modules = [importlib.import_module(f"flows.{name}") for name in names]
    found = {
        each.name: each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, Flow) and "home" in each.parameters.properties
    }
    assert {"score_new_scans", "train_model", "retrain_model", "nightly"} <= found.keys()
    assert {name for name, each in found.items() if not isinstance(each, PrivateFlow)} == set()

"""What is kept of patients, and where: nothing of a folder's name with Prefect, all of it ours."""

import io
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.repository.intake.scans import scans_by_id
from flows.cli import main as cli
from flows.score import score_new_scans
from mriad_model.enums import LabelValue
from mriad_model.errors import NoScans
from mriad_model.paths import escape_path
from mriad_model.pseudonyms import pseudonym
from tasks.runtime.home import prepare_home, site_key
from tests.conftest import REPOSITORY, Trained
from tests.support.processes.prefect_database import put_database

PATIENT = "DOE^JANE_19700101"


def prefect_database() -> Path:
    """The file of the session's server."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    value = url.get_secret_value() if hasattr(url, "get_secret_value") else str(url)
    return Path(value.rpartition(":///")[2])


def bytes_kept_by_prefect() -> bytes:
    database = prefect_database()
    return b"".join(each.read_bytes() for each in database.parent.glob(f"{database.name}*"))


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Path:
    """A folder named after a patient, with two scans and a file that is none."""
    folder = tmp_path / PATIENT / PATIENT
    folder.mkdir(parents=True)
    for name, source in zip("ab", sorted((trained.heads / "yes").iterdir()), strict=False):
        shutil.copy(source, folder / f"{PATIENT} {name}.png")
    (folder / f"{PATIENT}.txt").write_text(PATIENT)
    return folder


def test_prefect_is_not_told_the_names_of_folders_and_files(trained: Trained, folder: Path) -> None:
    from flows.evaluate import evaluate_model
    from flows.ingest import ingest_scans
    from mriad_model.datasets.labels import Labelling
    from mriad_model.evaluation.protocol import EvaluationProtocol
    from mriad_model.recipes.built_in_recipes import AUTOENCODER

    name = escape_path(folder)
    labelling, recipe = Labelling("tester", LabelValue.ABNORMAL), AUTOENCODER.to_json()
    intake = ingest_scans(trained.home, name, labelling, glob=f"{PATIENT}*")
    result = score_new_scans(trained.home, name, device="cpu")
    assert (len(intake.seen), len(result.rejected), result.scored) == (2, 1, 2)
    with pytest.raises(NoScans, match="2 abnormal"):
        evaluate_model(trained.home, name, EvaluationProtocol.HELDOUT, recipe, labelling)
    with pytest.raises(NoScans, match="cannot look into"):
        score_new_scans(trained.home, escape_path(folder / "gone"), device="cpu")
    kept = bytes_kept_by_prefect()
    assert b"score_new_scans" in kept
    assert b"cannot look into" in kept
    told = PATIENT.encode() in kept  # the bytes themselves would fill the screen
    assert not told


def test_patients_of_series_are_kept_by_pseudonym_alone(
    prefect_server: None, tmp_path: Path
) -> None:
    from flows.ingest import ingest_scans
    from mriad_model.phantom.render import phantom_volume
    from mriad_model.phantom.scanner import Contrast
    from mriad_model.phantom.write import write_dicom_series

    home, patient = prepare_home(tmp_path / "home"), "MRN-0042-JANE"
    for seed, contrast in ((1, Contrast.T1), (2, Contrast.FLAIR)):
        drawn = phantom_volume(seed, contrast, shape=(12, 80, 64))
        folder = tmp_path / "in" / f"study {seed}"
        files = write_dicom_series(folder, drawn, patient=patient, contrast=contrast)
    files[3].write_bytes(files[3].read_bytes()[:-500])  # its series has a gap now
    intake = ingest_scans(home, escape_path(tmp_path / "in"))
    assert intake.new == 1
    assert len(intake.rejected) == 12
    engine = open_record(home)
    (scan,) = scans_by_id(engine, [1]).values()
    assert scan.patient == pseudonym(site_key(home), f" {patient} ")
    kept = {each.name: each.read_bytes() for each in home.rglob("*") if each.is_file()}
    assert kept.keys() >= {"mriad.db", "site.key"}
    naming = [name for name, data in kept.items() if b"MRN-0042" in data]
    assert naming == []
    assert modes(home) == {}
    told = b"MRN-0042" in bytes_kept_by_prefect()
    assert not told


def modes(home: Path) -> dict[str, str]:
    """What lies in a home with rights that its owner alone should have: path -> mode."""
    return {
        str(each.relative_to(home)): oct(each.lstat().st_mode & 0o777)
        for each in home.rglob("*")
        if each.lstat().st_mode & 0o777 != (0o700 if each.is_dir() else 0o600)
    }


def test_all_that_a_run_writes_is_its_owners_alone_and_its_logs_name_nobody(
    trained: Trained, folder: Path, prefect_database: Path
) -> None:
    """As from a shell that lets others read, with a Prefect server of its own."""
    put_database(prefect_database, trained.home)
    environment = {**os.environ, "MRIAD_PREFECT_API_URL": "http://127.0.0.1:9/api"}
    command = [sys.executable, "-m", "flows.cli.main", "score", str(folder), "--json"]
    done = subprocess.run(
        [*command, "--home", str(trained.home), "--device", "cpu"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["scored"], len(found["rejected"])) == (2, 1)
    assert modes(trained.home) == {}
    files = [each for each in trained.home.rglob("*") if each.is_file()]
    names = {each.relative_to(trained.home).parts[0] for each in files}
    assert names >= {"mriad.db", "reports", "heatmaps", "logs", ".prefect"}
    assert (trained.home / ".prefect" / "prefect.db").stat().st_size > 0
    naming = [each for each in files if PATIENT.encode() in each.read_bytes()]
    # The record, the report and its table name the source, so that a reader can find it.
    report = Path(found["report"])
    table = report.with_suffix(".csv")
    assert {each.name for each in naming} == {"mriad.db", report.name, table.name}
    assert PATIENT not in done.stderr


def test_what_was_not_foreseen_is_logged_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_over(*_: object, **__: object) -> None:
        try:
            raise KeyError(PATIENT)
        except KeyError as error:
            raise RuntimeError(f"cannot read {PATIENT}") from error

    monkeypatch.setattr("flows.runtime.context.open_record", fall_over)
    monkeypatch.setattr("flows.runtime.context.home_in_use", lambda: tmp_path)
    monkeypatch.setattr("os.umask", lambda _: 0o022)
    logged = io.StringIO()
    monkeypatch.setattr(logging.getLogger("mriad"), "handlers", [logging.StreamHandler(logged)])
    assert cli.main(["history", "--home", str(tmp_path)]) == cli.FAILURE
    lines = logged.getvalue().splitlines()
    assert [line for line in lines if line in {"KeyError", "RuntimeError"}] == [
        "KeyError",
        "RuntimeError",
    ]
    assert any("in fall_over" in line for line in lines)
    assert PATIENT not in logged.getvalue()

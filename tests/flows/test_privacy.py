"""What is kept of patients, and where: nothing of a folder's name with Prefect, all of it ours."""

import shutil
from pathlib import Path

import pytest

from flows.scoring import score_new_scans
from mriad_model.errors import NoScans
from mriad_model.nouns import LabelValue
from mriad_model.paths import escape_path
from tests.conftest import Trained

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
    from flows.evaluation import evaluate_model
    from flows.ingestion import ingest_scans
    from mriad_model.evaluation.plan import EvaluationProtocol
    from tasks.ingestion import Labelling

    name = escape_path(folder)
    labelling = Labelling("tester", LabelValue.ABNORMAL)
    intake = ingest_scans(trained.home, name, labelling, glob=f"{PATIENT}*")
    result = score_new_scans(trained.home, name, device="cpu")
    assert (len(intake.scan_ids), len(result.rejected), result.scored) == (2, 1, 2)
    with pytest.raises(NoScans, match="2 abnormal"):
        evaluate_model(trained.home, name, EvaluationProtocol.HELDOUT, "{}", labelling)
    with pytest.raises(NoScans, match="cannot look into"):
        score_new_scans(trained.home, escape_path(folder / "gone"), device="cpu")
    kept = bytes_kept_by_prefect()
    assert b"score_new_scans" in kept
    assert b"cannot look into" in kept
    assert PATIENT.encode() not in kept

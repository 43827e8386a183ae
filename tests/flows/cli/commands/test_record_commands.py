"""Commands that ask the record: history, show, activate."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.entities import Rejection, RunEnd
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.runs import end_run, runs_since
from db.repository.training.models import current_threshold
from mriad_model.enums import RejectionReason, RunStatus
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tests.conftest import N_ABNORMAL, Trained
from tests.support.processes.commands import one_line, run
from tests.support.record.hand import Hand, lay_models

LATER = "2026-11-02T12:00:00.000000+00:00"


@pytest.mark.parametrize("command", [["history"], ["show", "1"], ["recalibrate", "--dry-run"]])
def test_reading_before_anything_is_recorded_makes_nothing(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    status, _, err = run(capsys, *command, "--home", home)
    assert status == 1
    assert "no record" in one_line(err)
    assert not home.exists()


def test_without_thresholds_the_list_says_what_makes_one(
    migrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Path(shutil.copytree(migrated, tmp_path / "home"))
    status, out, _ = run(capsys, "activate", "--home", home)
    assert (status, len(out.splitlines())) == (0, 2)
    assert out.startswith("No thresholds yet. mriad train ")
    assert json.loads(run(capsys, "activate", "--json", "--home", home)[1])["thresholds"] == []


@pytest.fixture
def made(migrated: Path, tmp_path: Path) -> Iterator[tuple[Path, Hand]]:
    """A home with a record by hand: the model `weights` with its active threshold."""
    home = Path(shutil.copytree(migrated, tmp_path / "home"))
    hand = Hand(open_record(home))
    hand.ready(AUTOENCODER.to_json())
    lay_models(home, "weights", "candidate")
    yield home, hand
    hand.engine.dispose()


def candidate_of(hand: Hand) -> int:
    """The threshold of one more model, `candidate`."""
    return hand.threshold(hand.model(1, "candidate", AUTOENCODER.to_json()), 1)


def test_a_model_whose_run_was_stopped_before_comparing_is_marked_where_one_activates(
    made: tuple[Path, Hand], capsys: pytest.CaptureFixture[str]
) -> None:
    home, hand = made
    other = candidate_of(hand)
    end_run(hand.engine, RunEnd(hand.run(), RunStatus.STOPPED, "{}", LATER))
    why = "never compared (run 1, which made it, was stopped)"
    _, out, _ = run(capsys, "activate", "--json", "--home", home)
    assert [each["not_compared"] for each in json.loads(out)["thresholds"]] == [why, why]
    assert why in run(capsys, "activate", "--home", home)[1]
    _, out, _ = run(capsys, "activate", other, "--home", home)
    assert f"Warning: model 2: {why}." in out
    assert (
        json.loads(run(capsys, "activate", "1", "--json", "--home", home)[1])["not_compared"] == why
    )


def test_activating_what_is_active_says_so_and_what_becomes_of_the_reason(
    made: tuple[Path, Hand], capsys: pytest.CaptureFixture[str]
) -> None:
    home, hand = made
    hand.threshold(1, 1, k=2.0)
    _, out, _ = run(capsys, "activate", "1", "--reason", "to be sure", "--home", home)
    assert "Threshold 1 of model 1 is active already, since " in out
    assert "The reason given now is not kept." in out
    _, out, _ = run(capsys, "activate", "1", "--home", home)
    assert "not kept" not in out
    _, out, _ = run(capsys, "activate", "1", "--json", "--home", home)
    assert json.loads(out)["active_already"] is True
    _, out, _ = run(capsys, "activate", "2", "--home", home)
    assert out.startswith("Threshold 2 of model 1 is active;")


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_model_that_could_score_nothing_is_not_activated(
    damage: str, made: tuple[Path, Hand], capsys: pytest.CaptureFixture[str]
) -> None:
    home, hand = made
    other = candidate_of(hand)
    if damage == "gone":
        (home / "models" / "candidate").unlink()
    else:
        (home / "models" / "candidate").write_text("another")
    status, out, err = run(capsys, "activate", other, "--home", home)
    assert (status, out) == (1, "")
    assert "the weights of model 2 cannot be used" in one_line(err)
    active = current_threshold(hand.engine)
    assert active is not None
    assert active.threshold.id != other


def test_rolling_back_is_one_more_activation(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "score", trained.heads, "--home", trained.home, "--device", "cpu")
    _, out, _ = run(capsys, "recalibrate", "--sigmas", 9, "--home", trained.home, "--json")
    assert json.loads(out)["threshold_id"] != trained.threshold_id
    status, out, _ = run(capsys, "activate", trained.threshold_id, "--home", trained.home, "--json")
    assert status == 0
    assert json.loads(out)["threshold_id"] == trained.threshold_id
    _, out, _ = run(capsys, "recalibrate", "--dry-run", "--home", trained.home, "--json")
    assert json.loads(out)["flips"] == {
        "to_suspicious": 0,
        "to_normal": 0,
        "to_uncertain": 0,
    }
    before = runs_since(open_record(trained.home), "")
    status, _, err = run(capsys, "activate", 999, "--home", trained.home)
    assert status == 1
    assert "no threshold 999 in the record; those there are: mriad activate" in one_line(err)
    assert runs_since(open_record(trained.home), "") == before  # no failed run


def test_thresholds_can_be_looked_up_to_roll_back_to(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "activate", "--home", trained.home, "--json")
    (row,) = json.loads(out)["thresholds"]
    assert status == 0
    assert (row["id"], row["model_id"], row["active"]) == (
        trained.threshold_id,
        trained.model_id,
        True,
    )
    assert row["not_compared"] is None
    found = row["compared"]  # the training looked at what its model comes to
    assert found["n_healthy"] == row["n"] > 1
    power = row["power"]  # and at what it finds
    assert power["n_groups"] == row["n_groups"]
    assert power["n"] == 12 * power["n_groups"] == sum(e["n"] for e in power["by_kind"].values())
    assert found["n_abnormal"] == N_ABNORMAL
    assert 0 <= found["flagged"] <= found["n_healthy"]
    assert 0 < found["auroc_implanted"] <= 1
    status, out, _ = run(capsys, "activate", "--home", trained.home)
    words = " ".join(out.split())
    assert "AUROC lesions" in words
    assert f"{found['flagged']} of {found['n_healthy']}" in words
    assert f"{found['auroc_implanted']:.3f} (n {found['n_healthy']})" in words


def test_a_scan_is_shown_by_any_path_that_the_shell_knows(
    served: None,
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    name = scans / "new\nline.png"
    name.write_bytes(sorted((trained.heads / "yes").iterdir())[0].read_bytes())
    (scans / "note.txt").write_text("no picture")
    run(capsys, "ingest", scans, "--home", trained.home)
    monkeypatch.chdir(scans)
    for path in (name, name.name):
        status, out, err = run(capsys, "show", path, "--home", trained.home, "--json")
        assert status == 0, err
        assert json.loads(out)["scan"]["kind"] == "image"
    status, _, err = run(capsys, "show", "note.txt", "--home", trained.home)
    assert status == 1
    assert "rejected" in one_line(err)
    assert "unsupported" in err


def rejected(migrated: Path, folder: Path, reason: RejectionReason, size: int) -> tuple[Path, Path]:
    """A home with a scan in a file of ten bytes beside it, rejected since; both."""
    home, file = Path(shutil.copytree(migrated, folder / "home")), folder / "odd" / "a.nii.gz"
    file.parent.mkdir()
    file.write_bytes(bytes(10))
    hand = Hand(open_record(home))
    register_scans(hand.engine, [hand.seen("a", path=str(file))])
    row = Rejection(str(file), size, 20, None, reason, "why", hand.run(), LATER, 40)
    append_rejections(hand.engine, [row])
    hand.engine.dispose()
    return home, file


@pytest.mark.parametrize("reason", [RejectionReason.UNREGISTERED, RejectionReason.OTHER_KIND])
def test_a_scan_without_a_score_goes_by_its_path_as_by_its_id(
    migrated: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    reason: RejectionReason,
) -> None:
    home, file = rejected(migrated, tmp_path, reason, size=10)
    monkeypatch.chdir(tmp_path)
    _, by_id, _ = run(capsys, "show", 1, "--home", home)
    for name in (file, "odd/a.nii.gz", "odd"):
        assert run(capsys, "show", name, "--home", home) == (0, by_id, "")
    assert "why" in by_id
    for command in (["review", "odd/a.nii.gz", "normal"], ["verify", "odd/a.nii.gz"]):
        status, _, err = run(capsys, *command, "--home", home)
        assert status == 1
        assert "is no scan" not in one_line(err)
        assert "scan 1" in one_line(err)


def test_a_file_that_is_no_scan_any_more_says_so_by_any_path(
    migrated: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, file = rejected(migrated, tmp_path, RejectionReason.TRUNCATED, size=9)
    monkeypatch.chdir(tmp_path)
    for name in (file, "odd/a.nii.gz"):
        status, _, err = run(capsys, "show", name, "--home", home)
        assert status == 1
        assert f"{file} is no scan; it was rejected on 2026-11-02 12:00:00" in one_line(err)
        assert "truncated: why; until then it was scan 1: name that" in one_line(err)
    assert run(capsys, "show", 1, "--home", home)[0] == 0


def test_a_path_is_not_taken_for_an_id(
    migrated: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, _ = rejected(migrated, tmp_path, RejectionReason.UNREGISTERED, size=10)
    hand = Hand(open_record(home))
    row = Rejection("1", 9, 20, None, RejectionReason.CORRUPT, "why", 1, LATER, 40)
    append_rejections(hand.engine, [row])
    hand.engine.dispose()
    monkeypatch.chdir(home)
    assert run(capsys, "show", "1", "--home", home)[0] == 0
    status, _, err = run(capsys, "show", "./1", "--home", home)
    assert status == 1
    assert "1 is no scan; it was rejected" in one_line(err)
    assert "until then" not in err

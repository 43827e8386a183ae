"""Commands that run a flow, and what they print."""

import csv
import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from mriad_model.phantom.write import write_folder
from tasks.runtime.connections import database
from tests.conftest import N_ABNORMAL, REPOSITORY, Trained
from tests.support.processes.commands import NOTICE, one_line, run
from tests.support.record.hand import Hand


def test_an_impossible_quantile_is_refused_before_anything_is_started(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    status, _, err = run(capsys, "recalibrate", "--quantile", "1.5", "--home", home)
    assert status == 2
    assert one_line(err) == "mriad: a quantile lies between 0 and 1, not at 1.5"
    assert not home.exists()


def test_a_rate_that_too_few_scans_keep_is_refused_before_anything_is_started(
    capsys: pytest.CaptureFixture[str], trained: Trained
) -> None:
    """As its dry run refuses it. No server is there, and none is said to be started."""
    hand = Hand(database(str(trained.home)))
    runs = hand.count("run")
    for more in ([], ["--dry-run"], ["--new-healthy"]):
        status, _, err = run(
            capsys, "recalibrate", "--rate", "0.001", *more, "--home", trained.home
        )
        assert status == 1
        assert "takes 999 healthy calibration scans" in one_line(err)
    assert hand.count("run") == runs


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--from", "active"], "the recipe 'autoencoder' cannot be adapted"),
        (["--recipe", "autoencoder", "--use-abnormal"], "learns from healthy scans alone"),
        (["--masks", "."], "--masks goes with --use-abnormal"),
        (["--from", "1", "--recipe", "default"], "leave out --recipe"),
        (["--from", "first"], "--from takes the id of a model, or active"),
        (["--from", "99"], "99"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_anything_is_started(
    capsys: pytest.CaptureFixture[str], trained: Trained, options: list[str], says: str
) -> None:
    status, _, err = run(capsys, "train", *options, "--home", trained.home)
    assert status > 0
    assert says in one_line(err)


def test_ingesting_counts_new_known_and_rejected(
    served: None, heads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    source = sorted((heads / "no").iterdir())[0].read_bytes()
    (scans / "a.png").write_bytes(source)
    (scans / "again.JPG").write_bytes(source)
    (scans / "note.txt").write_text("not a picture")
    home = tmp_path / "home"
    status, out, _ = run(capsys, "ingest", scans, "--label", "healthy", "--home", home, "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["new"], found["known"]) == (1, 1)
    assert [(Path(f["path"]).name, f["reason"]) for f in found["rejected"]] == [
        ("note.txt", "unsupported")
    ]
    status, out, _ = run(capsys, "show", 1, "--home", home, "--json")
    story = json.loads(out)
    assert [label["value"] for label in story["labels"]] == ["healthy"]
    assert {Path(seen["path"]).name for seen in story["sightings"]} == {"a.png", "again.JPG"}


def test_a_scored_folder_can_be_queried(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(
        capsys, "score", trained.heads, "--home", trained.home, "--device", "cpu", "--json"
    )
    found = json.loads(out)
    assert status == 0, err
    assert "starting a temporary one" not in err
    expected = {"new", "known", "rejected", "scored", "suspicious", "model_id", "threshold_id"}
    assert expected | {"report", "seconds", "notice"} <= found.keys()
    assert (trained.home / found["report"]).is_file()

    status, out, _ = run(capsys, "history", "--home", trained.home, "--json")
    rows = json.loads(out)["decisions"]
    assert len(rows) == found["scored"]
    assert {
        "decision_id", "scan_id", "path", "kind", "model_id", "threshold_id", "score", "threshold",
        "p_value", "verdict", "heatmap_path", "decided_at", "review",
        "reason", "gate", "spread", "reviewer", "scanner", "contrast", "patient", "study_uid",
        "series_uid", "sha256", "run_id", "tags", "active",
    } == rows[0].keys()  # fmt: skip

    status, out, _ = run(capsys, "history", "--home", trained.home, "--csv")
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(out))] == [
        row["verdict"] for row in rows
    ]
    status, out, _ = run(capsys, "history", "--home", trained.home, "--verdict", "suspicious")
    assert len(out.splitlines()) == 2 + found["suspicious"]
    assert NOTICE in out

    status, out, _ = run(capsys, "verify", "--all", "--home", trained.home, "--json")
    replayed = json.loads(out)
    assert status == 0
    assert replayed["checked"] == replayed["identical"] == found["scored"]
    assert replayed["within_tolerance"] == 0
    assert replayed["mismatched"] == []


def test_a_folder_that_is_scored_again_unchanged_needs_neither_run_nor_server(
    served: None, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = Path(shutil.copytree(trained.heads, tmp_path / "scans"))  # other tests have them too
    (scans / "note.txt").write_text("not a picture")
    score = ("score", scans, "--home", trained.home, "--device", "cpu", "--json")
    first = json.loads(run(capsys, *score)[1])
    hand = Hand(database(str(trained.home)))
    runs = hand.count("run")
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    code += f"from flows.cli.main import main; main({[str(each) for each in score]})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    again = json.loads(done.stdout)
    assert (again["known"], again["new"]) == (first["new"] + first["known"], 0)
    for key in ("training_scans", "rejected", "model_id", "threshold_id"):
        assert again[key] == first[key], key
    assert (first["training_scans"] > 0, len(first["rejected"])) == (True, 1)
    assert (again["scored"], again["report"]) == (0, None)
    assert hand.count("run") == runs
    assert not {"prefect", "torch", "scipy", "cv2"} & set(done.stderr.split())
    _, out, _ = run(capsys, *score[:-1])
    assert "nothing to score by model" in out
    assert "note.txt" in out


def test_a_dry_run_says_what_would_turn_and_writes_nothing(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "score", trained.heads, "--home", trained.home, "--device", "cpu")
    database = (trained.home / "mriad.db").read_bytes()
    status, out, _ = run(
        capsys, "recalibrate", "--dry-run", "--quantile", 0.5, "--home", trained.home, "--json"
    )
    found = json.loads(out)
    assert status == 0
    assert (found["policy"], found["k"], found["dry_run"]) == ("quantile", 0.5, True)
    assert found["threshold_id"] is None
    assert {"mean", "sd", "n", "value"} <= found.keys()
    assert found["flips"].keys() == {"to_suspicious", "to_normal", "to_uncertain"}
    of_rate = ("recalibrate", "--dry-run", "--rate", 0.5, "--home", trained.home)
    _, out, _ = run(capsys, *of_rate, "--json")
    same = json.loads(out)
    assert (same["policy"], same["k"], same["value"]) == ("rate", 0.5, found["value"])
    assert 0 < same["rate_low"] < same["rate"] <= 0.5 < same["rate_high"] < 1
    _, out, _ = run(capsys, *of_rate)
    assert f") of healthy scans, by {same['n_groups']} calibration scans." in " ".join(out.split())
    assert (trained.home / "mriad.db").read_bytes() == database


def test_a_model_can_be_trained_compared_and_left_inactive(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    # As the active model: one that cross-fits would calibrate with scans that it learned from.
    place = ("--home", trained.home, "--device", "cpu", "--recipe", "autoencoder", "--epochs", 2)
    _, before, _ = run(capsys, "activate", "--home", trained.home, "--json")
    status, out, _ = run(capsys, "train", "--no-activate", *place, "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["activated"], found["why"]) == (False, "left inactive, as was asked")
    compared = found["comparison"]
    assert compared["active_model_id"] == trained.model_id
    assert compared["model"].keys() == compared["active"].keys()
    assert compared["model"]["n_healthy"] == found["n_calibration"]  # the same split
    assert compared["model"]["n_abnormal"] == N_ABNORMAL
    assert "too few scans to tell which is better" in compared["text"]
    _, out, _ = run(capsys, "activate", "--home", trained.home, "--json")
    old, new = json.loads(out)["thresholds"]
    assert [old] == json.loads(before)["thresholds"]
    assert (old["active"], new["active"]) == (True, False)
    assert new["compared"]["flagged"] == compared["model"]["flagged"]
    assert new["compared"]["auroc_abnormal"] == compared["model"]["auroc_abnormal"]

    status, out, _ = run(capsys, "train", *place[:-1], 1)
    words = " ".join(out.split())
    assert f"Compared with the active model {trained.model_id}: AUROC on implanted" in words
    assert f"Threshold {new['id'] + 1} is active." in words
    _, out, _ = run(capsys, "train", "--no-activate", *place[:-1], 1, "--json")
    again = json.loads(out)  # the same scans and seed: the active model again
    assert (again["threshold_id"], again["activated"]) == (new["id"] + 1, True)
    assert again["why"] == "active before: the training gave its model again"
    status, out, err = run(capsys, "train", *place, "--rate", 0.05)
    assert (status, out) == (1, "")
    assert "0.05 takes 19 healthy calibration scans" in err.splitlines()[-1]
    # Other roles: of these calibration scans the active model learned from most.
    _, out, _ = run(capsys, "train", *place, "--seed", 1, "--json")
    found = json.loads(out)
    assert found["comparison"]["model"]["n_healthy"] < found["n_calibration"]


def test_a_full_disk_is_one_line_and_leaves_no_row(
    served: None,
    trained: Trained,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import tasks.scoring.score

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "heatmaps")

    monkeypatch.setattr(tasks.scoring.score, "write_all_atomically", full)
    status, out, err = run(
        capsys, "score", trained.heads, "--home", trained.home, "--device", "cpu"
    )
    assert status == 1
    assert "disk is full" in one_line(err)
    _, out, _ = run(capsys, "history", "--home", trained.home, "--json")
    assert json.loads(out)["decisions"] == []
    assert list((trained.home / "work").iterdir()) == []


def test_the_demonstration_does_the_whole_job_on_a_folder(
    served: None,
    quick_default: None,
    few_implants: None,
    few_heads: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flows.demo.FOLDS", 2)
    home, how = tmp_path / "home", ("--epochs", 1, "--device", "cpu")
    status, out, err = run(capsys, "demo", "--data", few_heads, *how, "--home", home, "--json")
    found = json.loads(out)
    assert status == 0, err
    assert found.keys() == {"ingest", "train", "score", "evaluate", "verify", "notice"}
    assert found["verify"]["identical"] == found["score"]["scored"] > 0
    assert found["train"]["warnings"] == []
    # The recipe is cross-fitted: all healthy heads calibrate, and are decided out of fold.
    trained = found["train"]
    assert (trained["n_folds"], trained["n_train"]) == (3, trained["n_calibration"])
    assert found["score"]["training_scans"] == 0
    assert found["score"]["scored"] > trained["n_train"]
    for report in (found["score"]["report"], found["evaluate"]["report"]):
        assert (home / report).is_file()


def test_two_at_once_decide_each_scan_once(served: None, trained: Trained) -> None:
    from db.engine.connect import open_record

    command = [sys.executable, "-m", "flows.cli.main", "score", str(trained.heads / "yes")]
    command += ["--home", str(trained.home), "--device", "cpu", "--json"]
    both = [
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outcomes = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outcomes
    scored = [json.loads(out)["scored"] for out, _ in outcomes]
    rows = decisions(open_record(trained.home), HistoryQuery(limit=None))
    assert len({row.scan_id for row in rows}) == len(rows) == sum(scored) == N_ABNORMAL


def test_a_model_learns_of_abnormal_scans_and_is_adapted_to_another_scanner(
    served: None,
    quick_default: None,
    few_implants: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home, options = tmp_path / "home", ("--epochs", 1, "--device", "cpu", "--json")

    def command(*words: object) -> dict[str, object]:
        status, out, err = run(capsys, *words, "--home", home)
        assert status == 0, err
        return dict(json.loads(out))

    scans, masks = tmp_path / "one" / "scans", tmp_path / "one" / "masks"
    write_folder(scans, 9, 3, seed=3, size=128, masks=masks)
    command("ingest", scans / "no", "--label", "healthy", "--json")
    command("ingest", scans / "yes", "--label", "abnormal", "--json")
    first = command("train", "--use-abnormal", "--masks", masks, *options)
    assert (first["n_abnormal"], first["n_masks"], first["n_folds"]) == (3, 3, 3)
    assert (first["n_train"], first["n_calibration"], first["from_model_id"]) == (9, 9, None)
    write_folder(tmp_path / "two" / "scans", 8, 0, seed=900, size=96)
    other = tmp_path / "two" / "scans" / "no"
    command("ingest", other, "--label", "healthy", "--json")
    second = command("train", "--from", "active", *options)
    assert second["from_model_id"] == first["model_id"]
    assert (second["n_train"], second["n_calibration"], second["n_abnormal"]) == (8, 8, 0)
    compared = second["comparison"]
    assert isinstance(compared, dict)
    assert compared["active_model_id"] == first["model_id"]
    verified = command("verify", "--all", "--device", "cpu", "--json")
    assert verified["faults"] == []

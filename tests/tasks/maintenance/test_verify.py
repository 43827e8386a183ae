"""What was changed behind the record's back is found when decisions are computed again.

Each change here is made as an attacker makes it who owns the file: the triggers are dropped, rows
are changed so that they agree with each other, and the triggers are put back.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from flows.cli.commands.maintenance_commands import NOT_RECORDED, show_verify
from flows.cli.documents.maintenance import verify_document
from mriad_model.detection.decisions.thresholds import fit_threshold, p_value, verdict
from mriad_model.detection.model_file import read_header
from mriad_model.enums import Policy
from mriad_model.paths import escape_path
from mriad_model.recipes.decision_recipes import UncertainRecipe
from mriad_model.recipes.recipe import Recipe
from tasks.maintenance import verify_model as foundations
from tasks.maintenance.verify import replay_decisions
from tasks.maintenance.verify_report import Alike, ReplayReport, alike, all_alike
from tasks.runtime.connections import database
from tasks.runtime.environment import environment_now
from tests.conftest import Trained


@pytest.fixture(scope="module")
def scored_once(trained_once: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A home in which a few heads are decided; the calibration scans lie beside them."""
    from flows.score import score_new_scans

    folder = tmp_path_factory.mktemp("scored")
    database(str(trained_once.home)).dispose()
    shutil.copytree(trained_once.home, folder / "home")
    trained = Trained(
        folder / "home", trained_once.heads, trained_once.model_id, trained_once.threshold_id
    )
    score_new_scans(trained.home, escape_path(trained.heads / "yes"), device="cpu")
    database(str(trained.home)).dispose()
    return trained


@pytest.fixture
def home(scored_once: Trained, tmp_path: Path) -> Path:
    shutil.copytree(scored_once.home, tmp_path / "home")
    return tmp_path / "home"


@contextmanager
def behind_the_triggers(home: Path) -> Iterator[sqlite3.Connection]:
    """A shell on the record with no trigger in its way; they stand again afterwards."""
    with closing(sqlite3.connect(home / "mriad.db", isolation_level=None)) as shell:
        shell.row_factory = sqlite3.Row
        triggers = shell.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        assert triggers
        for each in triggers:
            shell.execute(f"DROP TRIGGER {each['name']}")
        yield shell
        for each in triggers:
            shell.execute(each["sql"])


def verify(home: Path, scan_id: int | None = None, *, quick: bool = False) -> ReplayReport:
    return replay_decisions.fn(str(home), scan_id, "cpu", str(home / "work"), quick=quick)


def calibrations(shell: sqlite3.Connection) -> list[sqlite3.Row]:
    return shell.execute(
        "SELECT score.id, score.scan_id, score.value FROM score JOIN dataset_scan USING (scan_id)"
        " WHERE role = 'calibration' ORDER BY scan_id"
    ).fetchall()


def faults(report: ReplayReport) -> str:
    return "; ".join(f"{each.what}: {each.why}" for each in report.faults)


def wrong(report: ReplayReport) -> list[str]:
    return [each.what for each in report.mismatched]


def test_a_whole_record_comes_out_to_the_last_bit(home: Path) -> None:
    report = verify(home)
    assert report.whole
    assert report.identical == report.checked == 6
    with behind_the_triggers(home) as shell:
        n = len(calibrations(shell))
    assert report.calibration.identical == n > 2
    assert (report.calibration.within_tolerance, report.calibration.mismatched) == (0, 0)
    assert report.last_bits == []
    assert [each.what for each in report.not_recomputed] == [
        "weights, standards and colour limits of models",
        "power of models",
    ]


def test_one_scan_is_verified_with_what_its_decision_stands_on(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        (scan_id,) = shell.execute("SELECT scan_id FROM decision LIMIT 1").fetchone()
        n = len(calibrations(shell))
    report = verify(home, scan_id)
    assert (report.checked, report.identical, report.calibration.identical) == (1, 1, n)
    quick = verify(home, scan_id, quick=True)
    assert (quick.checked, quick.calibration.identical) == (1, 0)
    assert ("calibration scores", n) in [(each.what, each.n) for each in quick.not_recomputed]


def test_a_verdict_that_was_turned_is_found(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        shell.execute(
            "UPDATE decision SET verdict ="
            " CASE verdict WHEN 'normal' THEN 'suspicious' ELSE 'normal' END WHERE id = 2"
        )
    report = verify(home)
    assert [(each.decision_id, each.what) for each in report.mismatched] == [(2, "its verdict")]
    assert report.identical == 5


def test_a_p_value_that_was_changed_is_found(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        shell.execute("UPDATE decision SET p_value = 1.0 WHERE id = 3")
    assert [(e.decision_id, e.what) for e in verify(home).mismatched] == [(3, "its p-value")]


def rewrite_all(shell: sqlite3.Connection) -> None:
    """Calibration scores, threshold, verdicts and p-values, so that all agree: all is normal."""
    shell.execute(
        "UPDATE score SET value = value + 100 WHERE id IN"
        " (SELECT score.id FROM score JOIN dataset_scan USING (scan_id)"
        " WHERE role = 'calibration')"
    )
    values = [each["value"] for each in calibrations(shell)]
    fit = fit_threshold(values, Policy.SIGMAS, 1.0)
    shell.execute("UPDATE threshold SET mean = ?, sd = ?, value = ?", (fit.mean, fit.sd, fit.value))
    for row in shell.execute(
        "SELECT decision.id, value FROM decision JOIN score ON score.id = score_id"
    ).fetchall():
        said = verdict(row["value"], fit.value).value
        p = float(p_value(row["value"], values))
        why = "above_threshold" if said == "suspicious" else "not_above_threshold"
        shell.execute(
            "UPDATE decision SET verdict = ?, reason = ?, p_value = ? WHERE id = ?",
            (said, why, p, row["id"]),
        )


def test_calibration_scores_threshold_and_verdicts_rewritten_together_are_found(
    home: Path,
) -> None:
    with behind_the_triggers(home) as shell:
        rewrite_all(shell)
    assert verify(home, quick=True).whole  # the record agrees with itself
    report = verify(home)
    assert report.calibration.mismatched > 2
    assert "score of calibration scan" in faults(report)
    assert len(report.mismatched) == 6
    assert all("threshold 1, on which it stands, does not hold" in each for each in wrong(report))


@pytest.mark.parametrize("column", ["mean", "sd", "value", "k"])
def test_a_threshold_that_was_changed_is_found(home: Path, column: str) -> None:
    with behind_the_triggers(home) as shell:
        shell.execute(f"UPDATE threshold SET {column} = {column} * 1.0000001")
    report = verify(home, quick=True)
    assert "threshold 1: its " in faults(report)
    assert len(report.mismatched) == 6


def test_a_threshold_of_too_few_scores_is_a_mismatch_and_stops_nothing(home: Path) -> None:
    """A recipe with uncertain decisions draws the threshold's interval from those scores."""
    uncertain = {"uncertain": asdict(UncertainRecipe())}
    edit_model(home, lambda about, _: about["recipe"].update(uncertain))
    with behind_the_triggers(home) as shell:
        shell.execute("PRAGMA foreign_keys = OFF")
        (recipe,) = shell.execute("SELECT recipe FROM model").fetchone()
        changed = Recipe.from_json(json.dumps(json.loads(recipe) | uncertain))
        shell.execute("UPDATE model SET recipe = ?", (changed.to_json(),))
        shell.execute(
            "DELETE FROM score WHERE scan_id IN (SELECT scan_id FROM dataset_scan WHERE role ="
            " 'calibration' OR fold IS NOT NULL) AND id > (SELECT min(score.id) FROM score)"
            " AND id NOT IN (SELECT score_id FROM decision)"
        )
    report = verify(home, quick=True)
    assert len(report.mismatched) == 6
    assert all("its threshold: " in each for each in wrong(report))


def test_a_fold_that_the_model_has_no_member_of_is_a_mismatch_and_stops_nothing(
    home: Path,
) -> None:
    with behind_the_triggers(home) as shell:
        (decided,) = shell.execute("SELECT min(scan_id) FROM decision").fetchone()
        shell.execute(
            "UPDATE dataset_scan SET fold = 7, scan_id = ? WHERE scan_id ="
            " (SELECT min(scan_id) FROM dataset_scan WHERE role = 'train')",
            (decided,),
        )
    report = verify(home)
    assert "scans in a fold that the model's file has no member of" in faults(report)
    assert set(wrong(report)) == {"it has no member that was trained without fold 7"}
    assert len(report.mismatched) == 6


def test_a_recipe_that_is_none_any_more_is_a_fault_of_its_model(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        shell.execute("UPDATE model SET recipe = '{}'")
    assert "model 1: the recipe in the record: this is no recipe" in faults(verify(home))


def test_a_recipe_that_was_changed_in_the_record_is_found(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        shell.execute("UPDATE model SET recipe = replace(recipe, '\"erosion\":4', '\"erosion\":3')")
    report = verify(home)
    assert "model 1: the recipe in the record is not that of the model's file" in faults(report)
    assert len(report.mismatched) == 6


def test_how_the_training_went_is_compared_with_the_models_file(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        shell.execute(
            "UPDATE model SET metrics = replace(metrics, '\"n_train\": ', '\"n_train\": 9')"
        )
    assert "the record's training metrics are not those" in faults(verify(home, quick=True))


def test_slice_scores_that_were_changed_are_found(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        score_id, calibration = (
            shell.execute("SELECT score_id FROM decision WHERE id = 4").fetchone()[0],
            calibrations(shell)[0]["id"],
        )
        shell.execute("UPDATE slice_score SET value = 9 WHERE score_id = ?", (score_id,))
    report = verify(home)
    assert [(e.decision_id, e.what) for e in report.mismatched] == [(4, "its slice scores")]
    with behind_the_triggers(home) as shell:
        shell.execute("UPDATE slice_score SET position = 7 WHERE score_id = ?", (calibration,))
    assert "slice scores" in faults(verify(home))


def edit_model(home: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Change the model's file, and the record's hash and name of it along with it."""
    (path,) = (home / "models").iterdir()
    data = path.read_bytes()
    about, _ = read_header(data)
    tensors = safetensors.torch.load(data)
    change(about, tensors)
    edited = safetensors.torch.save(tensors, {"mriad": json.dumps(about)})
    name = sha256(edited).hexdigest()
    path.unlink()
    (home / "models" / f"{name}.safetensors").write_bytes(edited)
    with behind_the_triggers(home) as shell:
        shell.execute("UPDATE model SET sha256 = ?, path = ?", (name, f"models/{name}.safetensors"))


def test_colour_limits_that_were_changed_with_the_models_hash_are_found(home: Path) -> None:
    def redder(about: dict[str, Any], _: object) -> None:
        about["colour"]["low"] *= 0.1

    edit_model(home, redder)
    report = verify(home)
    assert len(report.mismatched) == 6
    assert all("is drawn otherwise now" in each for each in wrong(report))


def test_weights_that_were_changed_with_the_models_hash_are_found(home: Path) -> None:
    def heavier(_: object, tensors: dict[str, Any]) -> None:
        tensors["autoencoder.encoder.0.weight"] *= 1.5

    edit_model(home, heavier)
    report = verify(home)
    assert report.calibration.mismatched > 2
    assert all(each.startswith("score ") for each in wrong(report))


def test_a_models_file_that_was_changed_alone_is_found(home: Path) -> None:
    (path,) = (home / "models").iterdir()
    path.write_bytes(path.read_bytes() + b"\0")
    report = verify(home)
    assert "not the file that was recorded" in faults(report)
    assert len(report.mismatched) == 6


def test_a_heatmap_that_is_gone_is_missing_and_no_mismatch(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        paths = [row["path"] for row in shell.execute("SELECT path FROM heatmap ORDER BY id")]
    (home / paths[0]).unlink()
    (home / paths[1]).write_bytes(b"another picture")
    report = verify(home, quick=True)
    assert [each.path for each in report.missing] == [paths[0]]
    assert wrong(report) == [f"heatmap {paths[1]} was changed"]
    assert report.identical == 5
    assert not report.whole


def test_calibration_scans_that_are_gone_are_said_not_to_be_recomputed(home: Path) -> None:
    with behind_the_triggers(home) as shell:
        scan_id = calibrations(shell)[0]["scan_id"]
        n = len(calibrations(shell))
        shell.execute("UPDATE sighting SET path = 'gone.png' WHERE scan_id = ?", (scan_id,))
    report = verify(home)
    assert report.whole
    assert report.calibration.identical == n - 1
    left = {(each.what, each.why): each.n for each in report.not_recomputed}
    assert left["calibration scores", foundations.GONE] == 1


def test_scores_that_differ_in_their_last_bits_are_named_with_what_they_ran_in(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran_in = environment_now({}) | {"torch_cpu": "none", "variables": {"OMP_NUM_THREADS": "3"}}
    with behind_the_triggers(home) as shell:
        (score_id,) = shell.execute("SELECT score_id FROM decision WHERE id = 1").fetchone()
        (run_id,) = shell.execute("SELECT run_id FROM score WHERE id = ?", (score_id,)).fetchone()
        for table, key in (("score", "id"), ("slice_score", "score_id")):
            shell.execute(
                f"UPDATE {table} SET value = value * 1.000001 WHERE {key} = ?", (score_id,)
            )
        shell.execute("UPDATE run SET environment = ? WHERE id = ?", (json.dumps(ran_in), run_id))
    report = verify(home)
    assert report.whole
    assert (report.identical, report.within_tolerance) == (5, 1)
    (found,) = report.last_bits
    assert (found.run_id, found.n, found.recorded) == (run_id, 1, True)
    assert found.differs["torch_cpu"][0] == "none"
    assert found.differs["OMP_NUM_THREADS"][0] == "3"
    assert ("heatmaps", 1) in [(each.what, each.n) for each in report.not_recomputed]
    show_verify(report, as_json=False)
    out = " ".join(capsys.readouterr().out.split())
    assert "1 score of run" in out
    assert "recorded with OMP_NUM_THREADS 3, now" in out
    with behind_the_triggers(home) as shell:
        shell.execute("UPDATE run SET environment = NULL")
    show_verify(verify(home), as_json=False)
    assert NOT_RECORDED in " ".join(capsys.readouterr().out.split())


def test_the_json_of_verify_has_its_documented_keys(home: Path) -> None:
    document = verify_document(verify(home, quick=True))
    assert document.keys() == {
        "checked", "identical", "within_tolerance", "mismatched", "unreadable", "missing",
        "faults", "calibration", "power", "last_bits", "not_recomputed",
    }  # fmt: skip
    json.dumps(document, allow_nan=False)


def test_numbers_are_alike_by_their_bits_then_by_a_tolerance() -> None:
    assert alike(3.0, 3.0) is Alike.IDENTICAL
    assert alike(3.0, 3.0000003) is Alike.CLOSE
    assert alike(3.0, 3.01) is Alike.OTHER
    assert alike(0.0030, 0.0031) is Alike.OTHER  # scores of some recipes are small
    assert alike(float("nan"), float("nan")) is Alike.OTHER
    assert all_alike([1.0, 2.0], [1.0, 2.0000001]) is Alike.CLOSE
    assert all_alike([1.0], [1.0, 2.0]) is Alike.OTHER
    assert all_alike([], []) is Alike.IDENTICAL

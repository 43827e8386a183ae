"""What commands print of a result."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from db.entities import Threshold
from flows.cli import lines
from flows.demo import DemoResult
from flows.ingest import IngestResult
from flows.train import TrainingResult
from mriad_model.enums import Policy
from mriad_model.promotion.power import ImplantScore, power
from mriad_model.recipes.built_in_recipes import AUTOENCODER, DEFAULT
from mriad_model.recipes.decision_recipes import no_gate_text
from tasks.promotion.candidate_figures import CandidateFigures
from tasks.runtime.progress import Took
from tests.support.results import EVALUATED, INGESTED, REPLAYED, SCORED, TRAINED

DRAWN = Threshold(1, 1, Policy.RATE, 0, 1, 45, 0.05, 2, 1, "noon", 40, 0.049, 0.006, 0.132, id=1)


def trained_with(**said: object) -> TrainingResult:
    given = dict.fromkeys(TrainingResult.__dataclass_fields__, 40)
    usual = {"validation_loss": 0.1, "comparison": CandidateFigures("none was active")}
    usual |= {
        "n_folds": 0,
        "threshold": DRAWN,
        "from_model_id": None,
        "n_abnormal": 0,
        "power": None,
        "no_gate": None,
        "took": None,
        "learned": "scans",
    }
    return TrainingResult(**{**given, **usual, "warnings": [], **said})  # type: ignore[arg-type]


def test_train_tells_of_epochs_only_where_there_were_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines.show_train(trained_with(), as_json=False)
    assert (
        "best of 40 epochs was 40, held-out loss of the weights kept 0.1" in capsys.readouterr().out
    )
    lines.show_train(trained_with(epochs=0, best_epoch=0, validation_loss=None), as_json=False)
    assert "epoch" not in capsys.readouterr().out


def test_train_says_that_pictures_name_no_patient(capsys: pytest.CaptureFixture[str]) -> None:
    lines.show_train(trained_with(), as_json=False)
    assert "Pictures name no patient" in capsys.readouterr().out
    lines.show_train(trained_with(learned="T1w volumes"), as_json=False)
    assert "name no patient" not in capsys.readouterr().out


def test_train_says_what_it_took_in_all_and_not_the_fitting_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Implanting and comparing may take longer than the training proper."""
    took = Took(138.4, {"prepare": 0.4, "train": 58.2, "implant lesions": 31, "compare": 44.0})
    lines.show_train(trained_with(seconds=57.9, took=took), as_json=False)
    told = capsys.readouterr().out
    assert (
        "It took 2 min 18 s without the start: train 58 s, implant lesions 31 s, compare 44 s.\n"
        in told
    )
    assert "s of training" not in told
    lines.show_train(trained_with(seconds=57.9, took=took), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["seconds"], found["seconds_in_all"]) == (57.9, 138.4)
    assert found["seconds_by_step"] == took.by_step


def test_train_says_of_abnormal_scans_that_it_learned_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines.show_train(trained_with(n_abnormal=5, n_masks=3), as_json=False)
    assert "learned from 5 scans labelled abnormal too, 3 of them with a mask" in (
        capsys.readouterr().out
    )
    lines.show_train(trained_with(), as_json=False)
    assert "abnormal" not in capsys.readouterr().out


def test_train_says_that_a_model_has_no_gate(capsys: pytest.CaptureFixture[str]) -> None:
    told = "The model has no gate: a photograph is scored like a head"
    for recipe, says in ((AUTOENCODER, True), (DEFAULT, False)):
        no_gate = no_gate_text(json.loads(recipe.to_json()))
        lines.show_train(trained_with(no_gate=no_gate), as_json=False)
        assert (told in capsys.readouterr().out) is says


def test_train_says_which_model_was_adapted(capsys: pytest.CaptureFixture[str]) -> None:
    lines.show_train(trained_with(from_model_id=3), as_json=False)
    assert "adapted from model 3" in capsys.readouterr().out
    lines.show_train(trained_with(), as_json=False)
    assert "adapted" not in capsys.readouterr().out


def test_train_says_what_may_not_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    told = "the healthy pool mixes drawn heads (2) and other scans (1)"
    trained = trained_with(warnings=[told])
    lines.show_train(trained, as_json=False)
    assert f"Warning: {told}.\n" in capsys.readouterr().out
    lines.show_train(trained, as_json=True)
    assert json.loads(capsys.readouterr().out)["warnings"] == [told]


def test_train_says_what_the_threshold_finds_and_warns_of_a_silent_detector(
    capsys: pytest.CaptureFixture[str],
) -> None:
    implants = [ImplantScore(i, "mass", 30.0, 3.0, 0.0) for i in range(10)]
    lines.show_train(trained_with(power=power(implants, DRAWN.value)), as_json=False)
    told = capsys.readouterr().out
    assert "It finds 100 %" in told
    assert "silent" not in told
    lines.show_train(trained_with(power=power(implants, 4.0)), as_json=False)
    assert "Warning: silent detector: of 10 implanted lesions over 24 mm" in capsys.readouterr().out
    lines.show_train(trained_with(), as_json=False)
    assert "no healthy scan could be read again" in capsys.readouterr().out


def test_train_says_what_the_threshold_promises_and_how_many_scans_calibrate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines.show_train(trained_with(n_folds=3), as_json=False)
    told = capsys.readouterr().out
    assert "cross-fitted on 40 healthy scans in 3 folds" in told
    assert "It flags 4.9 % (95 % interval 0.6 % to 13 %) of healthy scans" in told
    assert "of healthy scans, by 45 calibration scans in 40 groups." in told
    lines.show_train(trained_with(threshold=replace(DRAWN, rate=None)), as_json=False)
    assert "It flags" not in capsys.readouterr().out  # a threshold of before promises nothing


def test_train_warns_of_few_groups_not_of_few_files(capsys: pytest.CaptureFixture[str]) -> None:
    few = replace(DRAWN, n=45, n_groups=12)
    lines.show_train(trained_with(threshold=few), as_json=False)
    assert "drawn from 45 calibration scans in 12 groups. That is too few" in (
        capsys.readouterr().out
    )
    lines.show_train(trained_with(threshold=DRAWN, n_calibration=3), as_json=False)
    told = capsys.readouterr().out
    assert "too few" not in told
    assert "40 more held out, 3 more to calibrate" in told
    assert "to stop" not in told


def test_score_says_for_what_scans_are_uncertain_or_not_scorable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines.show_score(tmp_path, SCORED, as_json=False)
    told = capsys.readouterr().out.splitlines()
    assert (
        "2 uncertain: the members of the model disagree: their scores lie further from each other "
        "than the score from the threshold."
    ) in told
    assert "1 not scorable: registration failed." in told
    assert any(each.startswith("3 not scorable: not like the healthy scans") for each in told)
    lines.show_score(tmp_path, SCORED, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["why_uncertain"] == [{"reason": "folds_disagree", "n": 2}]
    assert [each["n"] for each in found["why_not_scorable"]] == [3, 1]


def test_the_demo_names_the_page_of_its_night_and_says_how_to_open_the_worklist(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    evaluated = replace(EVALUATED, report=replace(EVALUATED.report, lesions=None))
    demo = DemoResult(INGESTED, TRAINED, SCORED, REPLAYED, evaluated)
    lines.show_demo(tmp_path, demo, as_json=False)
    told = capsys.readouterr().out
    assert f"Night's report: {tmp_path / SCORED.report}\n" in told
    assert f"Worklist:       mriad web --home {tmp_path}\n" in told
    assert "1 not scorable: registration failed.\n" in told


def test_ingest_says_which_known_files_are_copies(capsys: pytest.CaptureFixture[str]) -> None:
    found = IngestResult(new=87, known=11, rejected=[], seen=[], copies=11)
    lines.show_ingest(found, as_json=False)
    assert "87 new, 11 known (11 with the pixels of another file), 0 files rejected" in (
        capsys.readouterr().out
    )
    lines.show_ingest(replace(found, copies=0), as_json=False)
    assert "87 new, 11 known, 0 files rejected" in capsys.readouterr().out

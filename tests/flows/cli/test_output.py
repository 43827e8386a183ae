"""What the lines under a command say of what it found."""

import pytest

from flows.cli.verify_lines import show_replay
from mriad_model.errors import ThresholdUndefined
from tasks.maintenance.verify_model import FROM_FILE
from tasks.maintenance.verify_report import ReplayReport
from tasks.training.candidate_figures import not_compared


def test_what_was_not_recomputed_reads_as_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    report = ReplayReport(identical=1)
    report.leave("weights, standards and colour limits of models", FROM_FILE)
    report.leave("heatmaps", "they differ in their last bits, the scores do not", 2)
    show_replay(report, as_json=False)
    out = capsys.readouterr().out
    assert "1 decision replayed: 1 identical" in out
    assert (
        "Not recomputed: weights, standards and colour limits of 1 model; "
        "taken from the model's file, for training is not repeated.\n"
    ) in out
    assert "Not recomputed: 2 heatmaps; they differ in their last bits" in out


def test_a_first_model_is_not_said_to_be_compared_with_an_active_one() -> None:
    error = ThresholdUndefined("1 calibration score(s): at least 2 healthy scans are needed")
    assert not_compared(False, "", error) == "no model was active to compare with"
    other = "not compared with the active model 1, which learned from these"
    assert not_compared(False, f"; {other}", error) == other
    assert not_compared(True, "", error) == (
        "not compared with the active model: each scan is judged by the others alone: "
        "1 calibration score(s): at least 2 healthy scans are needed"
    )

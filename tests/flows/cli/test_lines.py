"""What commands print of a result."""

import json

import pytest

from flows.cli import lines
from flows.train import TrainingResult
from tasks.training.candidate_figures import CandidateFigures


def trained_with(**said: object) -> TrainingResult:
    given = dict.fromkeys(TrainingResult.__dataclass_fields__, 40)
    usual = {"validation_loss": 0.1, "comparison": CandidateFigures("none was active")}
    return TrainingResult(**{**given, **usual, "warnings": [], **said})  # type: ignore[arg-type]


def test_train_tells_of_epochs_only_where_there_were_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines.show_train(trained_with(), as_json=False)
    assert "best of 40 epochs was 40, validation loss 0.1" in capsys.readouterr().out
    lines.show_train(trained_with(epochs=0, best_epoch=0, validation_loss=None), as_json=False)
    assert "epoch" not in capsys.readouterr().out


def test_train_says_what_may_not_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    told = "the healthy pool mixes drawn heads (2) and other scans (1)"
    trained = trained_with(warnings=[told])
    lines.show_train(trained, as_json=False)
    assert f"Warning: {told}.\n" in capsys.readouterr().out
    lines.show_train(trained, as_json=True)
    assert json.loads(capsys.readouterr().out)["warnings"] == [told]

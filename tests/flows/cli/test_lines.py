"""What commands print of a result."""

import json

import pytest

from flows.cli import lines
from flows.train import TrainingResult
from tasks.training.candidate_figures import CandidateFigures


def test_train_says_what_may_not_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    told = "the healthy pool mixes drawn heads (2) and other scans (1)"
    given = dict.fromkeys(TrainingResult.__dataclass_fields__, 40)
    said = {
        "validation_loss": 0.1,
        "comparison": CandidateFigures("none was active"),
        "warnings": [told],
    }
    trained = TrainingResult(**{**given, **said})  # type: ignore[arg-type]
    lines.show_train(trained, as_json=False)
    assert f"Warning: {told}.\n" in capsys.readouterr().out
    lines.show_train(trained, as_json=True)
    assert json.loads(capsys.readouterr().out)["warnings"] == [told]

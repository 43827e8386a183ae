"""What `mriad evaluate` prints of one recipe, and of two."""

import json
import sys
from dataclasses import replace
from string import Formatter

import pytest

from flows.cli.evaluation_lines import LESIONS, show_figures
from mriad_model.evaluation.metrics.lesion_metrics import LesionMetrics
from mriad_model.evaluation.results import RowKind
from mriad_model.evaluation.summary import EvaluatedRow, EvaluationReport
from tests.support.results import EVALUATED, FIGURE, METRICS

BASELINES = ("asymmetry", "entropy", "sharpness", "extension")


def report(name: str = "default", n_calibration: int = 40) -> EvaluationReport:
    (fold,) = EVALUATED.report.folds
    rows = [EvaluatedRow(each, RowKind.BASELINE, METRICS) for each in BASELINES]
    return replace(
        EVALUATED.report,
        lesions=None,
        recipe=json.dumps({"name": name}),
        rows=(*EVALUATED.report.rows[:2], *rows),
        folds=(fold, replace(fold, n_calibration=n_calibration)),
    )


def test_confusion_names_its_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    show_figures(report(), [report("seed")])
    told = capsys.readouterr().out
    for name in ("default", "seed"):
        assert f"{name}: confusion over 1 repeat: TN 1, FP 1, FN 1, TP 1.\n" in told


def test_maps_of_volumes_are_measured_by_voxel(capsys: pytest.CaptureFixture[str]) -> None:
    names = {name for line in LESIONS for _, name, _, _ in Formatter().parse(line) if name}
    figures = {name: FIGURE for name in names if "." not in name}
    lesions = LesionMetrics("ml", 1, 1, figures, ())
    of_volumes = json.dumps({"name": "volume", "volumes": {"contrast": "T1w"}})
    show_figures(replace(report(), lesions=lesions, recipe=of_volumes))
    assert "volume: map's average precision by voxel 0.500" in capsys.readouterr().out
    show_figures(replace(report(), lesions=lesions))
    assert "default: map's average precision by pixel 0.500" in capsys.readouterr().out


def test_the_asymmetry_that_is_a_detector_is_told_from_the_one_without_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_figures(report())
    told = capsys.readouterr().out
    assert "  asymmetry alone, scaled by healthy scans\t0.500" in told
    assert "baseline: asymmetry, no training\t0.500" in told
    assert "beside that of the asymmetry, no training" in told


def test_of_the_baselines_the_asymmetry_and_the_strongest_have_a_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_figures(report())
    told = capsys.readouterr().out
    assert "baseline: entropy" in told
    assert "AUROC of the other baselines: sharpness 0.500, extension 0.500.\n" in told
    assert "baseline: sharpness" not in told


def test_the_table_of_an_evaluation_fits_a_terminal_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show_figures(report())
    told = capsys.readouterr().out
    assert "Too narrow for precision, F1, specificity: see --json." in told
    assert "method   " in told  # a table, and no block for each method


def test_folds_that_few_scans_calibrate_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Of one scan in a fold, and forty in the other; groups count where there are some."""
    show_figures(report())
    warning = "Warning: default: each fold's threshold is drawn from 1 to 40 healthy scans"
    assert warning in capsys.readouterr().out
    enough = [replace(each, n_calibration=40) for each in report().folds]
    show_figures(replace(report(), folds=tuple(enough)))
    assert "Warning" not in capsys.readouterr().out
    grouped = [replace(each, n_calibration_groups=8) for each in enough]
    show_figures(replace(report(), folds=tuple(grouped)))
    assert "is drawn from 8 healthy scans, and 30 are the least" in capsys.readouterr().out

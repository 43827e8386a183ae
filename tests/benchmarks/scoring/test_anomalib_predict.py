"""anomalib beside mriad: measured where it is, one plain line where it is not."""

import sys
import venv
from pathlib import Path

import pytest

from benchmarks.scoring import anomalib_predict


def python_that_fails(environment: Path, said: str) -> None:
    python = anomalib_predict.python_of(environment)
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ncat >&2 <<END\n{said}\nEND\nexit 1\n")
    python.chmod(0o755)


def test_without_anomalib_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(anomalib_predict, "ENVIRONMENT", tmp_path / "none")
    monkeypatch.setattr(sys, "argv", ["anomalib_predict"])
    anomalib_predict.main()
    (line,) = capsys.readouterr().out.splitlines()
    assert "not installed" in line
    assert "--install" in line


def test_where_it_cannot_be_installed_one_line_says_why_and_nothing_is_left_that_looks_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(anomalib_predict, "ENVIRONMENT", tmp_path / "anomalib")
    said = "WARNING: a word\nERROR: No matching distribution found for anomalib"
    monkeypatch.setattr(venv, "create", lambda place, **_: python_that_fails(place, said))
    monkeypatch.setattr(sys, "argv", ["anomalib_predict", "--install"])
    anomalib_predict.main()
    (line,) = capsys.readouterr().out.splitlines()
    assert "can't be installed here: ERROR: No matching distribution" in line
    assert not anomalib_predict.python_of(tmp_path / "anomalib").exists()
    assert "not installed" in anomalib_predict.line(1)


def test_a_run_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python_that_fails(tmp_path, "Traceback\nImportError: no such")
    monkeypatch.setattr(anomalib_predict, "ENVIRONMENT", tmp_path)
    line = anomalib_predict.line(1, tmp_path)
    assert line.splitlines() == [line]
    assert "did not run: ImportError: no such" in line

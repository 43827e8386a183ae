"""anomalib beside mriad: measured where it is, one plain line where it is not."""

import sys
from pathlib import Path

import pytest

from benchmarks.scoring import anomalib_predict


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
    monkeypatch.setattr(anomalib_predict, "ANOMALIB", "0.0.0.none")
    monkeypatch.setattr(sys, "argv", ["anomalib_predict", "--install"])
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    anomalib_predict.main()
    (line,) = capsys.readouterr().out.splitlines()
    assert "can't be installed" in line
    assert not anomalib_predict.python_of(tmp_path / "anomalib").exists()
    assert "not installed" in anomalib_predict.line(1)


def test_a_run_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = anomalib_predict.python_of(tmp_path)
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho Traceback >&2\necho ImportError: no such >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(anomalib_predict, "ENVIRONMENT", tmp_path)
    line = anomalib_predict.line(1, tmp_path)
    assert line.splitlines() == [line]
    assert "did not run: ImportError: no such" in line

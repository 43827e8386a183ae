"""`mriad draw`: heads in an empty folder."""

import json
from pathlib import Path

import pytest

from tests.support.processes.commands import NOTICE, one_line, run


def test_heads_are_drawn_without_a_home(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(capsys, "draw", "heads", "--healthy", 1, "--lesions", 1, "--json")
    document = json.loads(out)
    healthy, abnormal = document["files"]
    assert (status, NOTICE in document["notice"]) == (0, True)
    assert (healthy["label"], healthy["lesion"], healthy["mask"]) == ("healthy", None, None)
    assert (abnormal["label"], abnormal["lesion"]) == ("abnormal", "infarct")
    assert all(Path(each).is_file() for each in (healthy["path"], *list(abnormal.values())[::3]))
    assert [path.name for path in tmp_path.iterdir()] == ["heads"]
    status, _, err = run(capsys, "draw", "heads")
    assert status == 2
    assert "not empty" in one_line(err)

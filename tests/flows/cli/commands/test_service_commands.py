"""Commands that run until stopped: what they check before they start anything."""

from pathlib import Path

import pytest

from flows.cli.commands import service_commands
from tests.support.processes.commands import one_line, run


@pytest.mark.parametrize(
    ("name", "why"), [("gone", "no such folder"), ("file", "that is no folder")]
)
def test_a_folder_that_cannot_be_watched_is_said_before_a_server_starts(
    name: str,
    why: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(service_commands, "flow_context", lambda *_, **__: pytest.fail("started"))
    home = tmp_path / "home"
    status, _, err = run(capsys, "watch", tmp_path / name, "--home", home)
    assert status == 2
    assert one_line(err).endswith(f"{name}: {why}")
    assert not home.exists()

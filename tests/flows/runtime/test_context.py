"""What a command says of the home that it works on."""

from pathlib import Path

import pytest

from flows.runtime.context import child_context, write_context


def test_a_command_that_writes_says_in_one_line_what_others_can_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, so that a document on stdout stays whole; once, not again by what it starts."""
    home = write_context(tmp_path / "home").home
    assert capsys.readouterr() == ("", f"mriad: {home} is a new home\n")
    (home / "mriad.db").touch(0o600)
    write_context(home)
    assert capsys.readouterr() == ("", "")
    (home / "mriad.db").chmod(0o604)
    home.chmod(0o703)
    child_context(home)
    assert capsys.readouterr() == ("", "")
    write_context(home)
    assert capsys.readouterr() == (
        "",
        f"mriad: warning: {home} can be changed by others (chmod go-w), "
        f"{home}/mriad.db can be read by others (chmod go-rwx); mriad check lists all\n",
    )

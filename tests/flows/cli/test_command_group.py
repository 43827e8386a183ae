"""The commands are listed without being loaded."""

import os
import subprocess
import sys

import pytest

from flows.cli.command_group import COMMANDS, CommandGroup
from tests.conftest import REPOSITORY

GROUP = CommandGroup(name="mriad")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_by_the_first_line_of_its_help(name: str) -> None:
    command, (module, first_line) = GROUP.commands[name], COMMANDS[name]
    assert command.name == name
    assert (command.help or "").splitlines()[0] == first_line
    assert command.callback.__module__ == f"flows.cli.commands.{module}"


def test_another_name_is_no_command() -> None:
    assert "nonsense" not in GROUP.commands
    assert GROUP.commands.get("nonsense") is None


HEAVY = {"flows.runtime.settings", "sqlalchemy", "pydantic"}


def modules_of(code: str, **environment: str) -> tuple[str, set[str]]:
    """What a process prints, and what it has loaded at its end."""
    code = "import sys, atexit; atexit.register(lambda: print(*sys.modules)); " + code
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
    )
    *said, modules = done.stdout.splitlines()
    return "\n".join(said), set(modules.split())


def test_the_list_is_printed_without_what_a_command_needs() -> None:
    help_code = "sys.argv[1:] = ['--help']; import flows.cli.main as cli; cli.main()"
    said, modules = modules_of(help_code)
    assert all(f"  {name} " in said for name in COMMANDS)
    assert not {*HEAVY, "rich"} & modules


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_a_command_without_what_a_command_needs(shell: str) -> None:
    said, modules = modules_of(
        "sys.argv[1:] = []; from flows.cli.main import run; run()",
        COMP_WORDS="mriad re",
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="mriad re",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        _MRIAD_COMPLETE=f"complete_{shell}",
    )
    expected = [name for name in COMMANDS if name.startswith("re")]
    assert len(said.split("\n")) == len(expected) == 4
    assert all(name in line for name, line in zip(expected, said.split("\n"), strict=True))
    assert not HEAVY & modules

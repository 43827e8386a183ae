"""The commands are listed without being loaded."""

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


def test_the_list_is_printed_without_what_a_command_needs() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; import flows.cli.main as cli; cli.main(); "
    code += "print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    *_, modules = done.stdout.splitlines()
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert not {"flows.runtime.settings", "sqlalchemy", "pydantic", "rich"} & set(modules.split())

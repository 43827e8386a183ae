"""The commands by name, each loaded when it is called: `mriad --help` imports none of them."""

from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from typing import Any, Final, cast

import typer
from typer.core import TyperCommand, TyperGroup

from flows.runtime.imports import frozen_imports

# name -> (module of flows.cli.commands with a function of this name, first line of its help)
COMMANDS: Final = {
    "demo": (
        "flow_commands",
        "Do the whole job once: ingest, train, calibrate, score, evaluate, report.",
    ),
    "draw": (
        "draw",
        "Draw heads that are no patients: healthy ones and ones with a lesion, to try mriad on.",
    ),
    "ingest": (
        "flow_commands",
        "Register the scans of a folder; print what is new, known and rejected.",
    ),
    "train": (
        "flow_commands",
        "Train on the healthy pool, calibrate, compare with the active model, activate the new "
        "one.",
    ),
    "retrain": (
        "flow_commands",
        "Train again if the healthy pool grew enough; activate the new model if no worse.",
    ),
    "recalibrate": (
        "flow_commands",
        "Draw a new threshold from stored scores, and decide again, without scoring.",
    ),
    "score": (
        "flow_commands",
        "Score the new scans of a folder: ingest, score, decide, draw heatmaps, report.",
    ),
    "report": (
        "flow_commands",
        "Write one page on the last days: runs, flags, rejections, warnings, new models.",
    ),
    "evaluate": (
        "evaluate",
        "Measure a recipe on labelled scans, beside baselines that need no model.",
    ),
    "history": ("history", "List decisions, newest first, or count them."),
    "show": ("record_commands", "Print all that the record holds of one scan."),
    "pseudonym": (
        "pseudonym",
        "Print the pseudonym of a patient, made with this home's key.",
    ),
    "review": (
        "review",
        "Record a reviewer's verdict on the decision on a scan: the active threshold's, or the "
        "last.",
    ),
    "verify": (
        "maintenance_commands",
        "Replay the decisions on a scan from the source files, and compare with the record.",
    ),
    "activate": (
        "record_commands",
        "Activate a threshold and its model: promote, or roll back.",
    ),
    "backup": (
        "maintenance_commands",
        "Copy the record, as of one moment, and its models into a new folder; verify them.",
    ),
    "check": (
        "maintenance_commands",
        "Check the record against itself and against the files it names; changes nothing.",
    ),
    "watch": (
        "service_commands",
        "Watch a folder, and score what is dropped into it once it has settled.",
    ),
    "web": (
        "service_commands",
        "Serve the reader's pages alone: worklist, scans, reviews. Ends with Ctrl-C or SIGTERM.",
    ),
    "up": (
        "service_commands",
        "Run everything: Prefect server, schedules, watcher, the reader's pages.",
    ),
}


class CommandGroup(TyperGroup):
    """`mriad`: lists its commands, for help and for completion, without loading them."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = cast(MutableMapping[str, Any], _Loading())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before the command.

        Not while a shell completes the command's name: for options' types Typer loads pydantic.
        """
        return [] if ctx.resilient_parsing and not args else super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as Typer calls it
        """The commands' names, in the order of help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """A command's name and the first line of its help; `resolve_command` loads it."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Load the command that the arguments begin with; an unknown one is left to Typer."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and self.commands[args[0]], rest


class _Loading(Mapping[str, TyperCommand]):
    """The commands by name; looking one up loads it."""

    def __getitem__(self, name: str) -> TyperCommand:
        if name not in COMMANDS:
            raise KeyError(name)
        return _loaded(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def _loaded(name: str) -> TyperCommand:
    module, _ = COMMANDS[name]
    single = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    with frozen_imports():
        function = getattr(import_module(f"flows.cli.commands.{module}"), name)
    single.command(name)(function)
    return cast(TyperCommand, typer.main.get_command(single))

"""The command line: `mriad COMMAND`. Exit status 0 is success, 1 failure, 2 misuse."""

# ruff: noqa: PLC0415 - `--help` should wait for nothing

import atexit
import contextlib
import logging
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from flows.cli.command_group import CommandGroup
from flows.runtime.messages import leave_to_nobody, say, what_it_takes, where_it_happened
from mriad_model.enums import NOTICE
from mriad_model.errors import MriadError, SettingsError, Terminated

VERSION = "mriad {version}"
UNKNOWN_SETTING = "{name} is no setting of mriad and has no effect; is it misspelt?"
HELP = f"Learn what healthy brain MRI looks like; score new scans; keep the record. {NOTICE}"
SUCCESS, FAILURE, MISUSE, INTERRUPTED, STOPPED = 0, 1, 2, 130, 143

ALMOST_FULL_BYTES = 2**20
QUOTE = "'"  # about the names of options

app = typer.Typer(
    cls=CommandGroup,
    help=HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        from flows.cli.console import show_lines

        show_lines(VERSION.format(version=version("mriad")))
        raise typer.Exit


@app.callback(help=HELP)
def options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_say_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Options of mriad itself. Warns of variables that are no settings, before any command."""
    from flows.runtime.settings import unknown_settings

    for name in unknown_settings():
        say(UNKNOWN_SETTING.format(name=name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; any error becomes one plain line on stderr, and an exit status."""
    os.umask(0o077)  # files are readable by their owner alone
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        command = typer.main.get_command(app)
        status = command.main(given, prog_name="mriad", standalone_mode=False)
        sys.stdout.flush()  # here, where a closed pipe is handled
    except BaseException as error:  # also a termination inside a flow
        return _report_error(error)
    if status == INTERRUPTED:  # the option parser's answer to Ctrl-C
        return _report_error(KeyboardInterrupt())
    return status if isinstance(status, int) else SUCCESS


def _stop(_signal: int, _frame: object) -> None:
    """Unwind on SIGTERM as on Ctrl-C, so that a run is recorded as stopped and cleans up."""
    raise Terminated


def _report_error(error: BaseException) -> int:
    """Print an error as one line; the exit status for it."""
    line, status = str(error), FAILURE
    match error:
        case TyperException():
            line, status = _misuse(error), MISUSE
        case SettingsError():
            status = MISUSE
        case MriadError():
            pass
        case KeyboardInterrupt() | typer.Abort() | Terminated():
            # Loaded here, as it has been by most commands: a shell's completion waits for none.
            from flows.cli.interruption import interruption_text
            from flows.runtime.context import home_in_use

            line = interruption_text(home_in_use())
            status = STOPPED if isinstance(error, Terminated) else INTERRUPTED
        case BrokenPipeError() | SystemExit(__context__=BrokenPipeError()):
            # The reader of our output has gone; the option parser exits on it.
            leave_to_nobody(sys.__stdout__ or sys.stdout)
            return SUCCESS
        case SystemExit(code=int(done)):  # a shell's completion was answered
            return done
        case OSError(errno=int()):
            from tasks.runtime.home import plain

            line = f"{error.filename or 'the disk'}: {plain(error)}"
        case _:
            line = _unexpected(error)
    say(line)
    return status


def _misuse(error: TyperException) -> str:
    """What is wrong with the arguments, and which help to read."""
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    text = _value_text(error) or " ".join(text.split()).replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    command, path = (context.command, context.command_path) if context else (None, "mriad")
    takes_a_folder = any(each.name == "path" for each in getattr(command, "params", ()))
    if text.startswith("Got unexpected extra argument") and takes_a_folder:
        text += ": give one folder"
    end = "" if text.endswith("?") else "."
    return f"{text}{end} See: {path} --help"


def _value_text(error: TyperException) -> str | None:
    """What an option or argument takes, where its value is no such; None of other mistakes."""
    found = getattr(error.__cause__, "errors", None)  # of pydantic, by which Typer reads values
    param = getattr(error, "param", None)
    if found is None or param is None:
        return None
    takes = what_it_takes(found()[0])
    return takes and f"{param.get_error_hint().replace(QUOTE, '')} {takes}"


def _unexpected(error: BaseException) -> str:
    """One line for an unexpected error; its traceback goes to the log."""
    from flows.runtime.context import home_in_use

    home, where = home_in_use(), ""
    if home is not None:
        if shutil.disk_usage(home).free < ALMOST_FULL_BYTES:
            return f"{home}: the disk is full; free some space and run again"
        with contextlib.suppress(OSError):
            logging.getLogger("mriad").error("unexpected error\n%s", where_it_happened(error))
        where = f"; {home}/logs/mriad.log says more"
    text = " ".join(str(error).split())
    return f"unexpected error, please report it: {type(error).__name__}: {text}{where}"


def run() -> None:
    """The command `mriad`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - as long as we live
    signal.signal(signal.SIGTERM, _stop)
    if sys.argv[1:] not in ([], ["--help"]):  # the help starts nothing
        from flows.runtime.prefect_environment import take_no_code_from_this_folder

        take_no_code_from_this_folder()
    status = main()
    if status in (INTERRUPTED, STOPPED):
        _leave_at_once(status)
    sys.exit(status)


def _leave_at_once(status: int) -> None:
    """Exit without waiting for threads that still train or score for a run that was stopped.

    Python would wait for them, minutes for a training. Its run has been recorded as stopped, and
    whatever they were writing is whole or absent, as after a kill. All else that is done at an
    exit is done.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()

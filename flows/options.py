"""Options that commands share, and how a command begins: settings, home, log, server."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated

import typer

from db.engine import DATABASE
from db.history import Engine, open_record
from flows.console import progress_shown, say
from flows.log_lines import PlainLines
from flows.server import prefect_server
from flows.settings import Settings, login_name, read_settings
from mriad_model.errors import SettingsError
from mriad_model.paths import escape_path
from tasks.home import prepare_home
from tasks.permissions import openings, openings_told
from tasks.resources import choose_database, refuse_to_start_over

LARGEST_ID = 2**63 - 1
LOG_BYTES = 2**20
LOG_FILES = 5

Home = Annotated[
    Path | None,
    typer.Option(help="Where everything lives (default: MRIAD_HOME, else ./mriad-home)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda (default: MRIAD_DEVICE).")]
RecipeName = Annotated[
    str | None, typer.Option("--recipe", help="default or seed (picture files), or volume.")
]
Contrast = Annotated[
    str | None,
    typer.Option("--contrast", help="Of the volumes to learn: T1w, FLAIR, ... (default: theirs)."),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="At most this many epochs (default: the recipe's).")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Of splits, weights and augmentation.")]
Sigmas = Annotated[
    float | None, typer.Option(help="Threshold: mean + K standard deviations (default: 1).")
]
Reviewer = Annotated[
    str | None,
    typer.Option("--reviewer", metavar="NAME", help="Who says so (default: your login name)."),
]
Files = Annotated[
    str, typer.Option("--files", metavar="GLOB", help="Only names that match, in any case.")
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="CSV", help="Labels from a CSV: columns path and label."),
]


@dataclass(frozen=True, slots=True)
class Place:
    """A command's settings and the absolute path of its home."""

    settings: Settings
    home: Path

    @property
    def watched(self) -> Path:
        """The folder that is watched: the one that settings name, else the home's inbox."""
        given = self.settings.watch
        return self.home / "inbox" if given is None else Path(os.path.abspath(given))  # noqa: PTH100

    def record_to_read(self) -> Engine:
        """The record, opened to be read and no more.

        Raises:
            NotInRecord: there is none yet.
            RecordError: there was one, and it is gone.
        """
        if self.settings.record_url is None:
            refuse_to_start_over(self.home)
        return open_record(self.home, self.settings.record_url, read_only=True)


def to_read(home: Path | None, **given: object) -> Place:
    """For commands that only read: nothing is made."""
    settings = read_settings(home=home, **given)
    return Place(settings, Path(os.path.abspath(settings.home)))  # noqa: PTH100 - keep links


def to_write(home: Path | None, **given: object) -> Place:
    """For commands that write: the home is made, and a log is kept in it.

    A record of an older version is brought up to date, also where nothing else will be written.
    Says what others can do to the home that they should not.
    """
    place = to_go_on(home, **given)
    bring_up_to_date(place)
    if warning := openings_told(openings(place.home)):
        say(warning)
    return place


def bring_up_to_date(place: Place) -> None:
    """Give a record that is there, and of an older version, the tables of this one."""
    if (place.home / DATABASE).exists() or place.settings.record_url is not None:
        open_record(place.home, place.settings.record_url).dispose()


def to_go_on(home: Path | None, **given: object) -> Place:
    """The same, for processes that a command began."""
    settings = read_settings(home=home, **given)
    place = Place(settings, prepare_home(settings.home))
    choose_database(str(place.home), settings.record_url)
    _keep_log(place.home)
    return place


@contextmanager
def to_flow(home: Path | None, **given: object) -> Iterator[Place]:
    """For commands that run a flow: a Prefect server is chosen, and progress is shown."""
    place = to_write(home, **given)
    with prefect_server(place.home, place.settings), progress_shown():
        yield place


def folder_name(path: Path) -> str:
    """A folder as flows take it: absolute, and escaped, for a parameter is text.

    Raises:
        SettingsError: there is nothing there.
    """
    absolute = os.path.abspath(path)  # noqa: PTH100 - keep links
    if not os.path.lexists(absolute):
        raise SettingsError(f"{escape_path(path)}: no such file or folder")
    return escape_path(absolute)


def reviewer_name(given: str | None) -> str:
    """Who reviews: the name given, else the login name.

    Raises:
        SettingsError: there is neither; a review is a person's.
    """
    name = login_name() if given is None else given.strip()
    if not name:
        raise SettingsError("a review needs its reviewer's name: give --reviewer NAME")
    return name


def home_in_use() -> Path | None:
    """The home that a log is kept in; None before a command begins to write."""
    handlers = logging.getLogger("mriad").handlers
    files = [each.baseFilename for each in handlers if isinstance(each, RotatingFileHandler)]
    return Path(files[0]).parents[1] if files else None


def existing(path: Path | None) -> Path | None:
    """A file that an option names, if it names one.

    Raises:
        SettingsError: it is not there.
    """
    if path is not None and not path.is_file():
        raise SettingsError(f"{escape_path(path)}: no such file")
    return path


def _keep_log(home: Path) -> None:
    logger = logging.getLogger("mriad")
    if not logger.handlers:
        handler = RotatingFileHandler(
            home / "logs" / "mriad.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES, delay=True
        )
        handler.setFormatter(PlainLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False

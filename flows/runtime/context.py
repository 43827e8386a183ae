"""Where a command or a run works: the home, prepared, and the settings. Read once, passed down."""

import logging
import os
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from db.engine.connect import open_record
from db.engine.sqlite import DATABASE
from flows.runtime.messages import say
from flows.runtime.settings import Settings, read_settings
from mriad_model.errors import SettingsError
from mriad_model.paths import escape_path
from mriad_model.plain_text import printable
from tasks.runtime.connections import choose_database, refuse_to_start_over
from tasks.runtime.home import is_home, prepare_home
from tasks.runtime.permissions import openings, openings_text

if TYPE_CHECKING:
    from sqlalchemy import Engine

NO_HOME = (
    "{home}: no home there; name one with --home or MRIAD_HOME. A first one is made by: mriad "
    "ingest FOLDER --label healthy"
)
NEW_HOME = "{home} is a new home"
LOG_BYTES = 2**20
LOG_FILES = 5


@dataclass(frozen=True, slots=True)
class Context:
    """A command's settings and the absolute path of its home."""

    settings: Settings
    home: Path

    @property
    def watched(self) -> Path:
        """The folder that is watched: the one that settings name, else the home's inbox."""
        given = self.settings.watch
        return self.home / "inbox" if given is None else Path(os.path.abspath(given))  # noqa: PTH100

    def record_to_read(self) -> "Engine":
        """The record, opened read-only.

        Raises:
            NotInRecord: there is none yet.
            RecordError: there was one, and it is gone.
        """
        if self.settings.record_url is None:
            refuse_to_start_over(self.home)
        return open_record(self.home, self.settings.record_url, read_only=True)


def read_context(home: Path | None, **given: object) -> Context:
    """For commands that only read: nothing is made."""
    settings = read_settings(home=home, **given)
    return Context(settings, Path(os.path.abspath(settings.home)))  # noqa: PTH100 - keep links


def write_context(home: Path | None, **given: object) -> Context:
    """For commands that write: makes the home, keeps a log in it, updates an older record.

    Says that a home is new, for a name may be misspelt, and what other users can do to one.
    """
    new = not is_home(read_context(home, **given).home)
    place = child_context(home, **given)
    if new:
        say(NEW_HOME.format(home=place.home))
    bring_up_to_date(place)
    if warning := openings_text(openings(place.home)):
        say(warning)
    return place


def existing_context(home: Path | None, **given: object) -> Context:
    """The same, for commands that need what a home holds: none is made.

    Raises:
        SettingsError: there is no home, and no database that its record would be in.
    """
    place = read_context(home, **given)
    if place.settings.record_url is None and not is_home(place.home):
        raise SettingsError(NO_HOME.format(home=escape_path(place.home)))
    return write_context(home, **given)


def bring_up_to_date(place: Context) -> None:
    """Migrate the record, where there is one and it is of an older version."""
    if (place.home / DATABASE).exists() or place.settings.record_url is not None:
        open_record(place.home, place.settings.record_url).dispose()


def child_context(home: Path | None, **given: object) -> Context:
    """The same, for processes that a command began."""
    settings = read_settings(home=home, **given)
    place = Context(settings, prepare_home(settings.home))
    choose_database(str(place.home), settings.record_url)
    kept_log("mriad", place.home / "logs" / "mriad.log")
    return place


def folder_name(path: Path) -> str:
    """A folder as flows take it: absolute, and escaped, for a parameter is text.

    Raises:
        SettingsError: there is nothing there.
    """
    absolute = os.path.abspath(path)  # noqa: PTH100 - keep links
    if not os.path.lexists(absolute):
        raise SettingsError(f"{escape_path(path)}: no such file or folder")
    return escape_path(absolute)


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


def kept_log(name: str, path: Path) -> logging.Logger:
    """A logger whose messages go to a file of the home's `logs`."""
    logger = logging.getLogger(name)
    if not logger.handlers:
        handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, delay=True)
        handler.setFormatter(PlainLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return logger


CONTINUED = "    "


class PlainLines(logging.Formatter):
    """Moment, level, message, in printable text. Further lines of a message are set in.

    So a name with a line break in it makes no line that looks like another message.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One message."""
        first, *others = super().format(record).split("\n")
        return "\n".join([printable(first), *(CONTINUED + printable(each) for each in others)])

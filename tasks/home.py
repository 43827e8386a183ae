"""The home folder: what lies where, made on first use for the owner alone."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mriad_model.errors import HomeError
from mriad_model.files import make_folder

FOLDERS = ("inbox", "healthy", "models", "heatmaps", "reports", "logs", "work")
STALE_WORK_SECONDS = 2 * 24 * 3600.0


def prepare_home(home: Path) -> Path:
    """Make the home and its folders where they are missing (0700); returns its absolute path.

    Raises:
        HomeError: it cannot be made or written; one line says why.
    """
    home = Path(os.path.abspath(home))  # noqa: PTH100 - resolve() would follow a symlinked home
    try:
        for folder in (home, *(home / name for name in FOLDERS)):
            make_folder(folder)
    except OSError as error:
        raise HomeError(f"{home}: {plain(error)}; choose another home with --home") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise HomeError(f"{home}: read-only; mend its permissions or choose another with --home")
    return home


@contextmanager
def work_folder(home: Path, run_id: int) -> Iterator[Path]:
    """A folder for a run's intermediate files, removed at its end; so are those of dead runs."""
    work = home / "work"
    horizon = time.time() - STALE_WORK_SECONDS
    for old in work.iterdir():
        if old.stat().st_mtime < horizon:
            shutil.rmtree(old, ignore_errors=True)
    folder = work / f"run-{run_id}"
    make_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def plain(error: OSError) -> str:
    """An OSError in a few plain words, without the path that the caller names anyway."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space and run again, nothing was half-written"
    return os.strerror(error.errno).lower() if error.errno else str(error)

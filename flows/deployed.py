"""How a flow that a worker starts finds its home, and ends with whoever started it."""

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

from flows.options import Place, to_go_on
from flows.settings import read_settings
from mriad_model.errors import SettingsError

AUTHOR = "schedule"  # who activates what a run activates that nobody started
GRACE_SECONDS = 20.0


def deployed_place(home: Path | None, **given: object) -> Place:
    """The settings and the home of a flow: the home given, else MRIAD_HOME.

    Raises:
        SettingsError: no home is given, and MRIAD_HOME is none that holds wherever one stands.
    """
    if not read_settings(home=home).home.is_absolute():
        raise SettingsError("a flow that a worker runs needs an absolute path in MRIAD_HOME")
    place = to_go_on(home, **given)
    _end_with_parent()
    return place


def home_told(home: Path) -> dict[str, str]:
    """The parameter by which a worker is told of a home, as `deployed_place` takes it.

    None where this is MRIAD_HOME: a worker elsewhere may have it at another place.
    """
    return {} if read_settings().home == home else {"home": str(home)}


def _end_with_parent() -> None:
    """End when the process that serves the deployments has gone, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is None or any(
        thread.name == _end_with_parent.__name__ for thread in threading.enumerate()
    ):
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)  # for the run to be recorded as failed
        os._exit(1)

    threading.Thread(target=wait, name=_end_with_parent.__name__, daemon=True).start()

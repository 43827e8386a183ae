"""Events of a folder, whichever folder stands at its path."""

import os
import shutil
import threading
from contextlib import closing
from pathlib import Path

from flows.service.filesystem_events import Events
from tests.support.processes.waiting import PATIENCE
from tests.support.scans.deliveries import drop


def settle(wake: threading.Event) -> None:
    """Until events that are under way have come."""
    while wake.wait(0.2):
        wake.clear()


def test_events_are_those_of_the_root_that_is_there(tmp_path: Path) -> None:
    wake = threading.Event()
    root = tmp_path / "root"
    root.mkdir()
    with closing(Events(str(root), wake, poll=False, seconds=1.0)) as events:
        events.keep()
        drop(root / "a")
        assert wake.wait(PATIENCE)
        shutil.rmtree(root)
        root.mkdir()
        settle(wake)
        events.keep()
        settle(wake)
        drop(root / "b")
        assert wake.wait(PATIENCE)
        settle(wake)
        list(os.scandir(root / "b"))
        (root / "b/1.png").read_bytes()
        assert not wake.wait(0.5)  # reading is nothing new: sweeps would wake themselves

"""Waiting for what other processes and threads do."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 150.0  # seconds; a second or two are needed, and many on a busy machine
T = TypeVar("T")


def until(holds: Callable[[], T], what: str = "something", seconds: float = PATIENCE) -> T:
    """What `holds` gives, as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)
    return found

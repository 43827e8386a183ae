"""A child process ends with its parent, even by SIGKILL: by the kernel's signal, or a thread."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # prctl(2)
THREAD = "end with parent"


def signal_with_parent(number: signal.Signals) -> None:
    """Have the kernel signal this process when the thread that started it is gone. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def name_process(name: str) -> None:
    """Have `ps -o comm` and `top` name this process so, in 15 letters at most. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def kill_with_parent(wait: Callable[[], object], grace: float, *, terminate: bool = False) -> None:
    """Kill this process, and the group it leads, `grace` seconds after its parent has gone.

    `wait` returns when the parent has gone; `terminate` sends SIGTERM first, where the kernel does
    not. A second call does nothing.
    """
    if any(thread.name == THREAD for thread in threading.enumerate()):
        return

    def end() -> None:
        wait()
        if terminate:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=end, name=THREAD, daemon=True).start()

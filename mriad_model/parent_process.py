"""A child process ends with its parent, however the parent ends, even by SIGKILL.

Two ways: the kernel signals the child, or a thread of the child waits for the parent.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # prctl(2)
THREAD = "end with parent"


def signal_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent is gone. Linux only.

    The parent is the thread that started this process: it has to live as long as its process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def kill_with_parent(wait: Callable[[], object], grace: float, *, terminate: bool = False) -> None:
    """Kill this process, and the group it leads, so many seconds after its parent has gone.

    It gets the grace to end in order. One that hangs would hold the service's port and score on,
    with nobody to stop it. A second call does nothing.

    Args:
        wait: returns when the parent has gone.
        grace: seconds.
        terminate: send SIGTERM first; False where the kernel does.
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

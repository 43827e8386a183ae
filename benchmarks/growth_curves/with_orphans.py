"""Run a command, and wait for what it left behind too: so whoever waits for this sees its use.

    python -m benchmarks.growth_curves.with_orphans COMMAND...

A process that ends before its child leaves it to the system, and the child's time to nobody. On
Linux this process takes such children over. Its exit status is the command's.
"""

import ctypes
import os
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
PATIENCE = 60.0  # seconds, for what the command left behind
PAUSE = 0.05  # seconds


def main() -> None:
    """Run the command of the arguments."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    status = subprocess.run(sys.argv[1:], check=False).returncode
    last = time.monotonic() + PATIENCE
    while left_behind():
        if time.monotonic() > last:
            raise SystemExit(f"{sys.argv[1:]}: what it started did not end in {PATIENCE:.0f} s")
        time.sleep(PAUSE)
    raise SystemExit(status if status >= 0 else 128 - status)


def left_behind() -> bool:
    """Whether children are left, once those that have ended are waited for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    main()

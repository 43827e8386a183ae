"""A child ends with its parent: by the kernel's signal, or by its own thread where it hangs."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

KERNEL = "signal_with_parent(signal.SIGTERM)"
THREAD = (
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "kill_with_parent(sys.stdin.read, grace=0.1, terminate=True)"
)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
@pytest.mark.parametrize("ends", [KERNEL, THREAD])
def test_a_child_ends_when_its_parent_is_killed(ends: str) -> None:
    child = (
        "import signal, sys\n"
        "from mriad_model.parent_process import kill_with_parent, signal_with_parent\n"
        f"signal.alarm(120)\n{ends}\n"
        "print('up', flush=True)\nwhile True: signal.pause()"
    )
    parent = (
        "import os, subprocess, sys\n"
        f"command = [sys.executable, '-c', {child!r}]\n"
        "pipe = subprocess.PIPE\n"
        "child = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)\n"
        "child.stdout.readline(); os.kill(os.getpid(), 9)"
    )
    # The child holds the parent's standard error: the run is over when both have ended.
    done = subprocess.run(
        [sys.executable, "-c", parent],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, b"")

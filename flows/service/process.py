"""Child processes of `mriad up`: restarts those that exit; stops each with its whole session."""

import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

READY = "READY"  # the line by which a child says that it is
SERVER, SERVE, WATCH = "server", "serve", "watch"  # roles, by flows.service.child_roles
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
STEADY_SECONDS = 300.0  # a process that ran so long had a good start

# The last line of a traceback, which may name a folder.
_MESSAGE = re.compile(r"^([\s|+-]*(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Group|File|Scans))\b.*")


@dataclass(slots=True)
class ManagedProcess:
    """A child process that is restarted when it exits, after a growing pause.

    It leads its own session: Ctrl-C does not reach it, and its own children end with it.
    """

    role: str
    environment: dict[str, str]
    log: logging.Logger  # takes the process's output, line by line
    stop_seconds: float
    folder: Path | None = None  # its working directory
    listener: socket.socket | None = None  # a socket that it takes over
    ready: threading.Event = field(default_factory=threading.Event)
    module: str = "flows.service.child_roles"  # that is run, with the role
    failures: int = 0  # in a row
    _process: subprocess.Popen[bytes] | None = None
    _began: float = 0.0
    _not_before: float = 0.0

    def keep(self) -> str | None:
        """Start the process if it does not run; a message if it has exited."""
        now = time.monotonic()
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return None
            steady = now - self._began > STEADY_SECONDS
            self.failures = 1 if steady else self.failures + 1
            pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1), LONGEST_PAUSE_SECONDS)
            self._not_before = now + pause
            self._sweep_up()
            return f"{self.role} ended ({_exit_text(status)}); restarting it in {pause:g} s"
        if now >= self._not_before:
            self._start()
        return None

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return None if self._process is None else self._process.pid

    def terminate(self) -> None:
        """Send SIGTERM; `stop` makes sure that it ends."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End the process and its whole session."""
        process = self._process
        if process is None:
            return
        self.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.stop_seconds)
        self._sweep_up()

    def _start(self) -> None:
        self.ready.clear()
        self._began = time.monotonic()
        given = [] if self.listener is None else [self.listener.fileno()]
        self._process = subprocess.Popen(  # noqa: S603 - fixed arguments
            [
                sys.executable,
                "-m",
                self.module,
                self.role,
                str(os.getpid()),
                *map(str, given),
            ],
            env=self.environment,
            cwd=self.folder,
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def _listen(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                text = line.decode("utf-8", "replace").rstrip()
                if text == READY:
                    self.ready.set()
                elif text:
                    self.log.info("%s: %s", self.role, _MESSAGE.sub(r"\1", text))

    def _sweep_up(self) -> None:
        """Kill the session, and forget the process."""
        process, self._process = self._process, None
        assert process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _exit_text(status: int) -> str:
    """How a process ended: its status, or the signal."""
    return f"status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"

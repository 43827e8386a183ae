"""Child processes that are kept alive: what dies is started again, what stops leaves nothing."""

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

from flows.service.roles import READY

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
STEADY_SECONDS = 300.0  # a child that lived so long had a good start

# The last line of a traceback, which may name a folder.
_ERRORS_WORDS = re.compile(r"^([\s|+-]*(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Group|File|Scans))\b.*")


@dataclass(slots=True)
class Child:
    """One of our own processes, started again with a growing pause whenever it ends.

    It leads a session of its own: Ctrl-C does not reach it, and what it started can be ended
    with it.
    """

    role: str
    environment: dict[str, str]
    log: logging.Logger  # takes what the child says, line by line
    stop_seconds: float
    folder: Path | None = None  # that it starts in
    listener: socket.socket | None = None  # that it takes over
    ready: threading.Event = field(default_factory=threading.Event)
    failures: int = 0  # in a row
    _process: subprocess.Popen[bytes] | None = None
    _began: float = 0.0
    _not_before: float = 0.0

    def keep(self) -> str | None:
        """Start the child where it does not run; what there is to say of it, if anything."""
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
            return f"{self.role} ended ({_told(status)}); starting it again in {pause:g} s"
        if now >= self._not_before:
            self._start()
        return None

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return None if self._process is None else self._process.pid

    def terminate(self) -> None:
        """Ask the child to end; `stop` sees to it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End the child, and whatever it leaves behind."""
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
                "flows.service.roles",
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

    def _listen(self, said: IO[bytes]) -> None:
        with said:
            for line in said:
                text = line.decode("utf-8", "replace").rstrip()
                if text == READY:
                    self.ready.set()
                elif text:
                    self.log.info("%s: %s", self.role, _ERRORS_WORDS.sub(r"\1", text))

    def _sweep_up(self) -> None:
        """Kill what is left of the child's session, itself too, and forget it."""
        process, self._process = self._process, None
        assert process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _told(status: int) -> str:
    """How a process ended, in words."""
    return f"status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"

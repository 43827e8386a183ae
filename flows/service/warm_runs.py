"""Runs of `mriad up` begin as forks of a process that has imported all that they need.

A run in a Python of its own imports torch and Prefect for seconds before it looks at a scan. Here
it begins in milliseconds, and is otherwise what Prefect's runner starts: `python -m prefect.engine`
with the environment and the folder that the runner gives, a process of its own that ends as one.

The process is forked from the one that serves, before that has threads. The kernel kills it with
the one that serves, and its runs with it. Where it can't be had, runs start as Prefect starts them.
"""

import asyncio
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from flows.runtime.imports import import_all
from flows.runtime.messages import say
from mriad_model.parent_process import name_process, signal_with_parent

ENGINE = "prefect.engine"
FORKS, RUN = "mriad-forks", "mriad-run"  # as `ps -o comm` names the processes
LONGEST = 2**20  # bytes of a request
COLD = "runs import what they need by themselves, which takes seconds ({error})"
NUMBER = struct.Struct("q")
WARM_UP = b"warm up"  # instead of a request


@dataclass(slots=True)
class ForkedRun:
    """A run's process, as Prefect's runner asks for it."""

    pid: int
    returncode: int | None = None  # negative: the signal that it died of


class WarmRuns:
    """Starts runs by the process that is forked when this is made.

    `module` is what each runs as its main one. `late` are modules for `warm_up`.

    Raises:
        RuntimeError: this process has threads, whose locks a fork would find held for ever.
    """

    def __init__(self, module: str = ENGINE, late: Sequence[str] = ()) -> None:
        if threading.active_count() > 1:
            raise RuntimeError("a process with threads can't be forked")
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server = os.getpid()
        if os.fork() == 0:
            self._requests.close()
            signal_with_parent(signal.SIGKILL)
            if os.getppid() != server:  # gone before the kernel was asked
                os._exit(1)
            name_process(FORKS)
            _fork_runs(theirs, module, late)  # returns in a run alone, which has ended
        theirs.close()

    def warm_up(self) -> None:
        """Have the process that forks import what runs need late. Runs asked for meanwhile wait.

        Not before all is ready: it takes a core for two seconds.
        """
        with suppress(OSError):  # it has gone; `begin` says so
            self._requests.send(WARM_UP)

    async def begin(self, environment: Mapping[str, str], folder: str | None) -> "_Begun":
        """Start a run.

        Raises:
            OSError: it can't be started so.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with theirs:
                request = json.dumps([dict(environment), folder]).encode()
                socket.send_fds(self._requests, [request], [theirs.fileno()])
            pid = await asyncio.get_running_loop().sock_recv(ours, NUMBER.size)
            if not pid:
                raise ConnectionError("the process that forks runs has gone")
        except BaseException:
            ours.close()
            raise
        return _Begun(ForkedRun(NUMBER.unpack(pid)[0]), ours)

    def instead_of(self, run_process: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """A function to replace Prefect's own `run_process`, which starts a command's process."""

        async def run_warm(command: list[str], **options: Any) -> Any:
            run = None
            if command[1:] == ["-m", ENGINE]:
                try:
                    run = await self.begin(options["env"], options.get("cwd"))
                except OSError as error:
                    say(COLD.format(error=type(error).__name__))
            if run is None:
                return await run_process(command, **options)
            options["task_status"].started(options["task_status_handler"](run.process))
            return await run.ended()

        return run_warm


@dataclass(slots=True)
class _Begun:
    """A run that was started, and where its end is told."""

    process: ForkedRun
    _told: socket.socket

    async def ended(self) -> ForkedRun:
        """Wait for its end; kill it where we are cancelled."""
        with self._told:
            try:
                await self._wait()
            except BaseException:
                if self.process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.kill(self.process.pid, signal.SIGKILL)
                raise
        return self.process

    async def _wait(self) -> None:
        status = await asyncio.get_running_loop().sock_recv(self._told, NUMBER.size)
        # Untold, the process that forks was killed, and the run with it.
        self.process.returncode = NUMBER.unpack(status)[0] if status else -signal.SIGKILL


def _fork_runs(requests: socket.socket, module: str, late: Sequence[str]) -> None:
    """Fork a run for each request, and tell of its end. Ends with who asks."""
    running: dict[int, tuple[int, socket.socket]] = {}  # descriptor of the process -> (id, whom)
    events = select.poll()
    events.register(requests, select.POLLIN)
    while True:
        for descriptor, _ in events.poll():
            if descriptor in running:
                pid, told = running.pop(descriptor)
                events.unregister(descriptor)
                os.close(descriptor)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with told, suppress(OSError):  # who asked has gone
                    told.send(NUMBER.pack(status))
                continue
            request, given, *_ = socket.recv_fds(requests, LONGEST, 1)
            if not request:
                os._exit(0)
            if request == WARM_UP:
                with suppress(ImportError):  # a run that needs it says what is missing
                    import_all(*late)
                continue
            told = socket.socket(fileno=given[0])
            forker = os.getpid()
            pid = os.fork()
            if pid == 0:
                for other in (requests, told, *(whom for _, whom in running.values())):
                    other.close()
                for each in running:
                    os.close(each)
                environment, folder = json.loads(request)
                _run(environment, folder, forker, module)
            with suppress(OSError):
                told.send(NUMBER.pack(pid))
            process = os.pidfd_open(pid)
            running[process] = pid, told
            events.register(process, select.POLLIN)


def _run(environment: dict[str, str], folder: str | None, forker: int, module: str) -> NoReturn:
    """Run in the forked process, and end as a Python process does, with its exit handlers."""
    signal_with_parent(signal.SIGKILL)
    if os.getppid() != forker:
        os._exit(1)
    name_process(RUN)
    if folder is not None:
        os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module]
    warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)  # it was imported
    # A run that is killed leaves semaphores to the tracker of its children, which removes them.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    from prefect.context import SettingsContext, get_settings_context  # noqa: PLC0415 - see child_roles
    from prefect.settings import Settings  # noqa: PLC0415

    with SettingsContext(profile=get_settings_context().profile, settings=Settings()):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()

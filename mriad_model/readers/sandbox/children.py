"""How child processes start and end.

They are forked from Python's fork server, which has imported the readers alone: a child starts in
milliseconds, without the parent's threads, locks, memory or torch. A child ends with its parent:
the server ends with the last holder of a pipe, and the kernel kills the children of the server.
"""

import contextlib
import fcntl
import io
import os
import resource
import signal
import sys
from multiprocessing import context, forkserver, popen_forkserver, reduction, spawn, util
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from mriad_model.parent_process import signal_with_parent
from mriad_model.readers.sandbox.worker import ChildLimits

PRELOADED = "mriad_model.readers.sandbox.preload"
PIPE_BYTES = 2**20  # what Linux lets anyone have


class _Popen(popen_forkserver.Popen):
    """Starts a child without the parent's main module, which may import anything at all."""

    def _launch(self, process_obj: BaseProcess) -> None:
        preparation = spawn.get_preparation_data(process_obj.name)
        for main in ("init_main_from_name", "init_main_from_path"):
            preparation.pop(main, None)
        message = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(preparation, message)
            reduction.dump(process_obj, message)
        finally:
            context.set_spawning_popen(None)
        self.sentinel, writer = forkserver.connect_to_new_process(self._fds)  # type: ignore[attr-defined]
        held = os.dup(writer)
        self.finalizer = util.Finalize(self, _close, (held, self.sentinel))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(message.getbuffer())
        self.pid = forkserver.read_signed(self.sentinel)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class _Process(context.ForkServerProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> _Popen:  # noqa: N802 - multiprocessing's name
        return _Popen(process_obj)


class ChildContext(context.ForkServerContext):
    """The multiprocessing context that children are made in."""

    Process = _Process

    def __init__(self) -> None:
        super().__init__()
        self.set_forkserver_preload([PRELOADED])

    def Pipe(self, duplex: bool = True) -> tuple[Connection, Connection]:  # noqa: N802
        """A pipe that holds a few pictures, so that a child need not wait for its reader."""
        reader, writer = super().Pipe(duplex)
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # there is a limit for all pipes of a user
                fcntl.fcntl(writer.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return reader, writer


def enter_child(limits: ChildLimits) -> None:
    """Bind a child that has just started to its parent and its limits. Runs in the child."""
    _end_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold a patient's scan
    with contextlib.suppress(ValueError, OSError):  # already below, or a system without it
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # C libraries write to them past Python
        os.dup2(silent, stream)
    os.close(silent)
    import cv2  # noqa: PLC0415 - the fork server has it; the parent need not wait for it

    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    """Have the kernel kill this child with the fork server, whose pipe it must not hold open."""
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
    signal_with_parent(signal.SIGKILL)
    if sys.platform == "linux" and os.getppid() == 1:  # gone before the signal was set
        os._exit(1)

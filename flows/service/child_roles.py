"""The child processes of `mriad up`: `python -m flows.service.child_roles ROLE PARENT [SOCKET]`.

Settings come as `mriad up` was given them; SOCKET is the descriptor on which the server listens.

server: the Prefect server, on this machine alone. serve: runs the deployments when they are due.
watch: the watcher, which triggers one of them. Each prints a line READY when it is,
and ends when `mriad up` has gone, even by SIGKILL.
"""

# ruff: noqa: PLC0415 - a role loads what it needs, and Prefect reads its settings on import

import asyncio
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.runtime.imports import SCORING, frozen_imports
from flows.runtime.messages import say, where_it_happened
from flows.runtime.prefect_environment import PREFECT_FOLDER
from flows.service.process import READY, SERVE, SERVER, WATCH
from mriad_model.errors import MriadError
from mriad_model.parent_process import kill_with_parent, signal_with_parent

if TYPE_CHECKING:
    from flows.runtime.context import Context

POLL_SECONDS = 0.5  # a folder that has settled waits so long
RUNS_AT_ONCE = 3
LOOK_SECONDS = 0.2
PARENT_SECONDS = 1.0
GRACE_SECONDS = 25.0  # a little more than a run is given to end in order


def main(role: str, parent: int, descriptor: int | None = None) -> None:
    """Run the role until SIGTERM."""
    signal_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel was asked to signal us
        return
    bind = partial(kill_with_parent, partial(_await_end, parent), GRACE_SECONDS)
    os.umask(0o077)
    try:
        if role == SERVE:
            _serve(_context(), bind)
            return
        bind()
        if role == SERVER:
            _server(descriptor)
        elif role == WATCH:
            _watch(_context())
        else:
            raise ValueError(role)
    except MriadError as error:
        sys.exit(str(error))
    except Exception as error:
        sys.exit(where_it_happened(error))  # without its message, which may name a folder


def _context() -> "Context":
    from flows.runtime.context import child_context

    return child_context(None)


def _await_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)


def _ready() -> None:
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()


def _server(descriptor: int | None) -> None:
    from flows.service.server.server_app import serve

    assert descriptor is not None
    serve(descriptor)


def _serve(place: "Context", bind: Callable[[], None]) -> None:
    with frozen_imports():
        from prefect.context import AsyncClientContext
        from prefect.runner import Runner, _starter_engine

        from flows.runtime.deployments import deployments
        from flows.service.stale_runs import crash_stale_runs
        from flows.service.warm_runs import COLD, WarmRuns

        served = [each.to_serve() for each in deployments(place.settings)]
    warm = None
    try:
        starter: Any = _starter_engine  # where Prefect's runner has the function that starts runs
        warm = WarmRuns(late=SCORING)
        starter.run_process = warm.instead_of(starter.run_process)
    except (AttributeError, OSError, RuntimeError) as error:
        say(COLD.format(error=type(error).__name__))
    bind()  # not before: it starts a thread, and what has threads is not forked
    _await_server(place)

    # On SIGTERM it makes a coroutine that it does not await, and ends all the same.
    warnings.filterwarnings("ignore", r"coroutine 'Runner.a?stop' was never awaited")

    async def serve() -> None:
        with _scratch_in(place.home):
            runner = Runner(
                name="mriad",
                pause_on_shutdown=False,
                query_seconds=POLL_SECONDS,
                limit=RUNS_AT_ONCE + place.settings.shards - 1,
            )
        # By one client, for each new one takes a tenth of a second; and one after the other, for
        # several at once find the server's database locked, and wait.
        async with AsyncClientContext.get_or_create():
            ids = [await runner.aadd_deployment(each) for each in served]
            await crash_stale_runs(ids)
        _ready()
        if warm is not None:
            warm.warm_up()
        await runner.start()

    asyncio.run(serve())


def _watch(place: "Context") -> None:
    # The others load meanwhile, and a new home waits for them; afterwards a core is idle.
    _await_server(place)
    with frozen_imports():
        from flows.service.triggers import Deployed
        from flows.service.watcher import Watcher, pace_of

    with closing(Deployed(place.home, lambda: _is_up(place))) as deployed:
        watcher = Watcher(
            place.home, os.fspath(place.watched), pace_of(place), deployed, swept=_ready
        )
        signal.signal(signal.SIGTERM, lambda *_: watcher.end())
        watcher.run()


def _await_server(place: "Context") -> None:
    while not _is_up(place):
        time.sleep(LOOK_SECONDS)


def _is_up(place: "Context") -> bool:
    from flows.service.server.prefect_server import HEALTH_TIMEOUT_SECONDS, own_server
    from flows.service.server.server_secret import is_own_server

    return is_own_server(*own_server(place.home, place.settings), HEALTH_TIMEOUT_SECONDS)


@contextmanager
def _scratch_in(home: Path) -> Iterator[None]:
    """Put a runner's scratch folder in the home, not in the shared temporary folder.

    There another user may have made `runner_storage` before us, and would own what lies in it.
    """
    before, tempfile.tempdir = tempfile.tempdir, str(home / PREFECT_FOLDER)
    try:
        yield
    finally:
        tempfile.tempdir = before


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""A command and its temporary Prefect server: neither waits for the other once it has ended.

Where the server ends first, Prefect itself would go on without a word, then try for minutes to
say how its run has ended, and again at the exit of the process for each event that was not sent.
"""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flows.service.server.server_logs import cause_in
from mriad_model.errors import HomeError, MriadError, Terminated
from tasks.runtime.runs import is_stop

if TYPE_CHECKING:
    from prefect.settings import Settings

LOOK_SECONDS = 0.2
EVENTS_SECONDS = 10.0  # for what a command still has to tell the server
ENDED = (
    "the temporary Prefect server ended before the run did ({cause}); what was recorded stays; run "
    "the same command again to go on; see {log}"
)


class _ServerEndedError(BaseException):
    """The server is gone. Raised wherever the main thread is, as Ctrl-C is."""


@contextmanager
def ending_with(server: subprocess.Popen[bytes], log: Path) -> Iterator[None]:
    """A block of the main thread that is left where the server ends before it.

    At its end the server is told what is still to be told of its run, also of one that failed.

    Raises:
        HomeError: the server has ended; with what its log says.
    """
    from prefect.settings import get_current_settings  # noqa: PLC0415 - reads settings on import

    settings, done, turn = get_current_settings(), threading.Event(), threading.Lock()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            if server.poll() is not None:
                _give_up(settings)
                with turn:
                    if not done.is_set():
                        main = threading.main_thread().ident
                        assert main is not None
                        signal.pthread_kill(main, signal.SIGUSR1)
                return

    def leave(_signal: int, _frame: object) -> None:
        if not done.is_set():
            raise _ServerEndedError

    before = signal.signal(signal.SIGUSR1, leave)
    threading.Thread(target=watch, name="watch the server", daemon=True).start()
    try:
        yield
    except MriadError:
        raise  # what the run itself found
    except (Exception, _ServerEndedError) as error:
        if not _has_ended(server):
            raise
        if (stop := _stop_behind(error)) is not None:
            raise stop from error  # it was meant for both, and the server was the quicker
        cause = cause_in(log) or _exit_text(server.returncode)
        raise HomeError(ENDED.format(cause=cause, log=log)) from error
    finally:
        with turn:
            done.set()
        signal.signal(signal.SIGUSR1, before)
        try:
            if server.poll() is None:
                _drain_events()
        finally:
            _give_up(settings)


def _stop_behind(error: BaseException | None) -> BaseException | None:
    """The Ctrl-C or SIGTERM that an error came of, or came amid; None of other errors."""
    while error is not None and not is_stop(error):
        error = error.__cause__ or error.__context__
    if error is None:
        return None
    return KeyboardInterrupt() if isinstance(error, KeyboardInterrupt) else Terminated()


def _has_ended(server: subprocess.Popen[bytes]) -> bool:
    """Whether it has; a connection breaks a moment before its process is gone."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(LOOK_SECONDS)
    return server.poll() is not None


def _drain_events() -> None:
    """Wait for events to reach the server before it ends."""
    if "prefect.events.worker" in sys.modules:
        from prefect.events.worker import EventsWorker  # noqa: PLC0415

        EventsWorker.drain_all(timeout=EVENTS_SECONDS)


def _give_up(settings: "Settings") -> None:
    """Have Prefect fail at once where it would try again: nobody answers any more."""
    settings.client.max_retries = 0
    if "prefect.events.worker" not in sys.modules:
        return
    from prefect._internal.concurrency.services import _active_services  # noqa: PLC0415
    from prefect.events.clients import NullEventsClient, PrefectEventsClient  # noqa: PLC0415
    from prefect.events.worker import EventsWorker  # noqa: PLC0415

    EventsWorker.set_client_override(NullEventsClient)  # for what is said from now on
    for worker in list(_active_services):
        client = getattr(worker, "_client", None)
        if isinstance(client, PrefectEventsClient):
            client._reconnection_attempts = 0


def _exit_text(status: int) -> str:
    return f"status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"

"""Flows whose parameters Prefect does not store, and how runs on a worker find the home."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import wraps
from inspect import signature
from itertools import count
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote
from pydantic_core import to_jsonable_python

from flows.runtime.context import Context, child_context
from flows.runtime.settings import read_settings
from mriad_model.errors import SettingsError
from mriad_model.parent_process import kill_with_parent
from tasks.runtime.connections import choose_database, is_database_chosen
from tasks.runtime.runs import is_stop

CHUNKS = 3  # one is worked on, one written, one waits for its turn
FOLDS = 2  # trained side by side
HIDDEN = "(not kept here)"
NAMES_OF_FILES = frozenset({"folder", "glob", "csv"})  # parameters, and parts of parameters
T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


class PrivateFlow(Flow[P, R]):
    """A flow that hides the names of its folders and files from the Prefect server."""

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """What Prefect stores of a run's parameters; the run itself has them as given.

        As Prefect itself does, but for FastAPI, which takes a fifth of a second to import.
        """
        return _hidden({name: _stored(value) for name, value in parameters.items()})


def private_flow(
    name: str,
    flow_run_name: str | Callable[[], str],
    workers: int = CHUNKS,
    retries: int = 0,
    *,
    leaving: bool = False,
) -> Callable[[Callable[P, R]], PrivateFlow[P, R]]:
    """Like `prefect.flow`, for every flow of ours: it hides names of folders, finds its record.

    `flow_run_name` may name parameters in braces, but no folder. `workers` are tasks at once. A
    flow that is stopped waits for these, unless it is `leaving`: then nothing may depend on them.
    """

    def decorate(function: Callable[P, R]) -> PrivateFlow[P, R]:
        flow = PrivateFlow(
            function,
            name=name,
            flow_run_name=flow_run_name,
            task_runner=threads(workers, leaving=leaving),
            retries=retries,
        )
        flow.fn = _with_its_record(function)
        return flow

    return decorate


def _with_its_record(function: Callable[P, R]) -> Callable[P, R]:
    """A flow that finds the record of its home, also where no command began it: in a worker."""

    @wraps(function)
    def begun(*args: P.args, **kwargs: P.kwargs) -> R:
        home = signature(function).bind(*args, **kwargs).arguments.get("home")
        if home is not None and not is_database_chosen(str(home)):
            choose_database(str(home), read_settings().record_url)
        return function(*args, **kwargs)

    return begun


def _stored(value: object) -> Any:
    if not isinstance(value, PrefectFuture | State):
        with suppress(TypeError, ValueError, RecursionError):
            return to_jsonable_python(value)
    return f"<{type(value).__name__}>"


def _hidden(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: HIDDEN
        if name in NAMES_OF_FILES and value not in (None, "*")
        else _hidden(value)
        if isinstance(value, dict)
        else value
        for name, value in parameters.items()
    }


class LeavingThreads(ThreadPoolTaskRunner[Any]):
    """Threads that are left to themselves where somebody stops the process."""

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if is_stop(exc_value) and self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
        super().__exit__(exc_type, exc_value, traceback)


def threads(workers: int = CHUNKS, *, leaving: bool = False) -> TaskRunner[PrefectFuture[Any]]:
    """A task runner with so many threads."""
    kind = LeavingThreads if leaving else ThreadPoolTaskRunner
    # Prefect's own class does not fit the type of its own decorator: a future is invariant.
    return cast(TaskRunner[PrefectFuture[Any]], kind(max_workers=workers))


def data(value: T) -> T:
    """A large argument of a task, which Prefect need not search for futures: that takes seconds."""
    return cast(T, quote(value))


def bounded_results(
    submitted: Iterable[PrefectFuture[T]], most: int = 2
) -> Iterator[tuple[int, T]]:
    """Results in order, numbered from 1, while at most `most` of the tasks run.

    `submitted` submits a task each time it is asked for the next.
    """
    in_hand: deque[PrefectFuture[T]] = deque()
    done = count(1)
    for future in submitted:
        in_hand.append(future)
        if len(in_hand) == most:
            yield next(done), in_hand.popleft().result()
    while in_hand:
        yield next(done), in_hand.popleft().result()


AUTHOR = "schedule"  # who activates what a run activates that nobody started
GRACE_SECONDS = 20.0  # for the run to be recorded as failed


def worker_context(home: Path | None, **given: object) -> Context:
    """The settings and the home of a flow: the home given, else MRIAD_HOME.

    Raises:
        SettingsError: no home is given, and MRIAD_HOME is not an absolute path.
    """
    if not read_settings(home=home).home.is_absolute():
        raise SettingsError("a flow that a worker runs needs an absolute path in MRIAD_HOME")
    place = child_context(home, **given)
    parent = multiprocessing.parent_process()
    if parent is not None:
        kill_with_parent(parent.join, GRACE_SECONDS, terminate=True)
    return place


def home_parameter(home: Path) -> dict[str, str]:
    """The parameter that names the home to a worker, as `worker_context` takes it.

    None where this is MRIAD_HOME: a worker elsewhere may have it at another place.
    """
    return {} if read_settings().home == home else {"home": str(home)}

"""How the flows run: their tasks in threads of one process, their folders' names kept to us.

Torch and OpenCV let go of the interpreter, so threads do. Folders are often named after
patients, so what Prefect keeps of a run does not name them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from inspect import signature
from itertools import count
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from flows.settings import read_settings
from tasks.resources import choose_database, is_database_chosen

CHUNKS = 3  # one is worked on, one written, one waits for its turn
FOLDS = 2  # trained side by side
HIDDEN = "(not kept here)"
NAMES_OF_FILES = frozenset({"folder", "glob", "csv"})  # parameters, and parts of parameters
T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


class PrivateFlow(Flow[P, R]):
    """A flow whose server is not told the names of folders and files that it works on."""

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """What Prefect stores of a run's parameters; the run itself has them as given."""
        told: dict[str, Any] = _hidden(super().serialize_parameters(parameters))
        return told


def private_flow(
    name: str, flow_run_name: str | Callable[[], str], workers: int = CHUNKS
) -> Callable[[Callable[P, R]], PrivateFlow[P, R]]:
    """Like `prefect.flow`, for every flow of ours: it keeps names of folders, finds its record.

    Args:
        name: of the flow.
        flow_run_name: may name parameters in braces, but no folder; or what makes the name.
        workers: tasks at once.
    """

    def decorate(function: Callable[P, R]) -> PrivateFlow[P, R]:
        flow = PrivateFlow(
            function, name=name, flow_run_name=flow_run_name, task_runner=threads(workers)
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


def _hidden(told: dict[str, Any]) -> dict[str, Any]:
    return {
        name: HIDDEN
        if name in NAMES_OF_FILES and value not in (None, "*")
        else _hidden(value)
        if isinstance(value, dict)
        else value
        for name, value in told.items()
    }


def threads(workers: int = CHUNKS) -> TaskRunner[PrefectFuture[Any]]:
    """A runner of so many tasks at once."""
    # Prefect's own class does not fit the type of its own decorator: a future is invariant.
    return cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=workers))


def data(value: T) -> T:
    """A large argument of a task, in which Prefect need not look for futures: it holds none.

    It looks at every item, twice: seconds for the scans of 100,000 files.
    """
    return cast(T, quote(value))


def ahead(submitted: Iterable[PrefectFuture[T]], most: int = 2) -> Iterator[tuple[int, T]]:
    """Results in order, numbered from 1, while at most `most` of the tasks are in hand.

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

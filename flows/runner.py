"""How the flows run their tasks: threads of one process, for torch and OpenCV let go of it."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, TypeVar, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

CHUNKS = 3  # one is worked on, one written, one waits for its turn
FOLDS = 2  # trained side by side
T = TypeVar("T")


def threads(workers: int = CHUNKS) -> TaskRunner[PrefectFuture[Any]]:
    """A runner of so many tasks at once."""
    # Prefect's own class does not fit the type of its own decorator: a future is invariant.
    return cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=workers))


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

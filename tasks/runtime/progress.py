"""How far the work is: tasks report it to a listener, the command line's progress bar.

Flow parameters must be data, so a callback cannot travel through them; the listener is set for
the length of a command instead. Without one, progress is dropped.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` of what a step counts; `note` is a short text beside it.

    A `total` of 0: the step begins, and how much there is to do is not known yet.
    """

    step: str
    done: int
    total: int
    note: str = ""
    unit: str = ""  # what is counted, in the plural: "scans", "epochs"


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called, from any thread, for as long as the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell(step: str, done: int, total: int, note: str = "", *, unit: str = "") -> None:
    """Report that `done` of `total` of what `step` counts are done; see `Progress`."""
    for listener in list(_listeners):
        listener(Progress(step, done, total, note, unit))


P = ParamSpec("P")
R = TypeVar("R")
Step = Callable[Concatenate[str, int, P], R]  # of a home and a run
MOST_RUNS = 32  # kept, the last ones: a service runs for months
_adding = threading.Lock()
_seconds: dict[int, dict[str, float]] = {}


@contextmanager
def timing(run_id: int, step: str) -> Iterator[None]:
    """Count what the block takes towards a step of a run."""
    began = time.monotonic()
    try:
        yield
    finally:
        _add(run_id, step, time.monotonic() - began)


def timed(step: str) -> Callable[[Step[P, R]], Step[P, R]]:
    """Count what a function of (home, run id, ...) takes towards a step of that run."""

    def decorate(function: Step[P, R]) -> Step[P, R]:
        @wraps(function)
        def measured(home: str, run_id: int, /, *args: P.args, **kwargs: P.kwargs) -> R:
            with timing(run_id, step):
                return function(home, run_id, *args, **kwargs)

        return measured

    return decorate


@dataclass(frozen=True, slots=True)
class Took:
    """What a run took up to now: in all, and for each step."""

    seconds: float
    by_step: dict[str, float]


def took(run_id: int, began: float) -> Took:
    """What a run took that began then, by `time.monotonic`."""
    return Took(time.monotonic() - began, seconds_by_step(run_id))


def seconds_by_step(run_id: int) -> dict[str, float]:
    """What the steps of a run took, in the order in which they first ended."""
    with _adding:
        return dict(_seconds.get(run_id, {}))


def _add(run_id: int, step: str, seconds: float) -> None:
    with _adding:
        _seconds.setdefault(run_id, defaultdict(float))[step] += seconds
        while len(_seconds) > MOST_RUNS:
            del _seconds[next(iter(_seconds))]

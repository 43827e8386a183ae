"""How long the steps of a run take, added up in this process for its report.

Steps overlap, for chunks are worked on side by side: their sum may exceed the run's length. What
other processes or machines do of a run is not known here.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Step = Callable[Concatenate[str, int, P], R]  # of a home and a run

MOST_RUNS = 32  # kept, the last ones: a service runs for months

_adding = threading.Lock()
_seconds: dict[int, dict[str, float]] = {}


def timed(step: str) -> Callable[[Step[P, R]], Step[P, R]]:
    """Count what a function of (home, run id, ...) takes towards a step of that run."""

    def decorate(function: Step[P, R]) -> Step[P, R]:
        @wraps(function)
        def measured(home: str, run_id: int, /, *args: P.args, **kwargs: P.kwargs) -> R:
            began = time.monotonic()
            try:
                return function(home, run_id, *args, **kwargs)
            finally:
                _add(run_id, step, time.monotonic() - began)

        return measured

    return decorate


def seconds_by_step(run_id: int) -> dict[str, float]:
    """What the steps of a run took, in the order in which they first ended."""
    with _adding:
        return dict(_seconds.get(run_id, {}))


def _add(run_id: int, step: str, seconds: float) -> None:
    with _adding:
        _seconds.setdefault(run_id, defaultdict(float))[step] += seconds
        while len(_seconds) > MOST_RUNS:
            del _seconds[next(iter(_seconds))]

"""How far the work is: tasks tell, a listener (the command line's progress bar) hears.

Flow parameters must be data, so a callback cannot travel through them; the listener is set for
the length of a command instead. Without one, progress is dropped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units of a step; `note` is a short text beside it."""

    step: str
    done: int
    total: int
    note: str = ""


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


def tell(step: str, done: int, total: int, note: str = "") -> None:
    """Say that `done` of `total` units of `step` are done."""
    for listener in list(_listeners):
        listener(Progress(step, done, total, note))

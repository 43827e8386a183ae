"""A function over many items, in children that are restarted when an item kills them."""

import os
import pickle
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from threading import Lock
from typing import Any, Self, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile, SettingsError
from mriad_model.readers.sandbox.children import ChildContext, enter_child
from mriad_model.readers.sandbox.time_budget import NOT_TRIED, TimeBudget
from mriad_model.readers.sandbox.worker import (
    PLACE,
    ChildLimits,
    Done,
    ItemOutcome,
    pack,
    run_batch,
)

T = TypeVar("T")
R = TypeVar("R")

QUEUED = 2  # batches a child: one being read, one waiting, so that no child waits for us
AHEAD = 3  # batches a child that are taken before the first is needed
ATTEMPTS = 5  # at a batch, where it is not known of what the child died
GRACE_SECONDS = 30.0  # over the items' own limits, before we give up on a child


class ReaderPool:
    """Children that run a function over untrusted items: a context manager, for several threads."""

    def __init__(self, workers: int = 2, limits: ChildLimits | None = None) -> None:
        self.limits = limits or ChildLimits()
        self._children = [_Child(self.limits) for _ in range(workers)]
        self._free = SimpleQueue[_Child]()
        for _ in range(QUEUED):
            for child in self._children:
                self._free.put(child)
        self._threads = ThreadPoolExecutor(QUEUED * workers, thread_name_prefix="readers")

    def map(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        together: int = 1,
        budget: TimeBudget | None = None,
        folder_of: Callable[[T], str] = str,
    ) -> Iterator[R | RejectedFile]:
        """Call a picklable function with each item in a child; results come in order.

        `together` items travel in one message; `budget` limits the time of late items in each
        `folder_of(item)`. Yields what the function returned, or the RejectedFile that it raised;
        TOO_LARGE where memory did not suffice, TIMED_OUT or READER_DIED for the item that was late
        or killed its child, UNREADABLE where the budget is spent: the next run tries it.

        Raises whatever else the function raised, with the child's traceback as a note, and
        SettingsError where no child can be started.
        """
        seconds = self.limits.seconds
        time = _Time(budget or TimeBudget(seconds, quick_seconds=seconds), folder_of)
        source = iter(items)
        ahead = deque[Future[list[ItemOutcome]]]()
        try:
            while batch := list(islice(source, together)):
                ahead.append(self._threads.submit(self._outcomes, function, batch, time))
                if len(ahead) >= AHEAD * len(self._children):
                    yield from _results(ahead.popleft())
            while ahead:
                yield from _results(ahead.popleft())
        finally:
            for future in ahead:
                future.cancel()

    def close(self) -> None:
        """End the children. Unfinished batches are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self._children:
            child.close()
        self._threads.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _outcomes(
        self, function: Callable[[Any], object], batch: Sequence[object], time: "_Time"
    ) -> list[ItemOutcome]:
        child = self._free.get()
        try:
            return child.outcomes(function, batch, time)
        finally:
            self._free.put(child)


class _Child:
    """One child process at a time, for one batch after the other, in a pool of its own.

    Workers of one pool share pipes and locks: one that dies may take the others with it.
    """

    def __init__(self, limits: ChildLimits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._pool: ProcessPool | None = None
        self._in_hand = set[ProcessFuture[list[bytes]]]()
        self._closed = False

    def outcomes(
        self, function: Callable[[Any], object], items: Sequence[object], time: "_Time"
    ) -> list[ItemOutcome]:
        """An outcome for each item; a single `Raised` may stand for all."""
        allowed = [time.allowed(item) for item in items]
        if len(items) == 1 and not allowed[0]:
            return [RejectedFile(RejectionReason.UNREADABLE, NOT_TRIED)]
        if all(allowed):
            with tempfile.NamedTemporaryFile(prefix="mriad-") as progress:
                try:
                    return self._asked(function, items, allowed, progress.name)
                except _LateError:
                    late = int.from_bytes(os.pread(progress.fileno(), PLACE, 0), "big")
                    before, after = items[:late], items[late + 1 :]
                    # First those before it: the late one may spend the budget that they are on.
                    outcomes = self.outcomes(function, before, time) if before else []
                    outcomes.append(time.late(items[late], allowed[late]))
                    return outcomes + (self.outcomes(function, after, time) if after else [])
                except _DiedError:
                    if len(items) == 1:
                        return [RejectedFile(RejectionReason.READER_DIED, "the decoder died of it")]
        return [self.outcomes(function, [item], time)[0] for item in items]

    def close(self) -> None:
        """End the child; its waiting callers get CancelledError."""
        with self._lock:
            self._closed = True
            for future in tuple(self._in_hand):
                future.cancel()  # type: ignore[no-untyped-call]
            _end(self._pool)
            self._pool = None

    def _asked(
        self,
        function: Callable[[Any], object],
        items: Sequence[object],
        allowed: Sequence[float],
        progress: str,
    ) -> list[ItemOutcome]:
        packed = pack(function, items, allowed, progress)
        for _ in range(ATTEMPTS):
            try:
                return [pickle.loads(each) for each in self._sent(packed, sum(allowed))]  # noqa: S301 - our child's
            except TimeoutError:
                raise _LateError from None
            except ProcessExpired as expired:
                late = expired.exitcode == -signal.SIGALRM
                raise (_LateError if late else _DiedError) from None
            except BrokenProcessPool:
                continue  # it died before Pebble heard of which batch: perhaps not of this one
        raise _DiedError

    def _sent(self, packed: bytes, seconds: float) -> list[bytes]:
        """What the child answers. Raises what Pebble raises, CancelledError where we are closed."""
        with self._lock:
            pool = self._started()
            future = pool.schedule(run_batch, (packed,), timeout=seconds + GRACE_SECONDS)
            self._in_hand.add(future)
        try:
            return future.result()
        finally:
            self._in_hand.discard(future)

    def _started(self) -> ProcessPool:
        """The pool, a new one where the last has broken."""
        if self._closed:
            raise CancelledError
        if self._pool is not None and self._pool.active:
            return self._pool
        _end(self._pool)
        self._pool = None
        pool = ProcessPool(
            1, initializer=enter_child, initargs=(self._limits,), context=ChildContext()
        )
        try:
            pool.schedule(run_batch, (pack(len, (), ()),), timeout=GRACE_SECONDS).result()
        except (OSError, RuntimeError) as error:
            _end(pool)
            raise SettingsError(
                "no child can be started to read files in: allow it more memory, or see"
                " whether the machine is out of it"
            ) from error
        self._pool = pool
        return pool


def _end(pool: ProcessPool | None) -> None:
    if pool is not None:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


class _DiedError(Exception):
    """The child died of a batch."""


class _LateError(Exception):
    """An item of a batch took longer than it may."""


@dataclass(frozen=True, slots=True)
class _Time:
    """The time that each item may take, by the budget of its folder."""

    budget: TimeBudget
    folder_of: Callable[[Any], str]

    def allowed(self, item: object) -> float:
        return self.budget.allowed(self.folder_of(item))

    def late(self, item: object, allowed: float) -> RejectedFile:
        return self.budget.late(self.folder_of(item), allowed)


def _results(future: Future[list[ItemOutcome]]) -> Iterator[Any]:
    for outcome in future.result():
        if isinstance(outcome, Done):
            yield outcome.value
        elif isinstance(outcome, RejectedFile):
            yield outcome
        else:
            raise outcome.error

"""A function over many items, in children that are restarted when an item kills them."""

import os
import pickle
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
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
    Outcome,
    pack,
    run_batch,
)

T = TypeVar("T")
R = TypeVar("R")

QUEUED = 2  # batches a child: one in hand, one waiting, so that no child waits for us
AHEAD = 3  # batches a child that are taken before the first is asked for
ATTEMPTS = 5  # at a batch, where it is not known of what the child died
GRACE_SECONDS = 30.0  # over the items' own limits, before we give up on a child


class ReaderPool:
    """Children that run a function over untrusted items. A context manager.

    The children start on first use and stay. Several threads may call `map` at the same time.
    """

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
        """Call `function` with each item in a child; results come in order.

        Args:
            function: of an importable module; it and what it returns have to be picklable.
            items: may be long and lazy: a few batches are taken ahead of what is asked for.
            together: how many items travel in one message. More is faster for small ones.
            budget: what items that take too long may cost, a folder; without one, all are tried.
            folder_of: whose budget an item is on.

        Yields:
            What the function returned, or RejectedFile: what it raised, or TOO_LARGE where
            memory did not suffice, TIMED_OUT where it took too long, READER_DIED where the
            child died of it. When a batch of several dies, its items are tried one by one.
            UNREADABLE where the budget is spent: it is to be tried another time.

        Raises:
            Exception: whatever else the function raised, with the child's traceback as a note.
            SettingsError: the children cannot be started.
        """
        time = _Time(self.limits.seconds, budget, folder_of)
        batches = _batches(iter(items), together)
        ahead = deque[Future[list[Outcome]]]()
        try:
            for batch in batches:
                ahead.append(self._threads.submit(self._outcomes, function, batch, time))
                if len(ahead) >= AHEAD * len(self._children):
                    yield from _results(ahead.popleft())
            while ahead:
                yield from _results(ahead.popleft())
        finally:
            for future in ahead:
                future.cancel()

    def close(self) -> None:
        """End the children. What is in hand is given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self._children:
            child.close()
        self._threads.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _outcomes(
        self, function: Callable[[Any], object], batch: Sequence[object], time: "_Time"
    ) -> list[Outcome]:
        child = self._free.get()
        try:
            return child.outcomes(function, batch, time)
        finally:
            self._free.put(child)


class _Child:
    """One child at a time, which takes one batch after the other.

    It has a pool of its own: several workers of one would share its pipes and locks, and a
    worker that dies would be a danger to the others.
    """

    def __init__(self, limits: ChildLimits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._pool: ProcessPool | None = None
        self._in_hand = set[ProcessFuture[list[bytes]]]()
        self._closed = False

    def outcomes(
        self, function: Callable[[Any], object], items: Sequence[object], time: "_Time"
    ) -> list[Outcome]:
        """An outcome for each item; a single `Raised` may stand for all."""
        allowed = [time.allowed(item) for item in items]
        if len(items) == 1 and not allowed[0]:
            return [RejectedFile(RejectionReason.UNREADABLE, NOT_TRIED)]
        if all(allowed):
            with tempfile.NamedTemporaryFile(prefix="mriad-") as progress:
                try:
                    return self._asked(function, items, allowed, progress.name)
                except _LateError:
                    in_hand = int.from_bytes(os.pread(progress.fileno(), PLACE, 0), "big")
                    return self._without_the_late(function, items, in_hand, allowed, time)
                except _DiedError:
                    if len(items) == 1:
                        return [RejectedFile(RejectionReason.READER_DIED, "the decoder died of it")]
        return [self.outcomes(function, [item], time)[0] for item in items]

    def _without_the_late(
        self,
        function: Callable[[Any], object],
        items: Sequence[object],
        late: int,
        allowed: Sequence[float],
        time: "_Time",
    ) -> list[Outcome]:
        """The outcomes of the others; the item that took too long is not tried again."""
        before, after = items[:late], items[late + 1 :]
        # First those before it: they were read, and the late one may spend what they are on.
        outcomes = self.outcomes(function, before, time) if before else []
        outcomes.append(time.late(items[late], allowed[late]))
        return outcomes + (self.outcomes(function, after, time) if after else [])

    def close(self) -> None:
        """End the child; whoever waits for it gets CancelledError."""
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
    ) -> list[Outcome]:
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


class _Time:
    """How long each item may take: the same for all, or by a budget."""

    def __init__(
        self, seconds: float, budget: TimeBudget | None, folder_of: Callable[[Any], str]
    ) -> None:
        self._seconds = seconds
        self._budget = budget
        self._folder_of = folder_of

    def allowed(self, item: object) -> float:
        if self._budget is None:
            return self._seconds
        return self._budget.allowed(self._folder_of(item))

    def late(self, item: object, allowed: float) -> RejectedFile:
        if self._budget is None:
            return RejectedFile(RejectionReason.TIMED_OUT, f"took longer than {allowed:g} s")
        return self._budget.late(self._folder_of(item), allowed)


def _batches(items: Iterator[T], together: int) -> Iterator[list[T]]:
    while batch := list(islice(items, together)):
        yield batch


def _results(future: Future[list[Outcome]]) -> Iterator[Any]:
    for outcome in future.result():
        if isinstance(outcome, Done):
            yield outcome.value
        elif isinstance(outcome, RejectedFile):
            yield outcome
        else:
            raise outcome.error

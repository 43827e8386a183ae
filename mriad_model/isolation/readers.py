"""A function over many items, in children that are restarted when an item kills them."""

import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import islice
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from mriad_model.errors import RejectedFile, SettingsError
from mriad_model.isolation.child import Done, Outcome, Refused, pack, run_batch
from mriad_model.isolation.limits import ChildLimits
from mriad_model.isolation.processes import ChildContext, enter_child
from mriad_model.nouns import RejectionReason

T = TypeVar("T")
R = TypeVar("R")

BATCHES_AHEAD = 2  # a worker: one in hand, one waiting, so that no child waits for us
GRACE_SECONDS = 30.0  # over the items' own limits, before we give up on a child


class Readers:
    """Children that run a function over untrusted items. A context manager.

    The children start on first use and stay. Several threads may call `map` at the same time.
    """

    def __init__(self, workers: int = 2, limits: ChildLimits | None = None) -> None:
        self._children = [_Child(limits or ChildLimits()) for _ in range(workers)]
        self._idle = SimpleQueue[_Child]()
        for child in self._children:
            self._idle.put(child)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="readers")

    def map(
        self, function: Callable[[T], R], items: Iterable[T], *, together: int = 1
    ) -> Iterator[R | RejectedFile]:
        """Call `function` with each item in a child; results come in order.

        Args:
            function: of an importable module; it and what it returns have to be picklable.
            items: may be long and lazy: a few batches are taken ahead of what is asked for.
            together: how many items travel in one message. More is faster for small ones.

        Yields:
            What the function returned, or RejectedFile: what it raised, or TOO_LARGE where
            memory did not suffice, TIMED_OUT where it took too long, READER_DIED where the
            child died of it. When a batch of several dies, its items are tried one by one.

        Raises:
            Exception: whatever else the function raised, with the child's traceback as a note.
            SettingsError: the children cannot be started.
        """
        batches = _batches(iter(items), together)
        ahead = deque[Future[list[Outcome]]]()
        try:
            for batch in batches:
                ahead.append(self._threads.submit(self._outcomes, function, batch))
                if len(ahead) >= BATCHES_AHEAD * len(self._children):
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
        self, function: Callable[[Any], object], batch: Sequence[object]
    ) -> list[Outcome]:
        child = self._idle.get()
        try:
            return child.outcomes(function, batch)
        finally:
            self._idle.put(child)


class _Child:
    """One child at a time, with one batch at a time: so who dies, and of what, is never in doubt.

    A pool of Pebble's with several workers shares its pipes and locks among them, and takes a
    worker that dies at once for a broken pool.
    """

    def __init__(self, limits: ChildLimits) -> None:
        self._limits = limits
        self._pool: ProcessPool | None = None
        self._in_hand: ProcessFuture[list[bytes]] | None = None
        self._closed = False

    def outcomes(self, function: Callable[[Any], object], items: Sequence[object]) -> list[Outcome]:
        """An outcome for each item; a single `Raised` may stand for all."""
        try:
            return self._asked(function, items)
        except _DiedError as died:
            if len(items) > 1:
                return [self.outcomes(function, [item])[0] for item in items]
            return [Refused(died.reason, died.detail)]

    def close(self) -> None:
        """End the child; whoever waits for it gets CancelledError."""
        self._closed = True
        if self._in_hand is not None:
            self._in_hand.cancel()  # type: ignore[no-untyped-call]
        self._end_pool()

    def _asked(self, function: Callable[[Any], object], items: Sequence[object]) -> list[Outcome]:
        seconds = self._limits.seconds
        packed = pack(function, items, seconds)
        pool = self._started()
        try:
            self._in_hand = pool.schedule(
                run_batch, (packed,), timeout=seconds * len(items) + GRACE_SECONDS
            )
            if self._closed:
                self._in_hand.cancel()  # type: ignore[no-untyped-call]
            return [pickle.loads(each) for each in self._in_hand.result()]  # noqa: S301 - our child's
        except TimeoutError:
            raise _DiedError(RejectionReason.TIMED_OUT, seconds) from None
        except ProcessExpired as expired:
            late = expired.exitcode == -signal.SIGALRM
            reason = RejectionReason.TIMED_OUT if late else RejectionReason.READER_DIED
            raise _DiedError(reason, seconds) from None
        except (BrokenProcessPool, RuntimeError):
            if self._closed:
                raise CancelledError from None
            self._end_pool()  # it died before Pebble heard that it had begun
            raise _DiedError(RejectionReason.READER_DIED, seconds) from None
        finally:
            self._in_hand = None

    def _started(self) -> ProcessPool:
        if self._closed:
            raise CancelledError
        if self._pool is None:
            self._pool = ProcessPool(
                1, initializer=enter_child, initargs=(self._limits,), context=ChildContext()
            )
            try:
                self._pool.schedule(run_batch, (pack(len, (), 0),), timeout=GRACE_SECONDS).result()
            except (OSError, RuntimeError) as error:
                self._end_pool()
                raise SettingsError(
                    "no child can be started to read files in: allow it more memory, or see"
                    " whether the machine is out of it"
                ) from error
        return self._pool

    def _end_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            with suppress(RuntimeError):
                pool.join()


class _DiedError(Exception):
    """The child died of a batch."""

    def __init__(self, reason: RejectionReason, seconds: float) -> None:
        super().__init__(reason.value)
        self.reason = reason
        late = reason is RejectionReason.TIMED_OUT
        self.detail = f"took longer than {seconds:g} s" if late else "the decoder died of it"


def _batches(items: Iterator[T], together: int) -> Iterator[list[T]]:
    while batch := list(islice(items, together)):
        yield batch


def _results(future: Future[list[Outcome]]) -> Iterator[Any]:
    for outcome in future.result():
        if isinstance(outcome, Done):
            yield outcome.value
        elif isinstance(outcome, Refused):
            yield RejectedFile(outcome.reason, outcome.detail)
        else:
            raise outcome.error

"""The work of a child process on a batch, and its limits."""

import os
import pickle
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile

PLACE = 8  # bytes that hold the number of the item being read


@dataclass(frozen=True, slots=True)
class Done:
    """What the function returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised something else: a mistake of ours, or a full disk."""

    error: Exception


ItemOutcome = Done | RejectedFile | Raised


def pack(
    function: Callable[[Any], object],
    items: Sequence[object],
    seconds: Sequence[float],
    progress: str = "",
) -> bytes:
    """A batch for a child: seconds for each item, and the file that shows its progress."""
    return pickle.dumps((function, items, seconds, progress), pickle.HIGHEST_PROTOCOL)


def run_batch(packed: bytes) -> list[bytes]:
    """Call a packed batch's function: a pickled `ItemOutcome` an item, or one `Raised` for all."""
    try:
        function, items, seconds, progress = pickle.loads(packed)  # noqa: S301 - from our own parent
    except Exception as error:  # the function is not to be found in the child
        return [_packed(_raised(error))]
    each_timed = zip(items, seconds, strict=True)
    if len(items) < 2 or not progress:
        return [_outcome(function, *each) for each in each_timed]
    outcomes = []
    with Path(progress).open("r+b", buffering=0) as reached:
        for number, each in enumerate(each_timed):
            os.pwrite(reached.fileno(), number.to_bytes(PLACE, "big"), 0)
            outcomes.append(_outcome(function, *each))
    return outcomes


def _outcome(function: Callable[[Any], object], item: object, seconds: float) -> bytes:
    signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM ends the process, even in C
    try:
        return _packed(Done(function(item)))
    except RejectedFile as error:
        return _packed(RejectedFile(error.reason, error.detail))  # without its traceback
    except MemoryError:
        return _packed(RejectedFile(RejectionReason.TOO_LARGE, "more memory than a child may take"))
    except Exception as error:
        return _packed(_raised(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _packed(outcome: ItemOutcome) -> bytes:
    return pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)


def _raised(error: Exception) -> Raised:
    """The error as one that can travel, with the child's traceback as a note."""
    try:
        travelling = pickle.loads(pickle.dumps(error))  # noqa: S301 - just made
    except Exception:
        travelling = RuntimeError(f"{type(error).__name__}: {error}")
    travelling.add_note("In the child:\n" + "".join(traceback.format_exception(error)))
    return Raised(travelling)


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """Limits of one child. The kernel enforces them."""

    memory_bytes: int = 1400 * 2**20  # of address space (RLIMIT_AS), so of resident memory too
    seconds: float = 60.0  # an item, by the clock on the wall

"""How recorded decisions came out when they were computed again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

TOLERANCE = 1e-4  # relative to a score: what another processor or library may change
SMALLEST = 1e-6  # absolute: of scores near 0


class Alike(IntEnum):
    """How a number found now compares with the recorded one; the larger, the less alike."""

    IDENTICAL = 0  # to the last bit
    CLOSE = 1  # another processor or library may change as much
    OTHER = 2


def alike(found: float, recorded: float) -> Alike:
    """How two numbers compare. What is no number is like nothing."""
    if found == recorded:
        return Alike.IDENTICAL
    close = math.isclose(found, recorded, rel_tol=TOLERANCE, abs_tol=SMALLEST)
    return Alike.CLOSE if close else Alike.OTHER


def optional_alike(found: float | None, recorded: float | None) -> Alike:
    """The same of numbers that may be missing."""
    if found is None or recorded is None:
        return Alike.IDENTICAL if found is recorded else Alike.OTHER
    return alike(found, recorded)


def all_alike(found: Sequence[float], recorded: Sequence[float]) -> Alike:
    """The least alike of pairs; OTHER where there are not as many."""
    if len(found) != len(recorded):
        return Alike.OTHER
    pairs = zip(found, recorded, strict=True)
    return max((alike(one, other) for one, other in pairs), default=Alike.IDENTICAL)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A decision that does not come out as recorded."""

    decision_id: int
    scan_id: int
    what: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A decision whose source is no longer there to be read."""

    decision_id: int
    path: str
    why: str  # "vanished" or "changed"


@dataclass(frozen=True, slots=True)
class Missing:
    """A file of a decision that is not there. What is left of the decision was replayed."""

    decision_id: int
    scan_id: int
    path: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A model or a threshold that does not come out as recorded; decisions stand on it."""

    what: str  # "model 1", "threshold 2"
    why: str


@dataclass(frozen=True, slots=True)
class NotRecomputed:
    """What was taken at the record's word, or only compared with its hash."""

    what: str
    why: str
    n: int


@dataclass(frozen=True, slots=True)
class LastBits:
    """Scores of one run that differ in their last bits, and what differs around them."""

    run_id: int
    n: int
    recorded: bool  # whether the run says what it ran in
    differs: dict[str, list[Any]]  # name -> [recorded, now]


@dataclass(frozen=True, slots=True)
class ReplayCounts:
    """How many numbers came out how."""

    identical: int = 0
    within_tolerance: int = 0
    mismatched: int = 0

    def plus(self, how: Alike) -> "ReplayCounts":
        """One more."""
        name = ("identical", "within_tolerance", "mismatched")[how]
        return replace(self, **{name: getattr(self, name) + 1})


@dataclass(slots=True)
class ReplayReport:
    """How the replayed decisions came out. `within_tolerance` differ in their last bits."""

    identical: int = 0
    within_tolerance: int = 0
    mismatched: list[Mismatch] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calibration: ReplayCounts = ReplayCounts()  # scores that thresholds are drawn through
    power: ReplayCounts = ReplayCounts()  # implants, where they are drawn again
    last_bits: list[LastBits] = field(default_factory=list)
    not_recomputed: list[NotRecomputed] = field(default_factory=list)

    @property
    def checked(self) -> int:
        """Decisions that could be replayed."""
        return self.identical + self.within_tolerance + len(self.mismatched)

    @property
    def whole(self) -> bool:
        """Whether all of it was there, and came out as recorded."""
        return not (self.mismatched or self.unreadable or self.missing or self.faults)

    def leave(self, what: str, why: str, n: int = 1) -> None:
        """Say what is not recomputed."""
        for place, each in enumerate(self.not_recomputed):
            if (each.what, each.why) == (what, why):
                self.not_recomputed[place] = replace(each, n=each.n + n)
                return
        self.not_recomputed.append(NotRecomputed(what, why, n))

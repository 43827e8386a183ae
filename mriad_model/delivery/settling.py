"""When a folder has settled: whoever delivers into it has done, as far as can be told.

A folder has settled when it is marked complete, or when nothing in it has changed for a quiet
period, and nothing in its delivery has. A delivery is the folder above (the study of a DICOM
tree patient/study/series) with all below it; a folder that lies directly in the watched one is
a delivery by itself. So the series of a study that is still copied wait for each other, and two
scans dropped side by side do not. A folder that has stood unchanged for PATIENCE quiet periods
waits for its neighbours no more: where scans trickle into one folder a month, they are scored.

A folder with a copy under way in it (`*.part`, `*.tmp`) has not settled, however old it is.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from mriad_model.delivery.pending import PendingReason
from mriad_model.delivery.snapshot import FolderSnapshot
from mriad_model.enums import SettledBy

PATIENCE = 10  # quiet periods


@dataclass(frozen=True, slots=True)
class SettledFolder:
    """A folder in a state that will do to be scored."""

    look: FolderSnapshot
    by: SettledBy


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A folder that is not to be scored yet."""

    look: FolderSnapshot
    why: PendingReason
    taken: bool  # its files have settled: what is unfinished in it came later


@dataclass(frozen=True, slots=True)
class SettleResult:
    """What a look over the watched folder comes to."""

    settled: list[SettledFolder]  # those that had not when looked at before
    due: float | None  # when the next will have, if nothing changes
    unsettled: list[Unsettled]


@dataclass(slots=True)
class SettleTracker:
    """What was seen before of the folders below a watched one."""

    root: str  # absolute
    quiet: float  # seconds
    _since: dict[str, tuple[str, float]] = field(default_factory=dict)  # path -> stir, since when
    _taken: dict[str, str] = field(default_factory=dict)  # path -> fingerprint that settled

    def known(self, path: str, fingerprint: str) -> None:
        """Say that a folder had settled in this state, before this process began."""
        self._taken[path] = fingerprint

    def stands(self, path: str, fingerprint: str) -> bool:
        """Whether a folder has settled in this state, and was in it when last looked at."""
        return self._taken.get(path) == fingerprint

    def observe(self, looks: Iterable[FolderSnapshot], now: float) -> SettleResult:
        """Take in a look over the watched folder at a moment of a clock that never goes back."""
        there = {look.path: look for look in looks}
        self._since = {path: self._unchanged(look, now) for path, look in there.items()}
        self._taken = {
            path: taken
            for path, taken in self._taken.items()
            if path in there and there[path].fingerprint == taken
        }
        stirred, busy = self._deliveries(there)
        settled, due, unsettled = [], list[float](), []
        for path, look in there.items():
            if look.unfinished:
                unsettled.append(Unsettled(look, PendingReason.COPYING, path in self._taken))
                continue
            if path in self._taken:
                continue
            if look.is_marked:
                settled.append(SettledFolder(look, SettledBy.COMPLETE))
            else:
                when = self._when(path, stirred, busy)
                if when <= now:
                    settled.append(SettledFolder(look, SettledBy.QUIET))
                else:
                    due.append(when)
                    own = self._since[path][1] + self.quiet
                    why = PendingReason.CHANGING if own > now else PendingReason.NEIGHBOURS
                    unsettled.append(Unsettled(look, why, taken=False))
        self._taken |= {each.look.path: each.look.fingerprint for each in settled}
        return SettleResult(settled, min(due, default=None), unsettled)

    def _unchanged(self, look: FolderSnapshot, now: float) -> tuple[str, float]:
        """The state of a folder, and since when it has been so."""
        before = self._since.get(look.path)
        return (
            before
            if before is not None and before[0] == look.change_key
            else (look.change_key, now)
        )

    def _when(self, path: str, stirred: dict[str, float], busy: set[str]) -> float:
        """When a folder will have settled, if nothing changes."""
        own = self._since[path][1]
        delivery = self._delivery(path)
        patient = own + PATIENCE * self.quiet
        return patient if delivery in busy else min(stirred[delivery] + self.quiet, patient)

    def _deliveries(self, looks: dict[str, FolderSnapshot]) -> tuple[dict[str, float], set[str]]:
        """When each delivery last stirred, and those with a copy under way."""
        deliveries = {self._delivery(path) for path in looks}
        stirred: dict[str, float] = {}
        busy = set()
        for path, look in looks.items():
            for above in self._above(path):
                if above in deliveries:
                    stirred[above] = max(stirred.get(above, 0.0), self._since[path][1])
                    if look.unfinished:
                        busy.add(above)
        return stirred, busy

    def _delivery(self, path: str) -> str:
        parent = os.path.dirname(path)  # noqa: PTH120 - names of any bytes, thousands of them
        return path if self.root in (path, parent) else parent

    def _above(self, path: str) -> Iterable[str]:
        """A folder and those above it, below the root; the root alone is itself."""
        yield path
        while path != self.root and (path := os.path.dirname(path)) != self.root:  # noqa: PTH120
            yield path

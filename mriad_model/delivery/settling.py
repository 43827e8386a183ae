"""When a folder has settled: its sender has finished, as far as can be seen.

A folder has settled when it is marked complete, or when nothing in it or its delivery has changed
for a quiet period. A delivery is the folder above (the study of a DICOM tree patient/study/series)
with all below it; a folder directly in the watched one is a delivery by itself. So series of a
study wait for each other, and scans dropped side by side do not. After PATIENCE quiet periods
without change a folder no longer waits for its neighbours, so a slow trickle is scored too.

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
    """A folder that is ready to be scored."""

    snapshot: FolderSnapshot
    by: SettledBy


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A folder that is not to be scored yet."""

    snapshot: FolderSnapshot
    why: PendingReason
    taken: bool  # its files have settled: the unfinished copy is newer


@dataclass(frozen=True, slots=True)
class SettleResult:
    """Result of one observation of the watched folder."""

    settled: list[SettledFolder]  # those that had not at the last observation
    due: float | None  # when the next one settles, if nothing changes
    unsettled: list[Unsettled]


@dataclass(slots=True)
class SettleTracker:
    """What earlier observations saw of the folders below a watched one."""

    root: str  # absolute
    quiet: float  # seconds
    _since: dict[str, tuple[str, float]] = field(default_factory=dict)  # path -> change key, when
    _taken: dict[str, str] = field(default_factory=dict)  # path -> fingerprint that settled

    def known(self, path: str, fingerprint: str) -> None:
        """Note that a folder had settled in this state before this process began."""
        self._taken[path] = fingerprint

    def has_settled(self, path: str, fingerprint: str) -> bool:
        """Whether a folder has settled in this state, and was in it at the last observation."""
        return self._taken.get(path) == fingerprint

    def observe(self, snapshots: Iterable[FolderSnapshot], now: float) -> SettleResult:
        """Add the snapshots taken at one moment of a clock that never goes back."""
        there = {snapshot.path: snapshot for snapshot in snapshots}
        self._since = {path: self._unchanged(snapshot, now) for path, snapshot in there.items()}
        self._taken = {
            path: taken
            for path, taken in self._taken.items()
            if path in there and there[path].fingerprint == taken
        }
        last_change, busy = self._deliveries(there)
        settled, due, unsettled = [], list[float](), []
        for path, snapshot in there.items():
            if snapshot.unfinished:
                unsettled.append(Unsettled(snapshot, PendingReason.COPYING, path in self._taken))
                continue
            if path in self._taken:
                continue
            if snapshot.is_marked:
                settled.append(SettledFolder(snapshot, SettledBy.COMPLETE))
            elif (when := self._when(path, last_change, busy)) <= now:
                settled.append(SettledFolder(snapshot, SettledBy.QUIET))
            else:
                due.append(when)
                own = self._since[path][1] + self.quiet
                why = PendingReason.CHANGING if own > now else PendingReason.NEIGHBOURS
                unsettled.append(Unsettled(snapshot, why, taken=False))
        self._taken |= {each.snapshot.path: each.snapshot.fingerprint for each in settled}
        return SettleResult(settled, min(due, default=None), unsettled)

    def _unchanged(self, snapshot: FolderSnapshot, now: float) -> tuple[str, float]:
        """The state of a folder, and since when it has been so."""
        before = self._since.get(snapshot.path, ("", now))
        return before if before[0] == snapshot.change_key else (snapshot.change_key, now)

    def _when(self, path: str, last_change: dict[str, float], busy: set[str]) -> float:
        """When a folder will have settled, if nothing changes."""
        own = self._since[path][1]
        delivery = self._delivery(path)
        patient = own + PATIENCE * self.quiet
        return patient if delivery in busy else min(last_change[delivery] + self.quiet, patient)

    def _deliveries(
        self, snapshots: dict[str, FolderSnapshot]
    ) -> tuple[dict[str, float], set[str]]:
        """When each delivery last changed, and those with a copy under way."""
        deliveries = {self._delivery(path) for path in snapshots}
        last_change: dict[str, float] = {}
        busy = set()
        for path, snapshot in snapshots.items():
            for above in self._above(path):
                if above in deliveries:
                    last_change[above] = max(last_change.get(above, 0.0), self._since[path][1])
                    if snapshot.unfinished:
                        busy.add(above)
        return last_change, busy

    def _delivery(self, path: str) -> str:
        parent = os.path.dirname(path)  # noqa: PTH120 - names of any bytes, thousands of them
        return path if self.root in (path, parent) else parent

    def _above(self, path: str) -> Iterable[str]:
        """A folder and those above it, below the root; the root alone is itself."""
        yield path
        while path != self.root and (path := os.path.dirname(path)) != self.root:  # noqa: PTH120
            yield path

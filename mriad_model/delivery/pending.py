"""Folders that came and are not scored yet: why, and since when. On the standard library alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_NAMED = 1000  # folders; the rest are counted


class PendingReason(StrEnum):
    """Why a folder is not scored yet."""

    COPYING = "copy_under_way"
    CHANGING = "still_changing"
    NEIGHBOURS = "waits_for_neighbours"
    CHANGED = "changed_again"
    CLOSED = "cannot_be_read"
    VANISHED = "vanished"


TOLD = {
    PendingReason.COPYING: "a copy is under way (*.part or *.tmp in it); if it broke off, "
    "copy anew or remove what it left",
    PendingReason.CHANGING: "still changing; scored once it has settled",
    PendingReason.NEIGHBOURS: "waits for other folders of its delivery, "
    "which still change or are copied",
    PendingReason.CHANGED: "changed after it had settled; scored once it has settled again",
    PendingReason.CLOSED: "cannot be read; check its permissions",
    PendingReason.VANISHED: "gone before it was scored; given up seven days after it had settled",
}
HAD_SETTLED = frozenset({PendingReason.CHANGED, PendingReason.CLOSED, PendingReason.VANISHED})


@dataclass(frozen=True, slots=True)
class Waiting:
    """A folder that is not scored yet."""

    path: str  # as recorded: relative to the home where inside it, escaped
    why: PendingReason
    n_files: int  # in it that no run has taken in, unfinished copies among them
    since: str | None  # when it last changed, or had settled, where known

    @property
    def told(self) -> str:
        """Why, in words."""
        return TOLD[self.why]

    @property
    def moment(self) -> str:
        """What happened at `since`."""
        return "settled" if self.why in HAD_SETTLED else "last changed"


@dataclass(frozen=True, slots=True)
class PendingFolders:
    """What a run left for another time."""

    folders: Sequence[Waiting] = ()  # those waiting longest first; at most MOST_NAMED
    n: int = 0  # folders in all
    missing: str | None = None  # the watched folder, where it is not there; as recorded

    def and_also(self, other: "PendingFolders") -> "PendingFolders":
        """Both; a folder that is in both stands once, as here."""
        mine = {each.path for each in self.folders}
        theirs = [each for each in other.folders if each.path not in mine]
        return PendingFolders(
            longest_first([*self.folders, *theirs]),
            self.n + other.n - (len(other.folders) - len(theirs)),
            self.missing or other.missing,
        )


NOTHING = PendingFolders()


def longest_first(folders: Iterable[Waiting]) -> list[Waiting]:
    """Those that have waited longest first, and no more than can be named."""
    return sorted(folders, key=lambda each: (each.since or "", each.path))[:MOST_NAMED]

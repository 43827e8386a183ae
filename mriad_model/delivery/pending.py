"""Folders that are not scored yet: why, and since when. Standard library only."""

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


TEXTS = {
    PendingReason.COPYING: "being copied (*.part or *.tmp in it); if the copy broke off, "
    "repeat it or remove these files",
    PendingReason.CHANGING: "still changing; scored once it has settled",
    PendingReason.NEIGHBOURS: "waits for other folders of its delivery, "
    "which still change or are copied",
    PendingReason.CHANGED: "changed after it had settled; scored once it has settled again",
    PendingReason.CLOSED: "cannot be read; check its permissions",
    PendingReason.VANISHED: "gone before it was scored; dropped seven days after it had settled",
}
SETTLED_BEFORE = frozenset({PendingReason.CHANGED, PendingReason.CLOSED, PendingReason.VANISHED})


@dataclass(frozen=True, slots=True)
class PendingFolder:
    """A folder that is not scored yet."""

    path: str  # as recorded: relative to the home where inside it, escaped
    why: PendingReason
    n_files: int  # in it that no run has ingested, unfinished copies among them
    since: str | None  # when it last changed, or had settled, where known

    @property
    def text(self) -> str:
        """Why, for a person."""
        return TEXTS[self.why]

    @property
    def moment(self) -> str:
        """What happened at `since`."""
        return "settled" if self.why in SETTLED_BEFORE else "last changed"


@dataclass(frozen=True, slots=True)
class PendingFolders:
    """Folders that a run did not score."""

    folders: Sequence[PendingFolder] = ()  # those waiting longest first; at most MOST_NAMED
    n: int = 0  # folders in all
    missing: str | None = None  # the watched folder, if it is missing; as recorded

    def and_also(self, other: "PendingFolders") -> "PendingFolders":
        """Both; a folder that is in both is listed once, as here."""
        mine = {each.path for each in self.folders}
        theirs = [each for each in other.folders if each.path not in mine]
        return PendingFolders(
            longest_first([*self.folders, *theirs]),
            self.n + other.n - (len(other.folders) - len(theirs)),
            self.missing or other.missing,
        )


NO_FOLDERS = PendingFolders()


def longest_first(folders: Iterable[PendingFolder]) -> list[PendingFolder]:
    """Those that have waited longest first, and no more than can be named."""
    return sorted(folders, key=lambda each: (each.since or "", each.path))[:MOST_NAMED]

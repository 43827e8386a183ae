"""Each scan's reviews as columns in memory: of all readers, and as one reader may see them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from db.entities import Review
from mriad_model.enums import Verdict

VERDICTS: Final = tuple(verdict.value for verdict in Verdict)
NOT_REVIEWED: Final = -1
MOST_READERS: Final = 64  # whose columns are kept

HeldReview = tuple[str, int, tuple[str, ...]]  # reviewer, place in VERDICTS, tags


@dataclass(frozen=True, slots=True)
class ReviewColumns:
    """Verdicts and tags of reviews, by scan id."""

    verdicts: NDArray[np.int8]  # place in VERDICTS of the last one; NOT_REVIEWED for none
    tags: dict[str, set[int]] = field(default_factory=dict)  # tag -> scans

    def tagged(self, tag: str) -> NDArray[np.int64]:
        """Scans of which a review has a tag."""
        scans = self.tags.get(tag, ())
        return np.fromiter(scans, np.int64, len(scans))

    def put(self, scan_id: int, before: Iterable[HeldReview], now: Sequence[HeldReview]) -> None:
        """Set a scan's reviews, in place of those before."""
        for _, _, tags in before:
            for tag in tags:
                self.tags[tag].discard(scan_id)
        self.verdicts[scan_id] = now[-1][1] if now else NOT_REVIEWED
        for _, _, tags in now:
            for tag in tags:
                self.tags.setdefault(tag, set()).add(scan_id)


class ReviewIndex:
    """Reviews that hold, by scan. Readers hold the lock of the index that this belongs to."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: dict[int, tuple[HeldReview, ...]] = {}
        self._columns: dict[str | None, ReviewColumns] = {}

    def grow(self, size: int) -> None:
        """Room for scans of ids below `size`."""
        self._size = size
        self._columns.clear()

    def put(self, scan_id: int, reviews: Sequence[Review]) -> None:
        """Set the reviews of a scan that hold, oldest first."""
        before = self._held.get(scan_id, ())
        now = tuple(
            (each.reviewer, VERDICTS.index(each.verdict.value), each.tag_words) for each in reviews
        )
        for reader, columns in self._columns.items():
            columns.put(scan_id, seen_by(reader, before), seen_by(reader, now))
        if now:
            self._held[scan_id] = now
        else:
            self._held.pop(scan_id, None)

    def columns(self, reader: str | None = None) -> ReviewColumns:
        """The reviews of all readers; or those that a blind reader may see."""
        if reader not in self._columns:
            if len(self._columns) >= MOST_READERS:
                self._columns.clear()
            made = ReviewColumns(np.full(self._size, NOT_REVIEWED, np.int8))
            for scan_id, reviews in self._held.items():
                made.put(scan_id, (), seen_by(reader, reviews))
            self._columns[reader] = made
        return self._columns[reader]

    def own_verdicts(self, reader: str) -> NDArray[np.int8]:
        """Place in VERDICTS of one reader's last review, by scan id; NOT_REVIEWED for none."""
        found = np.full(self._size, NOT_REVIEWED, np.int8)
        for scan_id, reviews in self._held.items():
            for reviewer, verdict, _ in reviews:
                if reviewer == reader:
                    found[scan_id] = verdict
        return found

    def hidden_from(self, reader: str | None) -> set[int]:
        """Scans that others have reviewed, and this blind reader has not."""
        if reader is None:
            return set()
        return {
            scan_id
            for scan_id, reviews in self._held.items()
            if not is_open_to(reader, (each[0] for each in reviews))
        }

    def all_held(self) -> Iterable[tuple[int, tuple[HeldReview, ...]]]:
        """Scan ids and what holds of each, oldest first."""
        return self._held.items()


def seen_by(reader: str | None, reviews: Sequence[HeldReview]) -> Sequence[HeldReview]:
    """All reviews of a scan; none for a blind reader who has not reviewed it yet."""
    return reviews if is_open_to(reader, (each[0] for each in reviews)) else ()


def withdrawable(reader: str | None, reviews: Sequence[Review]) -> Review | None:
    """Of a scan's reviews that hold, oldest first, the one that `u` withdraws.

    The last; for a blind reader, the last of their own.
    """
    own = (each for each in reversed(reviews) if reader in (None, each.reviewer))
    return next(own, None)


def is_open_to(reader: str | None, reviewers: Iterable[str]) -> bool:
    """Whether a reader sees the reviews of a scan, which are by these reviewers.

    `reader` is None where everybody sees all: readings are not blind.
    """
    return reader is None or reader in reviewers

"""Rejections as commands and reports list them. Standard library only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mriad_model.enums import RejectionReason

# Reasons of which the scan is a good one, and its registration failed.
NOT_SCORABLE = frozenset({RejectionReason.UNREGISTERED})
# Reasons of which the scan is a good one: it is not scored, or gets no DICOM outputs.
LIMITATIONS = frozenset({RejectionReason.OTHER_KIND, RejectionReason.NO_FRAME_OF_REFERENCE})
VANISHED = "the file vanished or changed after it was registered"  # the detail of a rejection
MOST_SCANS = 100  # that are listed one by one
FEW = 3  # files of one folder with one reason, from which on they are listed as one


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """A file that is no scan, or a scan that is not scored."""

    path: str
    reason: RejectionReason
    detail: str
    of_scan: bool = False  # of a registered scan, which is not scorable for this
    n_files: int = 1  # that this line counts for
    scan_id: int | None = None  # of the scan, where it is one

    @property
    def why_not_scorable(self) -> str:
        """`registration failed: fit 0.2`, `incomplete: the head's top is not in the picture`."""
        unregistered = self.reason is RejectionReason.UNREGISTERED
        reason = "registration failed" if unregistered else self.reason.replace("_", " ")
        return f"{reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class NotScored:
    """Scans that a run could not read again or score. The next run tries them again."""

    vanished: int = 0  # their files vanished or changed
    unfit: int = 0  # once prepared, they could not be scored
    reasons: tuple[str, ...] = ()  # of the unfit ones

    def texts(self) -> list[tuple[int, str]]:
        """(how many, why), for each reason."""
        named = f" ({', '.join(self.reasons)})" if self.reasons else ""
        whose = "its" if self.vanished == 1 else "their"
        what = "it" if self.unfit == 1 else "they"
        both = [
            (self.vanished, f"{whose} files vanished or changed"),
            (self.unfit, f"{what} cannot be scored{named}, see the rejected files"),
        ]
        return [(n, why) for n, why in both if n]


ALL_SCORED = NotScored()


def not_scored(n: int, rejected: Iterable[RejectedItem]) -> NotScored:
    """Why `n` scans were not scored, by what a run rejected after reading the folder."""
    lost = list(rejected)
    vanished = min(n, sum(each.detail == VANISHED for each in lost))
    reasons = sorted(
        {each.reason.value for each in split_rejections(lost).rejected if each.detail != VANISHED}
    )
    return NotScored(vanished, n - vanished, tuple(reasons) if n > vanished else ())


class SplitRejections(NamedTuple):
    """Rejections by what they say of the scan."""

    rejected: list[RejectedItem]  # files that are no scans
    limited: list[RejectedItem]  # scans that are of another kind, or get no DICOM outputs
    not_scorable: list[RejectedItem]  # scans whose registration failed, or that are not prepared


def split_rejections(items: Iterable[RejectedItem]) -> SplitRejections:
    """The same, split, each in its order."""
    split = SplitRejections([], [], [])
    for each in items:
        if each.of_scan or each.reason in NOT_SCORABLE:
            split.not_scorable.append(each)
        else:
            (split.limited if each.reason in LIMITATIONS else split.rejected).append(each)
    return split


def group_by_folder(items: Iterable[RejectedItem]) -> list[RejectedItem]:
    """The same list, with three or more files of one folder, reason and detail as one line."""
    groups: dict[tuple[str, RejectionReason, str], list[RejectedItem]] = {}
    for each in items:
        folder = each.path.rpartition("/")[0]
        groups.setdefault((folder, each.reason, each.detail), []).append(each)
    lines: list[RejectedItem] = []
    for (folder, reason, detail), files in groups.items():
        if len(files) < FEW:
            lines += files
        else:
            counted = f"{detail} ({len(files)} files)"
            lines.append(RejectedItem(f"{folder}/", reason, counted, n_files=len(files)))
    return lines


def grouped_scans(items: Sequence[RejectedItem]) -> list[RejectedItem]:
    """Scans line by line, for each has an id; as `group_by_folder` where they are many."""
    return list(items) if len(items) <= MOST_SCANS else group_by_folder(items)


def n_rejected_in_words(items: Sequence[RejectedItem]) -> str:
    """`2 files rejected`; of lines that stand for several: `57 files rejected (3 groups)`."""
    files, groups = len(items), len(group_by_folder(items))
    in_words = f"{files} file{'' if files == 1 else 's'} rejected"
    if groups == files:
        return in_words
    return f"{in_words} ({groups} group{'' if groups == 1 else 's'})"

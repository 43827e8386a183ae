"""What was rejected, as the commands and the reports list it. On the standard library alone."""

from collections.abc import Iterable
from dataclasses import dataclass

LEFT_OUT = frozenset({"other_kind", "no_frame_of_reference"})  # reasons: the scan is a good one
VANISHED = "the file vanished or changed after it was registered"  # the detail of a rejection
FEW = 3  # files of one folder with one reason, from which on they are listed as one


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """A file that is no scan, or a scan that is not judged."""

    path: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class NotScored:
    """Scans that a run could neither read again nor judge. All of them are tried again."""

    vanished: int = 0  # their files vanished or changed
    unfit: int = 0  # prepared, they turned out to be nothing to judge
    reasons: tuple[str, ...] = ()  # of the unfit ones

    def told(self) -> list[tuple[int, str]]:
        """(how many, why), what there is."""
        named = f" ({', '.join(self.reasons)})" if self.reasons else ""
        whose = "its" if self.vanished == 1 else "their"
        what = "it" if self.unfit == 1 else "they"
        both = [
            (self.vanished, f"{whose} files vanished or changed"),
            (self.unfit, f"{what} cannot be judged{named}, see the rejected files"),
        ]
        return [(n, why) for n, why in both if n]


ALL_SCORED = NotScored()


def not_scored(n: int, on_the_way: Iterable[RejectedItem]) -> NotScored:
    """Why `n` scans were not scored, by what a run rejected after reading the folder."""
    lost = list(on_the_way)
    vanished = min(n, sum(each.detail == VANISHED for each in lost))
    reasons = sorted({each.reason for each in split_rejections(lost)[0] if each.detail != VANISHED})
    return NotScored(vanished, n - vanished, tuple(reasons) if n > vanished else ())


def split_rejections(
    refused: Iterable[RejectedItem],
) -> tuple[list[RejectedItem], list[RejectedItem]]:
    """Files that are no scans, and good scans of which something was left out."""
    rejected: list[RejectedItem] = []
    left_out: list[RejectedItem] = []
    for each in refused:
        (left_out if each.reason in LEFT_OUT else rejected).append(each)
    return rejected, left_out


def group_by_folder(refused: Iterable[RejectedItem]) -> list[RejectedItem]:
    """The same list, with files of one folder that are refused for one reason as one line.

    A series that lacks a slice is refused file by file, and would hide everything else.
    """
    groups: dict[tuple[str, str, str], list[RejectedItem]] = {}
    for each in refused:
        folder = each.path.rpartition("/")[0]
        groups.setdefault((folder, each.reason, each.detail), []).append(each)
    lines: list[RejectedItem] = []
    for (folder, reason, detail), files in groups.items():
        if len(files) < FEW:
            lines += files
        else:
            lines.append(RejectedItem(f"{folder}/", reason, f"{detail} ({len(files)} files)"))
    return lines

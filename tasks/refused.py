"""What was rejected, as the commands and the reports list it. On the standard library alone."""

from collections.abc import Iterable
from dataclasses import dataclass

LEFT_OUT = frozenset({"other_kind", "no_frame_of_reference"})  # reasons: the scan is a good one
FEW = 3  # files of one folder with one reason, from which on they are listed as one


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is no scan, or a scan that is not judged."""

    path: str
    reason: str
    detail: str


def parted(refused: Iterable[Refused]) -> tuple[list[Refused], list[Refused]]:
    """Files that are no scans, and good scans of which something was left out."""
    rejected: list[Refused] = []
    left_out: list[Refused] = []
    for each in refused:
        (left_out if each.reason in LEFT_OUT else rejected).append(each)
    return rejected, left_out


def folded(refused: Iterable[Refused]) -> list[Refused]:
    """The same list, with files of one folder that are refused for one reason as one line.

    A series that lacks a slice is refused file by file, and would hide everything else.
    """
    groups: dict[tuple[str, str, str], list[Refused]] = {}
    for each in refused:
        folder = each.path.rpartition("/")[0]
        groups.setdefault((folder, each.reason, each.detail), []).append(each)
    lines: list[Refused] = []
    for (folder, reason, detail), files in groups.items():
        if len(files) < FEW:
            lines += files
        else:
            lines.append(Refused(f"{folder}/", reason, f"{detail} ({len(files)} files)"))
    return lines

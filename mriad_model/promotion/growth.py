"""When the healthy pool has grown enough to train again, and who then does what.

A candidate is only worth something beside the current model if both are compared on scans that
neither learned from. So a group of twins, or of one patient's scans, that had a role keeps it for
good, the role closest to training where it had several; a group that is all new is dealt a role.
The comparison scans are then those of calibration or test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mriad_model.datasets.roles import counts_by_share, drawn_order
from mriad_model.enums import Role

MOST_TAUGHT_FIRST = (Role.TRAIN, Role.VALIDATION, Role.CALIBRATION, Role.TEST)
HELD_OUT = (Role.CALIBRATION, Role.TEST)
SHARES = {Role.TRAIN: 0.5, Role.VALIDATION: 0.1, Role.CALIBRATION: 0.2, Role.TEST: 0.2}
"""Of the groups that are all new. Four in ten are held out: growth comes in tens."""


@dataclass(frozen=True, slots=True)
class Marks:
    """How much the healthy pool must grow before a model is trained again: both."""

    share: float = 0.2  # of the scans that trainings have had so far
    number: int = 20

    def needed(self, n_before: int) -> int:
        """How many new scans it takes beside so many."""
        return max(self.number, math.ceil(self.share * n_before))


@dataclass(frozen=True, slots=True)
class Growth:
    """How the healthy pool has grown. Counts are of scans."""

    n_before: int  # that the current model, or a candidate of it, was made of
    n_new: int  # healthy, of the kind that the model judges, and not among those

    def reaches(self, marks: Marks) -> bool:
        """Whether it has grown enough."""
        return self.n_new >= marks.needed(self.n_before)

    def told(self, marks: Marks) -> str:
        """The growth beside the marks, in words."""
        needed = marks.needed(self.n_before)
        scans = "scan" if self.n_new == 1 else "scans"
        return f"{self.n_new} new healthy {scans} beside {self.n_before}, the mark is {needed}"


def roles_after_growth(
    groups: Sequence[int],
    before: Sequence[Role | None],
    healthy: Sequence[bool],
    reviewed: Sequence[bool],
    seed: int,
    keys: Sequence[str],
) -> list[Role]:
    """A role for each scan, the same for all of a group.

    Args:
        groups: of each scan: twins and scans of one patient share one.
        before: the role that a scan had in the current model's dataset, if it had one.
        healthy: whether it is called healthy; a group without such a scan and without a role
            is never learned from: test.
        reviewed: whether it is a reviewer who calls it so. Reviewers look at what was flagged, so
            such scans score high: a new group with one is for training alone.
        seed: of the draw among new groups.
        keys: a name for each scan that does not depend on its place, its content's SHA-256.
    """
    found: dict[int, Role] = {}
    for group, role in zip(groups, before, strict=True):
        if role is not None:
            found[group] = min(found.get(group, role), role, key=MOST_TAUGHT_FIRST.index)
    new = {g for g, well in zip(groups, healthy, strict=True) if well and g not in found}
    chosen = {g for g, seen in zip(groups, reviewed, strict=True) if seen} & new
    found |= dict.fromkeys(chosen, Role.TRAIN)
    new -= chosen
    order = [group for group in drawn_order(groups, seed, keys) if group in new]
    counts = counts_by_share(len(order), SHARES, {Role.TRAIN: min(1, len(order))})
    roles = [role for role, count in counts.items() for _ in range(count)]
    found |= dict(zip(order, roles, strict=True))
    return [found.get(group, Role.TEST) for group in groups]

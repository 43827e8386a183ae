"""What a child may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """Limits of one child. The kernel enforces them."""

    memory_bytes: int = 1400 * 2**20  # of address space (RLIMIT_AS), so of resident memory too
    seconds: float = 60.0  # an item, by the clock on the wall

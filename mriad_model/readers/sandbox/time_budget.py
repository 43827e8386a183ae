"""The time that late items of a folder may take, so that one folder cannot hold up a run."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile

# What is unreadable is tried again by the next run. It comes further, for it leaves out those
# that had the whole time and took longer.
NOT_TRIED = (
    "not tried: files that took too long have spent this run's time for the folder;"
    " the next run tries it"
)


@dataclass(slots=True)
class TimeBudget:
    """The time that one run gives to late items of a folder. Its threads share it.

    The first late ones have an item's whole time. The others get a little, plenty for a good one;
    those that take longer are put off, and after `n_put_off` the rest of the folder is not tried.
    """

    seconds: float  # an item, as a rule
    quick_seconds: float  # an item, once a folder's late ones or a run's have had their share
    n_late: int = 3  # of a folder with the whole time
    n_late_in_all: int = 20  # of the run with the whole time
    n_put_off: int = 20  # of a folder, before the rest is not tried
    _late: Counter[str] = field(default_factory=Counter)
    _put_off: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def allowed(self, folder: str) -> float:
        """Seconds that an item of this folder may take; 0 where it is not to be tried."""
        with self._lock:
            if self._put_off[folder] >= self.n_put_off:
                return 0.0
            whole = self._late[folder] < self.n_late and self._late.total() < self.n_late_in_all
            return self.seconds if whole else self.quick_seconds

    def late(self, folder: str, allowed: float) -> RejectedFile:
        """Count an item that took longer than it was allowed; why it is rejected."""
        took = f"took longer than {allowed:g} s"
        with self._lock:
            if allowed >= self.seconds:
                self._late[folder] += 1
                return RejectedFile(RejectionReason.TIMED_OUT, took)
            self._put_off[folder] += 1
        return RejectedFile(
            RejectionReason.UNREADABLE,
            f"{took}, as files before it did; the next run gives it more time",
        )

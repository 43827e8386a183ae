"""The watcher: folders that settle become arrivals in the record, and are handed on to be scored.

A sweep over the watched folder, recorded in the database, is the truth; events of the file
system only bring the next one forward. Whatever is handed on and comes to nothing is handed on
again, and what this process never learns of is found by the next, or by the nightly run.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.context import Context
from flows.messages import say
from flows.service.filesystem_events import Events
from mriad_model.delivery.settling import SettleTracker
from tasks.intake.arrivals import known_states, look_all_over, open_states, record_settled
from tasks.runtime.connections import database
from tasks.scoring.selection import has_model

GATHER_SECONDS = 0.5  # events come in crowds
SHARE = 5  # of the time at most one part in so many is spent sweeping, while events come
IDLE_SHARE = 20  # and one in so many where nothing happens
NO_MODEL_SECONDS = 30.0

HandOn = Callable[[Sequence[int]], float]  # arrival ids -> seconds after which to ask again


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look, and how long a folder must rest. Seconds."""

    quiet: float
    sweep: float
    poll: bool = False


def pace_of(place: Context) -> Pace:
    """What the settings say."""
    settings = place.settings
    return Pace(settings.quiet_seconds, settings.sweep_seconds, settings.poll)


@dataclass(slots=True)
class Watcher:
    """Looks over one folder again and again, until told to stop."""

    home: Path
    root: str
    pace: Pace
    hand_on: HandOn
    swept: Callable[[], None] = lambda: None  # called after the first sweep
    wake: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    _open: bool = True  # whether arrivals may be there that are still to be scored
    _without_model: bool = False  # said already
    _away: bool = False  # said already

    def run(self) -> None:
        """Watch until `stop` is set (and `wake`, to be quick about it)."""
        watched = SettleTracker(self.root, self.pace.quiet)
        fresh = True
        every = self.pace.sweep
        with Events(self.root, self.wake, poll=self.pace.poll, seconds=every) as events:
            while not self.stop.is_set():
                self.wake.clear()
                events.keep()
                began = time.monotonic()
                due = self._sweep(watched, fresh=fresh)
                if fresh:
                    self.swept()
                fresh = False
                again = self._hand_on(watched)
                took = time.monotonic() - began
                waits = [max(every, IDLE_SHARE * took)]
                waits += [] if due is None else [due - time.monotonic()]
                waits += [] if again is None else [again]
                self._rest(min(waits), least=max(GATHER_SECONDS, SHARE * took))

    def end(self) -> None:
        """Have `run` return soon. For other threads."""
        self.stop.set()
        self.wake.set()

    def _sweep(self, watched: SettleTracker, *, fresh: bool) -> float | None:
        """Look the folder over and record what has settled; when the next will have."""
        looks = look_all_over(self.root)
        if looks is None:
            if not self._away:
                say("the watched folder is not there, or cannot be read; waiting for it")
            self._away = True
            return None
        if self._away:
            say("the watched folder is there again")
        self._away = False
        engine = database(str(self.home))
        if fresh:
            known_states(engine, self.home, looks, watched)
        seen = watched.observe(looks, time.monotonic())
        if seen.settled:
            record_settled(engine, self.home, seen.settled)
            self._open = True
        return seen.due

    def _hand_on(self, watched: SettleTracker) -> float | None:
        """Hand on the arrivals that are still to be scored; when to do so again, if at all."""
        if not self._open:
            return None
        engine = database(str(self.home))
        ready = open_states(engine, self.home, watched)
        self._open = bool(ready)
        if not ready:
            return None
        if not has_model(engine):
            if not self._without_model:
                say(f"no model is active; folders that wait for mriad train: {len(ready)}")
            self._without_model = True
            return NO_MODEL_SECONDS
        if self._without_model:
            say("a model is active now; the folders that waited are scored")
        self._without_model = False
        return self.hand_on(ready)

    def _rest(self, seconds: float, least: float) -> None:
        """Wait, less where something happens; a moment in any case, for more of it to come."""
        self.stop.wait(least)
        if not self.stop.is_set():
            self.wake.wait(max(0.0, seconds - least))

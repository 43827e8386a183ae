"""The watcher: records folders that have settled as arrivals, and asks for them to be scored.

File-system events only bring the next sweep forward. Arrivals that are not scored are asked for
again; folders that this process misses are found by the next one, or by the nightly run.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from flows.runtime.context import Context
from flows.runtime.messages import say
from flows.service.filesystem_events import Events
from mriad_model.delivery.settling import SettleTracker
from tasks.intake.arrivals import known_states, look_all_over, open_states, record_settled
from tasks.runtime.connections import database
from tasks.scoring.selection import has_model

GATHER_SECONDS = 0.5  # events come in bursts
SHARE = 5  # of the time at most one part in so many is spent sweeping, while events come
IDLE_SHARE = 20  # and one in so many where nothing happens
NO_MODEL_SECONDS = 30.0

FOLDER_MISSING = "the watched folder is missing or cannot be read; waiting for it"
FOLDER_BACK = "the watched folder is there again"
NO_MODEL = "no model is active; folders waiting for mriad train: {n}"
MODEL_ACTIVE = "a model is active now; scoring the folders that waited"

HandOn = Callable[[Sequence[int]], float]  # arrival ids -> seconds after which to ask again


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to sweep, and how long a folder must be unchanged. Seconds."""

    quiet: float
    sweep: float
    poll: bool = False


def pace_of(place: Context) -> Pace:
    """The pace that the settings give."""
    settings = place.settings
    return Pace(settings.quiet_seconds, settings.sweep_seconds, settings.poll)


@dataclass(slots=True)
class Watcher:
    """Sweeps one folder until `stop` is set."""

    home: Path
    root: str
    pace: Pace
    hand_on: HandOn
    swept: Callable[[], None] = lambda: None  # called after the first sweep
    wake: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    _open: bool = True  # whether arrivals may be there that are still to be scored
    _without_model: bool = False  # the message was printed
    _away: bool = False  # the message was printed

    def run(self) -> None:
        """Watch until `stop` is set (set `wake` as well to end at once)."""
        watched = SettleTracker(self.root, self.pace.quiet)
        fresh = True
        every = self.pace.sweep
        with closing(Events(self.root, self.wake, poll=self.pace.poll, seconds=every)) as events:
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
        """Make `run` return soon. For other threads."""
        self.stop.set()
        self.wake.set()

    def _sweep(self, watched: SettleTracker, *, fresh: bool) -> float | None:
        """Record the folders that have settled; when the next one will have."""
        snapshots = look_all_over(self.root)
        if snapshots is None:
            if not self._away:
                say(FOLDER_MISSING)
            self._away = True
            return None
        if self._away:
            say(FOLDER_BACK)
        self._away = False
        engine = database(str(self.home))
        if fresh:
            known_states(engine, self.home, snapshots, watched)
        seen = watched.observe(snapshots, time.monotonic())
        if seen.settled:
            record_settled(engine, self.home, seen.settled)
            self._open = True
        return seen.due

    def _hand_on(self, watched: SettleTracker) -> float | None:
        """Ask for open arrivals to be scored; seconds until to ask again, if at all."""
        if not self._open:
            return None
        engine = database(str(self.home))
        ready = open_states(engine, self.home, watched)
        self._open = bool(ready)
        if not ready:
            return None
        if not has_model(engine):
            if not self._without_model:
                say(NO_MODEL.format(n=len(ready)))
            self._without_model = True
            return NO_MODEL_SECONDS
        if self._without_model:
            say(MODEL_ACTIVE)
        self._without_model = False
        return self.hand_on(ready)

    def _rest(self, seconds: float, least: float) -> None:
        """Wait; at least a moment, and less if an event comes."""
        self.stop.wait(least)
        if not self.stop.is_set():
            self.wake.wait(max(0.0, seconds - least))

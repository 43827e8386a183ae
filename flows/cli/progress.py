"""How far a command is: bars on a terminal, now and then a line otherwise, on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from flows.runtime.messages import say
from mriad_model.plain_text import length_of_time, printable
from tasks.runtime.progress import Progress, listening

SECONDS_BETWEEN_LINES = 60.0
LINE = "{0.step}: {0.done} of {0.total}{unit}{notes}"
BEGINS = "{0.step}: begins"
TO_GO = "about {} to go"


@contextmanager
def progress_shown() -> Iterator[None]:
    """Show the progress of tasks on stderr."""
    if sys.stderr.isatty():
        with _bars() as bars, listening(_Drawn(bars)):
            yield
    else:
        with listening(_Written()):
            yield


class _ToGo(TimeRemainingColumn):
    """How long a step will still take; nothing of one that has ended."""

    def render(self, task: Task) -> Text:
        """The time as `0:12 to go`."""
        if task.finished or task.time_remaining is None:
            return Text("")
        return super().render(task).append(" to go")


def _bars() -> Bars:
    return Bars(
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TimeElapsedColumn(),
        _ToGo(compact=True),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
    )


class _Drawn:
    """A bar for each step."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[tuple[str, str], object] = {}

    def __call__(self, progress: Progress) -> None:
        key, added = (progress.step, progress.unit), None
        if key not in self._tasks:
            added = self._tasks.pop((progress.step, ""), None)  # begun before its unit was known
            if added is None:
                added = self._bars.add_task(progress.step, total=None, note="", unit=progress.unit)
            self._tasks[key] = added
        if progress.total or added is None:
            self._bars.update(
                self._tasks[key],  # type: ignore[arg-type]
                completed=progress.done,
                total=progress.total,
                note=printable(progress.note),
                unit=progress.unit,
            )


class _Written:
    """A line when a step begins, when it is done, and each minute: a nightly log stays short."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._under_way: set[str] = set()
        self._began: dict[tuple[str, str], tuple[float, int]] = {}  # when, and how much was done

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        began, before = self._began.setdefault((progress.step, progress.unit), (now, progress.done))
        done = bool(progress.total) and progress.done >= progress.total
        begins = not done and progress.step not in self._under_way
        if not (progress.total or begins):
            return  # nothing of what was to be done is left
        if not (done or begins or now - self._last >= SECONDS_BETWEEN_LINES):
            return
        self._last = now
        (self._under_way.discard if done else self._under_way.add)(progress.step)
        if not progress.total:
            say(BEGINS.format(progress))
            return
        notes = [progress.note] if progress.note else []
        if not done and progress.done > before:
            each = (now - began) / (progress.done - before)
            notes.append(TO_GO.format(length_of_time(each * (progress.total - progress.done))))
        say(
            LINE.format(
                progress,
                unit=f" {progress.unit}" if progress.unit else "",
                notes=f" ({'; '.join(notes)})" if notes else "",
            )
        )

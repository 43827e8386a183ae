"""Folders dropped into the inbox while what watches it is killed."""

import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mriad_model.phantom.write import write_folder
from tests.chaos.commands import (
    PATIENCE,
    descendants,
    is_run,
    kill,
    naming,
    say,
    start,
    wait_until,
)
from tests.chaos.record import open_runs

SIZE = 96
SETTINGS = {
    "MRIAD_QUIET_SECONDS": "2",
    "MRIAD_SWEEP_SECONDS": "5",
    "MRIAD_NIGHTLY": "* * * * *",  # `mriad up` only
}
STALL_SECONDS = 0.7  # of a copy; less than the quiet period
WATCH_SECONDS = 15.0  # a kill of `mriad watch` comes at a random moment of so many
UP_SECONDS = (1.0, 20.0)  # and in the tree of `mriad up` after so many
END_SECONDS = 40.0  # for what a killed `mriad up` leaves behind to end by itself
ALONE, ALL, RUN = "mriad up", "all of mriad up", "its run"
ANY_MOMENT_SHARE = 0.3  # of the kills; the others wait for a run that writes
RUN_BEGINS_SECONDS = 60.0
RUN_SHARE = 0.5  # of the kills while a run is under way, at least


@dataclass(slots=True)
class Stream:
    """Deliveries, one for each kill, and the services that are killed over them."""

    work: Path
    rng: random.Random
    watched: int  # kills of `mriad watch`
    up: int  # kills in the tree of `mriad up`
    complaints: list[str] = field(default_factory=list)
    inside: Counter[str] = field(default_factory=Counter)  # kills while a run was writing

    def __post_init__(self) -> None:
        n = self.watched + self.up + 2
        write_folder(self.work / "drawn", 0, 2 * n, 3, size=SIZE)
        files = sorted((self.work / "drawn" / "yes").iterdir())
        for number in range(n):
            folder = self.work / "stream" / f"{number:03d}"
            folder.mkdir(parents=True)
            for file in files[2 * number : 2 * number + 2]:
                shutil.copy(file, folder)
            if number % 5 == 0:
                (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno %d" % number)

    def flow_calmly(self, home: Path, api: str) -> None:
        """Drop everything, have it scored by `mriad watch` without a kill."""
        process = self._start_watch(home, api)
        for folder in self._deliveries():
            self._drop(folder, home)
        self._await_all(home, len(self._deliveries()), process)
        end(process)

    def disturb_watch(self, home: Path, api: str) -> Counter[str]:
        """Drop folders one by one and kill `mriad watch` again and again."""
        killed: Counter[str] = Counter()
        deliveries = self._deliveries()[: self.watched + 1]
        for folder in deliveries[:-1]:
            dead = open_runs(home)
            process = self._start_watch(home, api)
            self._drop(folder, home)
            self._await_moment(home, dead, (0.0, WATCH_SECONDS))
            self._see_it_runs(process)
            self.inside["mriad watch"] += bool(open_runs(home) - dead)
            kill(process.pid)
            process.wait(PATIENCE)
            killed["mriad watch"] += 1
        process = self._start_watch(home, api)
        self._drop(deliveries[-1], home)
        self._await_all(home, len(deliveries), process)
        end(process)
        say(f"  watch: killed {self.watched} times")
        return killed

    def disturb_up(self, home: Path) -> Counter[str]:
        """Drop folders one by one and kill what belongs to `mriad up`, one or all of it."""
        killed: Counter[str] = Counter()
        deliveries = self._deliveries()
        process = self._start_up(home)
        for folder in deliveries[self.watched + 1 : -1]:
            dead = open_runs(home)
            self._drop(folder, home)
            self._await_moment(home, dead, UP_SECONDS)
            self._see_it_runs(process)
            name, victims = self._victims(process.pid)
            self.inside[name] += bool(open_runs(home) - dead)
            for pid in victims:
                kill(pid)
            killed[name] += 1
            if name in (ALONE, ALL):
                process.wait(PATIENCE)
                self._await_gone(home, name)
                process = self._start_up(home)
        self._drop(deliveries[-1], home)
        self._await_all(home, len(deliveries), process)
        end(process)
        say(f"  up: killed {self.up} times")
        return killed

    def _await_moment(self, home: Path, dead: set[int], seconds: tuple[float, float]) -> None:
        """A random moment, or one in the first second of a run: chance alone seldom meets one."""
        if self.rng.random() < ANY_MOMENT_SHARE:
            time.sleep(self.rng.uniform(*seconds))
            return
        until = time.monotonic() + RUN_BEGINS_SECONDS
        while not open_runs(home) - dead and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(self.rng.uniform(0, 1))

    def _victims(self, up: int) -> tuple[str, Sequence[int]]:
        """Whom to kill: a role of the tree at random, one of its processes at random."""
        found = descendants(up)
        roles: dict[str, list[int]] = {ALONE: [up], ALL: [up, *found]}
        for pid, command in found.items():
            words = command.split()
            role = (
                words[words.index("flows.service.child_roles") + 1]
                if "flows.service.child_roles" in words and not is_run(pid)
                else "run"
            )
            roles.setdefault(f"its {role}", []).append(pid)
        name = self.rng.choice(sorted(roles))
        if RUN in roles and self.rng.random() < RUN_SHARE:  # they are seldom there
            name = RUN
        return name, roles[name] if name in (ALONE, ALL) else [self.rng.choice(roles[name])]

    def _deliveries(self) -> list[Path]:
        return sorted((self.work / "stream").iterdir())

    def _drop(self, folder: Path, home: Path) -> None:
        """Renamed in, half-copied and resumed, or marked as complete."""
        target = home / "inbox" / folder.name
        number = int(folder.name)
        if number % 3 == 0:
            target.mkdir()
            first, *others = sorted(folder.iterdir())
            data = first.read_bytes()
            (target / first.name).write_bytes(data[: len(data) // 2])
            time.sleep(STALL_SECONDS)
            for each in (first, *others):
                shutil.copyfile(each, target / each.name)
            return
        aside = self.work / "aside" / folder.name
        shutil.copytree(folder, aside)
        if number % 3 == 1:
            (aside / ".complete").touch()
        aside.rename(target)

    def _start_watch(self, home: Path, api: str) -> "subprocess.Popen[bytes]":
        return start(("watch",), self.work, home, api, **SETTINGS)

    def _start_up(self, home: Path) -> "subprocess.Popen[bytes]":
        return start(("up",), self.work, home, "http://127.0.0.1:4291/api", **SETTINGS)

    def _see_it_runs(self, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is not None:
            log = (self.work / "output.log").read_text(errors="replace")[-2000:]
            raise SystemExit(f"ended by itself with {process.returncode}:\n{log}")

    def _await_all(self, home: Path, n: int, process: "subprocess.Popen[bytes]") -> None:
        wait_until(lambda: ended(home) >= n or process.poll() is not None, f"{n} folders not done")
        self._see_it_runs(process)

    def _await_gone(self, home: Path, name: str) -> None:
        """What a killed `mriad up` leaves ends by itself."""
        until = time.monotonic() + END_SECONDS
        while left := naming(home):
            if time.monotonic() > until:
                self.complaints.append(f"left {END_SECONDS:g} s after {name} was killed: {left}")
                return
            time.sleep(0.2)


def ended(home: Path) -> int:
    """How many folders a run was done with."""
    try:
        with closing(sqlite3.connect(f"file:{home / 'mriad.db'}?mode=ro", uri=True)) as connection:
            (n,) = connection.execute("select count(*) from arrival_end").fetchone()
            return int(n)
    except sqlite3.OperationalError:
        return 0


def end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a service as systemd does.

    Raises:
        SystemExit: it does not end as it should.
    """
    process.send_signal(signal.SIGTERM)
    if process.wait(PATIENCE) not in (0, 143):
        raise SystemExit(f"ended with {process.returncode} on SIGTERM")

"""A home to try commands in, one after another, and what its active threshold has decided."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.service.up import plain_environment
from db.engine.connect import open_record
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.training.models import current_threshold
from mriad_model.enums import Verdict

Key = tuple[str, str]  # of a scan: the folder that it lies in, and its file's name


@dataclass(frozen=True, slots=True)
class Decided:
    """What the active threshold says of a scan."""

    score: float
    line: float  # the threshold
    verdict: Verdict

    @property
    def is_scorable(self) -> bool:
        """Whether its score means something."""
        return self.verdict is not Verdict.NOT_SCORABLE

    def is_flagged(self, line: float | None = None) -> bool:
        """Whether it is scorable and lies above the threshold, or above another."""
        return self.is_scorable and self.score > (self.line if line is None else line)


@dataclass(frozen=True, slots=True)
class TrialHome:
    """A home in which nothing runs but what is asked of it here."""

    home: Path

    def mriad(self, *arguments: object) -> dict[str, Any]:
        """Run a command; its JSON document. Raises CalledProcessError where it fails."""
        command = [sys.executable, "-m", "flows.cli.main", *map(str, arguments)]
        done = subprocess.run(
            [*command, "--home", str(self.home), "--json"],
            env=plain_environment(),
            stdout=subprocess.PIPE,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def copied(self, other: Path) -> "TrialHome":
        """A copy, to go on from here in another way."""
        return TrialHome(Path(shutil.copytree(self.home, other)))

    def decided(self) -> dict[Key, Decided]:
        """The scans that the active threshold has decided. Raises LookupError without one."""
        engine = open_record(self.home)
        current = current_threshold(engine)
        if current is None:
            raise LookupError(f"{self.home}: no threshold is active")
        query = HistoryQuery(threshold_id=current.threshold.id, limit=None)
        return {
            (path.parent.name, path.name): Decided(row.score, row.threshold, row.verdict)
            for row in reversed(decisions(engine, query))
            if (path := Path(row.path or "")).name
        }


def of_folder(found: dict[Key, Decided], folder: str, names: Sequence[str]) -> list[Decided | None]:
    """The decisions on these files of a folder; None of one that has no score."""
    return [found.get((folder, name)) for name in names]

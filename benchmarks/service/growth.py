"""Retraining by the schedule as the pool grows: `python -m benchmarks.service.growth [FOLDER]`.

FOLDER holds `no` (healthy) and `yes` (abnormal) pictures; without it heads are drawn. A model is
trained on half of the healthy pictures, and `mriad up` runs with a night every minute. Then
this does what people do and nothing else: it puts a few healthy pictures into `healthy/`, which
must change nothing; it puts the rest there, and a candidate must be compared with the active
model; it rolls back, and that must last. Before, between and after, scans are dropped into the
inbox. Each step prints a JSON line of the record's state. Exits with 1 where a step turns out
otherwise.

With --bad the rest are no good healthy pictures but an import's mistake: `lesions` (abnormal ones
called healthy) or `noise` (healthy ones, noise of a quarter of the range added). Whether the
candidate that learned from them is promoted is printed, and does not decide the exit status.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from benchmarks.service.up import free_address, plain_environment, running_service
from db.engine.connect import open_record
from db.entities import Comparison, Run, RunEnd
from db.repository.reports import history as history_records
from db.repository.reports.history_query import HistoryQuery
from db.repository.runs import runs_since
from db.repository.training import comparisons as comparisons_records
from db.repository.training.models import current_threshold, models
from db.timestamps import now
from mriad_model.enums import RunStatus
from mriad_model.phantom.write import write_folder
from tasks.runtime.home import prepare_home

EVERY_MINUTE = "* * * * *"
QUIET = 2.0
EPOCHS, EPOCHS_DRAWN = 100, 40
DRAWN_HEALTHY, DRAWN_ABNORMAL, SEED = 93, 63, 23
FIRST, FEW = 0.5, 10  # the share of the first model; the pictures that are too few
BAD = 40  # pictures that are called healthy by mistake
NOISE = 64.0  # standard deviation, of 255
DROPS = 3  # times that a healthy and an abnormal picture are dropped into the inbox
DECIDED_SECONDS, NIGHT_SECONDS = 180.0, 1800.0

T = TypeVar("T")
NightEnd = tuple[Run, RunEnd]


class WentOtherwise(Exception):
    """A step turned out otherwise."""


@dataclass(frozen=True, slots=True)
class GrowthPictures:
    """Who gets which, no two of the same content."""

    first: list[Path]
    few: list[Path]
    rest: list[Path]
    abnormal: list[Path]
    drops: list[list[Path]]


@dataclass(frozen=True, slots=True)
class GrowthHome:
    """A home in which `mriad up` runs, or will."""

    home: Path
    environment: dict[str, str]

    def mriad(self, *arguments: object) -> dict[str, Any]:
        """Run a command; what it prints as JSON."""
        command = [sys.executable, "-m", "flows.cli.main", *map(str, arguments)]
        done = subprocess.run(
            [*command, "--home", str(self.home), "--json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return {name: each for name, each in found.items() if name not in ("notice", "rejected")}

    def put(self, folder: str, files: Sequence[Path]) -> str:
        """Move copies of files into the home as one new folder; the moment before."""
        with tempfile.TemporaryDirectory(dir=self.home) as aside:
            place = Path(aside) / "new"
            place.mkdir()
            for number, file in enumerate(files):
                (place / f"{number:03d}{file.suffix}").write_bytes(file.read_bytes())
            moment = now()
            place.rename(self.home / folder)
        return moment

    def night_after(self, moment: str) -> list[NightEnd]:
        """Wait for a nightly run that began after a moment, and its retraining; runs since then."""

        def found() -> list[NightEnd] | None:
            runs = runs_since(open_record(self.home), moment)
            ended = [(run, end) for run, end in runs if end is not None]
            nights = [run.id or 0 for run, _ in ended if run.flow == "nightly"]
            retrained = [run.id or 0 for run, _ in ended if run.flow == "retrain_model"]
            whole = nights and any(each > nights[0] for each in retrained)
            failed = [run.flow for run, end in ended if end.status is not RunStatus.COMPLETED]
            if failed:
                raise WentOtherwise(f"runs failed: {failed}")
            return ended if whole else None

        return _awaited(found, NIGHT_SECONDS, "a night with its retraining")

    def drop(self, name: str, files: Sequence[Path]) -> list[dict[str, Any]]:
        """Drop scans into the inbox; how they are decided, by the schedule or the watcher."""
        self.put(f"inbox/{name}", files)

        def found() -> list[dict[str, Any]] | None:
            rows = [row for row in self.decisions() if Path(row["path"]).parent.name == name]
            return rows if len(rows) == len(files) else None

        return _awaited(found, DECIDED_SECONDS, f"decisions on inbox/{name}")

    def decisions(self) -> list[dict[str, Any]]:
        """All decisions, oldest first."""
        rows = history_records.decisions(open_record(self.home), HistoryQuery(limit=None))
        return [
            {
                "decision": row.decision_id,
                "path": row.path or "",
                "model": row.model_id,
                "threshold": row.threshold_id,
                "score": round(row.score, 4),
                "limit": round(row.threshold, 4),
                "verdict": row.verdict.value,
            }
            for row in reversed(rows)
        ]

    def comparisons(self) -> list[Comparison]:
        """All comparisons, oldest first."""
        return comparisons_records.comparisons(open_record(self.home))

    def learned(self) -> dict[str, Any]:
        """What there is in the way of models, and which decides."""
        engine = open_record(self.home)
        current = current_threshold(engine)
        assert current is not None, "the first model was activated"
        put = current.activation
        return {
            "models": len(models(engine)),
            "comparisons": len(comparisons_records.comparisons(engine)),
            "active": {
                "model": current.model.id,
                "threshold": put.threshold_id,
                "why": put.reason,
                "by": put.author,
            },
        }


def main() -> None:
    """Run the steps."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.service.growth", description=__doc__
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--bad", choices=("lesions", "noise"))
    parser.add_argument("--home", type=Path, help="a new folder to keep it all in")
    given = parser.parse_args()
    if given.folder is not None and not (given.folder / "no").is_dir():
        sys.exit(f"{given.folder}: no folder `no` there; skipped")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is stopped
    epochs = given.epochs or (EPOCHS_DRAWN if given.folder is None else EPOCHS)
    with tempfile.TemporaryDirectory(prefix="mriad-growth-") as scratch:
        home = prepare_home(given.home or Path(scratch) / "home")
        folder = given.folder or _drawn(Path(scratch) / "drawn")
        environment = plain_environment(nightly=EVERY_MINUTE, prefect_api_url=free_address())
        pictures = _dealt(folder, given.bad, Path(scratch))
        try:
            for step, found in steps(GrowthHome(home, environment), pictures, epochs):
                print(json.dumps({"step": step, **found}), flush=True)
        except WentOtherwise as error:
            sys.exit(f"a step turned out otherwise: {error}")


def steps(
    stage: GrowthHome, pictures: GrowthPictures, epochs: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each step's name and the record's state after it.

    Raises:
        WentOtherwise: it does not come out.
    """
    stage.put("healthy/first", pictures.first)
    stage.put("abnormal", pictures.abnormal)
    yield "abnormal pictures", stage.mriad("ingest", stage.home / "abnormal", "--label", "abnormal")
    trained = stage.mriad("train", "--epochs", epochs)
    yield "train by hand", {"pictures": len(pictures.first), **trained}
    first = trained["threshold_id"]
    with running_service(stage.home, QUIET, stage.environment) as up:
        schedule = stage.environment["MRIAD_NIGHTLY"]
        yield "mriad up", {"ready_after_s": round(up.seconds, 1), "nightly": schedule}
        before = stage.drop("before", pictures.drops[0])
        yield "scans before", {"decided": before}

        runs = stage.night_after(stage.put("healthy/few", pictures.few))
        yield "a few more", _told(stage, len(pictures.few), runs)
        _must(not stage.comparisons(), "a candidate was made below the mark")
        _must(stage.learned()["models"] == 1, "a model was trained below the mark")

        runs = stage.night_after(stage.put("healthy/rest", pictures.rest))
        yield "the rest", _told(stage, len(pictures.rest), runs)
        _must(len(stage.comparisons()) == 1, "no candidate, or several, above the mark")
        (comparison,) = stage.comparisons()
        yield "comparison", _of_comparison(comparison)
        second = comparison.candidate_threshold_id if comparison.promoted else first
        between = stage.drop("between", pictures.drops[1])
        yield "scans after the comparison", {"decided": between}

        if comparison.promoted:
            yield "roll back", stage.mriad("activate", first, "--reason", "rolled back")
        runs = stage.night_after(now())
        yield "the night after", _told(stage, 0, runs)
        _must(len(stage.comparisons()) == 1, "the same scans made another candidate")
        after = stage.drop("after", pictures.drops[2])
        yield "scans at the end", {"decided": after}
    decided = stage.decisions()
    _must(decided == before + between + after, "decisions were changed, or made anew")
    for rows, threshold in ((before, first), (between, second), (after, first)):
        _must({row["threshold"] for row in rows} == {threshold}, "another threshold decided")
    yield "verify", stage.mriad("verify", "--all")
    yield "weekly report", stage.mriad("report")


def _told(stage: GrowthHome, n: int, runs: Sequence[NightEnd]) -> dict[str, Any]:
    """The result of a step: the pictures put there, the counts of the runs since, what decides."""
    counts = [
        {"run": run.id, "flow": run.flow, **json.loads(end.counts)}
        for run, end in runs
        if run.flow in ("nightly", "retrain_model")
    ]
    return {"pictures": n, "runs": counts, **stage.learned()}


def _of_comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "current_threshold_number": comparison.current_threshold_id,
        "candidate_threshold": comparison.candidate_threshold_id,
        "promoted": bool(comparison.promoted),
        "reason": comparison.reason,
        "run": comparison.run_id,
        "figures": json.loads(comparison.figures),
    }


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise WentOtherwise(otherwise)


def _awaited(look: Callable[[], T | None], seconds: float, what: str) -> T:
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise WentOtherwise(f"waited {seconds:g} s in vain for {what}")
        time.sleep(1)
    return found


def _drawn(folder: Path) -> Path:
    write_folder(folder, DRAWN_HEALTHY, DRAWN_ABNORMAL, SEED)
    return folder


def _dealt(folder: Path, bad: str | None, scratch: Path) -> GrowthPictures:
    """Deal the pictures, by content."""
    healthy, abnormal = (_distinct(folder / name) for name in ("no", "yes"))
    drops = [[healthy.pop(), abnormal.pop()] for _ in range(DROPS)]
    first = round(FIRST * len(healthy))
    rest = healthy[first + FEW :]
    if bad == "lesions":
        rest, abnormal = abnormal[:BAD], abnormal[BAD:]
    elif bad == "noise":
        rest = _noisy(rest, scratch / "noisy")
    return GrowthPictures(healthy[:first], healthy[first : first + FEW], rest, abnormal, drops)


def _distinct(folder: Path) -> list[Path]:
    """The pictures of a folder, one of each content, in an order that follows from it."""
    found: dict[str, Path] = {}
    for path in sorted(folder.resolve().iterdir()):
        pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None, f"{path.name} is no picture"
        found.setdefault(hashlib.sha256(pixels.tobytes()).hexdigest(), path)
    return [found[key] for key in sorted(found)]


def _noisy(files: Sequence[Path], folder: Path) -> list[Path]:
    folder.mkdir()
    made = []
    for number, file in enumerate(files):
        pixels = np.asarray(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), np.float64)
        noise = np.random.default_rng(number).normal(0, NOISE, pixels.shape)
        made.append(folder / f"{number:03d}.png")
        cv2.imwrite(str(made[-1]), np.clip(pixels + noise, 0, 255).astype(np.uint8))
    return made


if __name__ == "__main__":
    main()

"""Replay: decisions computed again from the stored model, threshold and source files."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db import history
from mriad_model.errors import ModelFileError, ThresholdUndefined
from mriad_model.files import sha256_of
from mriad_model.images import ImageScan
from mriad_model.paths import source_path
from mriad_model.preprocess import stack
from mriad_model.thresholds import fit_threshold, p_value, verdict
from tasks.models import loaded_model
from tasks.painting import painted
from tasks.preprocessing import READERS, prepare_all, read_source
from tasks.progress import tell
from tasks.resources import opened_record

PAGE = 256
TOLERANCE = 1e-4  # relative to the score: what another processor or library may change


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A decision that does not come out as recorded."""

    decision_id: int
    scan_id: int
    what: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A decision whose source is no longer there to be read."""

    decision_id: int
    path: str
    why: str  # "vanished" or "changed"


@dataclass(slots=True)
class ReplayReport:
    """How the replayed decisions came out. `within_tolerance` differ in the score's last bits."""

    identical: int = 0
    within_tolerance: int = 0
    mismatched: list[Mismatch] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def checked(self) -> int:
        """Decisions that could be replayed."""
        return self.identical + self.within_tolerance + len(self.mismatched)


@task(name="replay", cache_policy=NO_CACHE)
def replay_decisions(home: str, decision_id: int | None, device: str) -> ReplayReport:
    """Replay one decision, or all of them, and compare with the record.

    Raises:
        NotInRecord: there is no such decision.
    """
    engine = opened_record(home)
    total = 1 if decision_id is not None else history.count_decisions(engine)
    report, done = ReplayReport(), 0
    for page in _pages(history.decisions_for_replay(engine, decision_id)):
        of_model: dict[int, list[history.Replay]] = defaultdict(list)
        for each in page:
            of_model[each.threshold.model_id].append(each)
        for model_id, replays in of_model.items():
            _replay_page(home, model_id, replays, device, report)
        done += len(page)
        tell("replaying", done, total)
    return report


def _replay_page(
    home: str, model_id: int, replays: Sequence[history.Replay], device: str, report: ReplayReport
) -> None:
    """Replay decisions of one model."""
    readable = _readable(Path(home), replays, report)
    if not readable:
        return
    try:
        fitted = loaded_model(home, model_id, device)
    except ModelFileError as error:
        report.mismatched += [_mismatch(each, str(error)) for each, _ in readable]
        return
    prepared = prepare_all([scan for _, scan in readable], fitted.recipe.preprocessing)
    scored = fitted.score(stack(prepared))
    with ThreadPoolExecutor(READERS) as pool:
        pictures = pool.map(
            lambda i: painted(
                readable[i][1].pixels,
                scored.maps[i],
                prepared[i].placement,
                fitted,
                float(scored.scores[i]),
                model_id,
            ),
            range(len(readable)),
        )
        for (each, _), value, picture in zip(readable, scored.scores, pictures, strict=True):
            _compare(home, each, float(value), picture, report)


def _readable(
    home: Path, replays: Sequence[history.Replay], report: ReplayReport
) -> list[tuple[history.Replay, ImageScan]]:
    found = []
    for each in replays:
        paths = tuple(dict.fromkeys(sighting.path for sighting in each.sightings))
        source = history.ScanSource(each.decision.scan_id, each.scan.sha256, each.scan.kind, paths)
        read = read_source(source, home)
        if read is not None:
            found.append((each, read[1]))
        else:
            there = any(source_path(path, home).exists() for path in paths)
            why = "changed" if there else "vanished"
            report.unreadable.append(Unreadable(each.decision.id or 0, paths[0], why))
    return found


def _compare(
    home: str, replay: history.Replay, value: float, picture: bytes, report: ReplayReport
) -> None:
    """File the decision under how it came out."""
    stored, threshold, decision = replay.score.value, replay.threshold, replay.decision
    close = math.isclose(value, stored, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    calibration = _calibration(home, threshold.model_id, threshold.dataset_id)
    wrong = [
        text
        for is_wrong, text in (
            (not close, f"score {value!r}, recorded {stored!r}"),
            (not _threshold_holds(home, replay), "its threshold, from the calibration scores"),
            (verdict(stored, threshold.value) is not decision.verdict, "its verdict"),
            (float(p_value(stored, calibration)) != decision.p_value, "its p-value"),
        )
        if is_wrong
    ]
    wrong += _wrong_heatmaps(Path(home), replay, picture if value == stored else None)
    if wrong:
        report.mismatched.append(_mismatch(replay, "; ".join(wrong)))
    elif value == stored:
        report.identical += 1
    else:
        report.within_tolerance += 1


def _threshold_holds(home: str, replay: history.Replay) -> bool:
    """Whether the calibration scores give the recorded threshold again, to the last bit."""
    row = replay.threshold
    try:
        drawn = fit_threshold(_calibration(home, row.model_id, row.dataset_id), row.policy, row.k)
    except ThresholdUndefined:
        return False
    return (drawn.mean, drawn.sd, drawn.n, drawn.value) == (row.mean, row.sd, row.n, row.value)


def _wrong_heatmaps(home: Path, replay: history.Replay, picture: bytes | None) -> list[str]:
    """What is wrong with the decision's heatmap files; `picture` is the one drawn again."""
    wrong = []
    for row in replay.heatmaps:
        try:
            found = sha256_of(source_path(row.path, home))
        except OSError:
            wrong.append(f"heatmap {row.path} is missing")
            continue
        if found != row.sha256:
            wrong.append(f"heatmap {row.path} was changed")
        elif picture is not None and sha256(picture).hexdigest() != row.sha256:
            wrong.append(f"heatmap {row.path} is drawn otherwise now")
    return wrong


@lru_cache(maxsize=8)
def _calibration(home: str, model_id: int, dataset_id: int) -> tuple[float, ...]:
    rows = history.calibration_scores(opened_record(home), model_id, dataset_id)
    return tuple(each.value for each in rows)


def _mismatch(replay: history.Replay, what: str) -> Mismatch:
    return Mismatch(replay.decision.id or 0, replay.decision.scan_id, what)


def _pages(replays: Iterator[history.Replay]) -> Iterator[list[history.Replay]]:
    while page := list(islice(replays, PAGE)):
        yield page

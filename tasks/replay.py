"""Replay: decisions computed again from the stored model, threshold and source files."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db import history
from mriad_model.errors import ModelFileError, RejectedFile, ThresholdUndefined
from mriad_model.files import sha256_of
from mriad_model.nouns import Heatmap, HeatmapKind
from mriad_model.paths import source_path
from mriad_model.recipes import Recipe
from mriad_model.thresholds import fit_threshold, p_value, verdict
from mriad_model.volumes.pictures import on_one_grid
from tasks.chunks import in_chunks
from tasks.judging import Judged, judge
from tasks.locating import Located, read_again
from tasks.models import loaded_model
from tasks.preprocessing import PreparedScan, prepare_outcomes
from tasks.progress import tell
from tasks.resources import opened_record
from tasks.workspace import Workspace, loaded

PAGE = 256  # slices
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
def replay_decisions(home: str, decision_id: int | None, device: str, folder: str) -> ReplayReport:
    """Replay one decision, or all of them, and compare with the record.

    `folder` is for intermediate files.

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
            workspace = Workspace(Path(folder) / f"model-{model_id}")
            _replay_page(home, model_id, replays, device, workspace, report)
            workspace.discard()
        done += len(page)
        tell("replaying", done, total)
    return report


def _replay_page(
    home: str,
    model_id: int,
    replays: Sequence[history.Replay],
    device: str,
    workspace: Workspace,
    report: ReplayReport,
) -> None:
    """Replay decisions of one model."""
    located = _located(Path(home), replays, workspace, report)
    if not located:
        return
    try:
        fitted = loaded_model(home, model_id, device)
    except ModelFileError as error:
        report.mismatched += [_mismatch(each, str(error)) for each, _ in located]
        return
    judged = judge(fitted, _prepared(located, fitted.recipe, report), model_id)
    found = {each.scan_id: each for each in judged}
    for each, _ in located:
        if each.decision.scan_id in found:
            _compare(home, each, found[each.decision.scan_id], report)


def _located(
    home: Path, replays: Sequence[history.Replay], workspace: Workspace, report: ReplayReport
) -> list[tuple[history.Replay, Located]]:
    """The decisions whose scans can be read again. A scan of several decisions is read once."""
    wanted = {
        each.decision.scan_id: history.SightedScan(
            each.decision.scan_id, each.scan, history.sighted_together(each.sightings[::-1])
        )
        for each in replays
    }
    read = read_again(home, list(wanted.values()), workspace)
    kept = loaded(list(read.values()))
    found = []
    for each in replays:
        sighted = wanted[each.decision.scan_id]
        if sighted.id in read:
            found.append((each, Located(sighted.id, kept[sighted.scan.sha256])))
        else:
            report.unreadable.append(_unreadable(each.decision.id or 0, sighted, home))
    return found


def _unreadable(decision_id: int, sighted: history.SightedScan, home: Path) -> Unreadable:
    """Which of a scan's files is not as it was; where none can be told, the first."""
    for file in sighted.newest_files:
        try:
            status = source_path(file.path, home).stat()
        except OSError:
            return Unreadable(decision_id, file.path, "vanished")
        if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            return Unreadable(decision_id, file.path, "changed")
    return Unreadable(decision_id, sighted.paths[0], "changed")


def _prepared(
    located: Sequence[tuple[history.Replay, Located]], recipe: Recipe, report: ReplayReport
) -> list[PreparedScan]:
    """The slices of scans; one that cannot be prepared any more is a mismatch."""
    scans = {one.scan_id: one for _, one in located}
    outcomes = dict(zip(scans, prepare_outcomes(list(scans.values()), recipe), strict=True))
    for replay, one in located:
        outcome = outcomes[one.scan_id]
        if isinstance(outcome, RejectedFile):
            report.mismatched.append(_mismatch(replay, f"cannot be prepared: {outcome.detail}"))
    return [each for each in outcomes.values() if not isinstance(each, RejectedFile)]


def _compare(home: str, replay: history.Replay, judged: Judged, report: ReplayReport) -> None:
    """File the decision under how it came out."""
    stored, threshold, decision = replay.score.value, replay.threshold, replay.decision
    value = judged.score
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
    drawn = {file.kind: file.data for file in judged.files} if value == stored else {}
    wrong += _wrong_heatmaps(Path(home), replay, drawn)
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


def _wrong_heatmaps(
    home: Path, replay: history.Replay, drawn: Mapping[HeatmapKind, bytes]
) -> list[str]:
    """What is wrong with the decision's heatmap files; `drawn` are those made again."""
    wrong = []
    for row in replay.heatmaps:
        try:
            found = sha256_of(source_path(row.path, home))
        except OSError:
            wrong.append(f"heatmap {row.path} is missing")
            continue
        if found != row.sha256:
            wrong.append(f"heatmap {row.path} was changed")
        elif row.kind in drawn and not _as_drawn(home, row, drawn[row.kind]):
            wrong.append(f"heatmap {row.path} is drawn otherwise now")
    return wrong


def _as_drawn(home: Path, row: Heatmap, data: bytes) -> bool:
    """Whether a file is what is drawn now. On another grid a map cannot be compared.

    A series and the NIfTI file made of it are one scan, but may lie on grids that differ in the
    order of rows or in last digits; the score is the same on both.
    """
    if sha256(data).hexdigest() == row.sha256:
        return True
    if row.kind is not HeatmapKind.VOLUME:
        return False
    return not on_one_grid((data, source_path(row.path, home).read_bytes()))


@lru_cache(maxsize=8)
def _calibration(home: str, model_id: int, dataset_id: int) -> tuple[float, ...]:
    rows = history.calibration_scores(opened_record(home), model_id, dataset_id)
    return tuple(each.value for each in rows)


def _mismatch(replay: history.Replay, what: str) -> Mismatch:
    return Mismatch(replay.decision.id or 0, replay.decision.scan_id, what)


def _pages(replays: Iterator[history.Replay]) -> Iterator[list[history.Replay]]:
    for _, page in in_chunks(replays, PAGE, lambda each: each.scan.n_slices):
        yield page

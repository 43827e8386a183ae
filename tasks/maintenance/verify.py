"""Replay: decisions computed again from the stored model, threshold and source files."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.repository.intake.sightings import ScanFiles
from db.repository.reports.scan_details import Replay, decisions_for_replay
from db.repository.runs import run_by_id
from db.repository.scoring.decisions import count_decisions
from db.repository.training.models import current_threshold, model_folds
from mriad_model.detection.decisions.thresholds import verdict
from mriad_model.detection.decisions.verdicts import Evidence
from mriad_model.errors import ModelFileError, RejectedFile, ThresholdUndefined
from mriad_model.paths import source_path
from mriad_model.reasons import VERDICT_TEXTS, reason_words
from mriad_model.recipes.recipe import Recipe
from tasks.maintenance.verify_findings import wrong_findings
from tasks.maintenance.verify_maps import wrong_maps
from tasks.maintenance.verify_model import Foundations
from tasks.maintenance.verify_report import (
    Alike,
    LastBits,
    Mismatch,
    ReplayReport,
    Unreadable,
    alike,
    all_alike,
    optional_alike,
)
from tasks.runtime.batching import in_chunks
from tasks.runtime.connections import database
from tasks.runtime.environment import differences, environment_now, recorded_environment
from tasks.runtime.model_cache import forget_models, loaded_model
from tasks.runtime.progress import tell
from tasks.runtime.runs import library_versions
from tasks.runtime.source_files import LocatedScan, read_again
from tasks.runtime.workspace import Workspace
from tasks.scoring.calibration_scores import finding_limits_of
from tasks.scoring.judge import Judge
from tasks.scoring.model_scores import ModelScore, score_and_draw
from tasks.scoring.preprocess import PreparedItem, prepare_outcomes

PAGE = 256  # slices


@task(name="replay", cache_policy=NO_CACHE)
def replay_decisions(
    home: str,
    scan_id: int | None,
    device: str,
    folder: str,
    *,
    quick: bool = False,
    power: bool = False,
) -> ReplayReport:
    """Replay the decisions on one scan, or all of them, and compare with the record.

    Calibration scores are recomputed too, from the scans' files, once a threshold, unless `quick`.
    With `power` the lesions that models were measured by are implanted again, once a model.
    `folder` is for intermediate files.

    Raises:
        NotInRecord: there is no decision on that scan.
    """
    forget_models()  # a file may have changed since it was loaded
    engine = database(home)
    total = None if scan_id is not None else count_decisions(engine)
    report, done = ReplayReport(), 0
    foundations = Foundations(home, device, Path(folder), quick, report, power)
    tell("replaying", done, total or 0)
    replays_of_scans = decisions_for_replay(engine, scan_id)
    for _, page in in_chunks(replays_of_scans, PAGE, lambda each: each.scan.n_slices):
        of_model: dict[int, list[Replay]] = defaultdict(list)
        for each in page:
            of_model[each.threshold.model_id].append(each)
        for model_id, replays in of_model.items():
            workspace = Workspace(Path(folder) / f"model-{model_id}")
            _Page(home, model_id, device, foundations, report).replay(replays, workspace)
            workspace.discard()
        done += len(page)
        tell("replaying", done, total or len(page))
    current = current_threshold(engine)
    if scan_id is None and current is not None:
        foundations.weak(current.threshold, current.model)  # the next decisions stand on it
    report.last_bits = _last_bits(home, foundations, device)
    return report


@dataclass(frozen=True, slots=True)
class _Page:
    """Some decisions of one model."""

    home: str
    model_id: int
    device: str
    foundations: Foundations
    report: ReplayReport

    def replay(self, replays: Sequence[Replay], workspace: Workspace) -> None:
        """Compute them again, and file each under how it came out."""
        located = self._located(replays, workspace)
        if not located:
            return
        engine = database(self.home)
        folds = model_folds(engine, self.model_id)
        limits = finding_limits_of(engine, self.model_id)
        try:
            fitted = loaded_model(self.home, self.model_id, self.device)
            prepared = self._prepared(located, fitted.recipe)
            judged = score_and_draw(fitted, prepared, self.model_id, folds, limits)
        except ModelFileError as error:
            self.report.mismatched += [_mismatch(each, str(error)) for each, _ in located]
            self.foundations.weak(located[0][0].threshold, located[0][0].scored.model)
            return
        found = {each.scan_id: each for each in judged}
        for each, _ in located:
            if each.decision.scan_id in found:
                self._compare(each, found[each.decision.scan_id], fitted.recipe)

    def _located(
        self, replays: Sequence[Replay], workspace: Workspace
    ) -> list[tuple[Replay, LocatedScan]]:
        """The decisions whose scans can be read again. A scan of several is read once."""
        home = Path(self.home)
        wanted = {
            each.decision.scan_id: ScanFiles(each.decision.scan_id, each.scan, each.sightings[::-1])
            for each in replays
        }
        read = read_again(home, list(wanted.values()), workspace)
        found = []
        for each in replays:
            sighted = wanted[each.decision.scan_id]
            if sighted.id in read:
                found.append((each, LocatedScan(sighted.id, read[sighted.id])))
            else:
                self.report.unreadable.append(_unreadable(each.decision.id or 0, sighted, home))
        return found

    def _prepared(
        self, located: Sequence[tuple[Replay, LocatedScan]], recipe: Recipe
    ) -> list[PreparedItem]:
        """The slices of scans; one that cannot be prepared any more is a mismatch."""
        scans = {one.scan_id: one for _, one in located}
        outcomes = dict(zip(scans, prepare_outcomes(list(scans.values()), recipe), strict=True))
        for replay, one in located:
            outcome = outcomes[one.scan_id]
            if isinstance(outcome, RejectedFile):
                what = f"cannot be prepared: {outcome.detail}"
                self.report.mismatched.append(_mismatch(replay, what))
        return [each for each in outcomes.values() if not isinstance(each, RejectedFile)]

    def _compare(self, replay: Replay, judged: ModelScore, recipe: Recipe) -> None:
        threshold = replay.threshold
        how = max(
            alike(judged.found.score, replay.scored.score.value),
            all_alike(judged.slice_values, replay.scored.slice_values),
        )
        calibration = self.foundations.calibration(threshold.model_id, threshold.dataset_id)
        wrong = _wrong(replay, judged, Judge(recipe, threshold, calibration))
        weak = self.foundations.weak(threshold, replay.scored.model)
        wrong += [f"{each}, on which it stands, does not hold" for each in weak]
        wrong += wrong_maps(Path(self.home), replay, judged, how, self.report)
        wrong += wrong_findings(replay, judged, how, self.report)
        if wrong:
            self.report.mismatched.append(_mismatch(replay, "; ".join(wrong)))
        elif how is Alike.IDENTICAL:
            self.report.identical += 1
        else:
            self.report.within_tolerance += 1
        if how is Alike.CLOSE:
            self.foundations.runs[replay.scored.score.run_id] += 1


def _wrong(replay: Replay, judged: ModelScore, judge: Judge) -> list[str]:
    """What of a decision does not come out, on the threshold as recorded."""
    score, decision = replay.scored.score, replay.decision
    known = judge.contrast_known(replay.scan)
    stored = Evidence(score.value, score.gate, score.spread, known)
    found, limit = judged.evidence(known), judge.threshold.value
    wrong = []
    if alike(found.score, stored.score) is Alike.OTHER:
        wrong.append(f"score {found.score!r}, recorded {stored.score!r}")
    elif verdict(found.score, limit) is not verdict(stored.score, limit):
        wrong.append(f"score {found.score!r}, on the other side of the threshold than recorded")
    for name in ("gate", "spread"):
        anew, kept = getattr(found, name), getattr(stored, name)
        if optional_alike(anew, kept) is Alike.OTHER:
            wrong.append(f"{name} {anew!r}, recorded {kept!r}")
    if judged.found.positions != replay.scored.positions:
        wrong.append("which of its slices are judged")
    elif all_alike(judged.slice_values, replay.scored.slice_values) is Alike.OTHER:
        wrong.append("its slice scores")
    if not judge.healthy.values:
        return [*wrong, "its p-value"]
    try:
        _ = judge.band
    except ThresholdUndefined as error:
        return [*wrong, f"its threshold: {error}"]
    before, now = judge.verdicts([stored, found])
    if before.verdict is not decision.verdict:
        wrong.append("its verdict")
    elif decision.reason not in (None, before.reason):
        wrong.append("its reason")
    elif now != before:
        wrong.append(
            f"what is found now is {VERDICT_TEXTS[now.verdict]}: {reason_words(now.reason)}"
        )
    if judge.p_values([stored]) != [decision.p_value]:
        wrong.append("its p-value")
    return wrong


def _unreadable(decision_id: int, sighted: ScanFiles, home: Path) -> Unreadable:
    """Which of a scan's files has changed; where that is unknown, the first."""
    for file in sighted.newest_files:
        try:
            status = source_path(file.path, home).stat()
        except OSError:
            return Unreadable(decision_id, file.path, "vanished")
        if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            return Unreadable(decision_id, file.path, "changed")
    return Unreadable(decision_id, sighted.paths[0], "changed")


def _last_bits(home: str, foundations: Foundations, device: str) -> list[LastBits]:
    """For each run whose scores differ in their last bits: what it ran in, and what differs now."""
    engine, found = database(home), []
    for run_id, n in sorted(foundations.runs.items()):
        run, _ = run_by_id(engine, run_id)
        environment = recorded_environment(run.environment)
        differs = differences(
            {"device": run.device} | json.loads(run.libraries),
            {"device": device} | json.loads(library_versions()),
        )
        if environment is not None:
            differs |= differences(environment, environment_now())
        found.append(LastBits(run_id, n, environment is not None, differs))
    return found


def _mismatch(replay: Replay, what: str) -> Mismatch:
    return Mismatch(replay.decision.id or 0, replay.decision.scan_id, what)

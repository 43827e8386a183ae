"""Thresholds and verdicts from stored scores alone: no inference, no workflow engine."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count

from sqlalchemy import Engine

from db.entities import Threshold
from db.mapping import pieces
from db.repository.intake.labels import healthy_pool
from db.repository.intake.scans import scans_by_id
from db.repository.scoring.decisions import DecidedAgain, append_decisions
from db.repository.scoring.scores import (
    StoredScore,
    calibration_scores,
    decided_scores,
    stored_scores,
)
from db.repository.training.models import (
    CurrentThreshold,
    Member,
    active_threshold,
    append_threshold,
    dataset_folds,
    dataset_groups,
    dataset_roles,
    freeze_dataset,
    lineage,
    threshold_by_id,
)
from db.timestamps import now
from mriad_model.detection.decisions.thresholds import (
    Flips,
    ThresholdFit,
    fit_threshold,
    flips,
)
from mriad_model.detection.decisions.verdicts import Evidence
from mriad_model.enums import LabelSource, Policy, Role, Verdict
from mriad_model.errors import SettingsError
from mriad_model.promotion.power import Power, power_of
from tasks.scoring.calibration_scores import Calibration, counted
from tasks.scoring.judge import Judge

PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """A threshold that could be, and how many past decisions it would turn."""

    model_id: int
    dataset_id: int
    calibration: tuple[Member, ...] | None  # of a dataset to be frozen; None: the dataset's own
    fit: ThresholdFit
    decided: int  # scans that the model's thresholds have decided
    flips: Flips
    power: Power | None = None  # what it would find, by the model's implants


@dataclass(frozen=True, slots=True)
class DecidedEvidence:
    """What the thresholds of a model have decided, as verdicts take it."""

    judge: Judge  # of the threshold that was asked for
    scores: tuple[StoredScore, ...]
    found: tuple[Evidence, ...]  # of each score

    def verdicts(self, other: Judge | None = None) -> list[Verdict]:
        """The verdict on each score, of this threshold or of another."""
        return [each.verdict for each in (other or self.judge).verdicts(self.found)]


def decided_evidence(engine: Engine, threshold: Threshold) -> DecidedEvidence:
    """All scores that thresholds of this one's model have decided."""
    judge = Judge.of(engine, threshold)
    pages = list(_evidence(engine, threshold.model_id, judge))
    return DecidedEvidence(
        judge,
        tuple(each for page, _ in pages for each in page),
        tuple(each for _, page in pages for each in page),
    )


def propose(engine: Engine, policy: Policy, k: float, *, new_healthy: bool = False) -> Proposal:
    """Draw a threshold for the active model through its stored calibration scores.

    With `new_healthy` also through its scores of scans labelled healthy since; they become
    calibration scans of a dataset of their own.

    Raises:
        NoScans: no model is active.
        ThresholdUndefined: the scores give no threshold.
    """
    current = active_threshold(engine)
    drawn = _drawn(engine, current, policy, k, new_healthy=new_healthy)
    past = decided_evidence(engine, current.threshold)
    turned = flips(
        past.verdicts(), past.verdicts(Judge(past.judge.recipe, drawn.fit, drawn.healthy))
    )
    return Proposal(
        current.threshold.model_id,
        current.threshold.dataset_id,
        drawn.more,
        drawn.fit,
        len(past.found),
        turned,
        power_of(current.model.metrics, drawn.fit.value),
    )


def require_drawable(engine: Engine, policy: Policy, k: float, *, new_healthy: bool) -> None:
    """Refuse what `propose` would refuse, without a look at past decisions.

    Raises:
        NoScans: no model is active.
        ThresholdUndefined: the scores give no threshold.
    """
    _drawn(engine, active_threshold(engine), policy, k, new_healthy=new_healthy)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A threshold, the scores that it is drawn through, and their scans if not the dataset's."""

    fit: ThresholdFit
    healthy: Calibration
    more: tuple[Member, ...] | None


def _drawn(
    engine: Engine, current: CurrentThreshold, policy: Policy, k: float, *, new_healthy: bool
) -> _Drawn:
    model_id, dataset_id = current.threshold.model_id, current.threshold.dataset_id
    scores = calibration_scores(engine, model_id, dataset_id)
    members = _calibration(engine, dataset_id)
    more = _healthy_since(engine, current) if new_healthy else []
    scores += [score for score, _ in more]
    members += tuple(member for _, member in more)
    groups = {scan_id: group for scan_id, _, group in members}
    healthy = counted(engine, model_id, scores, groups)
    fit = fit_threshold(healthy.values, policy, k, healthy.groups)
    return _Drawn(fit, healthy, members if more else None)


@dataclass(frozen=True, slots=True)
class RecalibrationTerms:
    """How a threshold is to be drawn, and whether it would be another than the active one."""

    policy: Policy
    k: float
    changes: bool


def recalibration_terms(
    engine: Engine, policy: Policy | None, k: float | None, *, new_healthy: bool
) -> RecalibrationTerms:
    """The policy and k given, else those of the active threshold.

    Raises:
        NoScans: no model is active.
        SettingsError: a policy was given without its k.
    """
    active_now = active_threshold(engine).threshold
    if k is None and policy not in (None, active_now.policy):
        raise SettingsError("another policy needs its k")
    policy = active_now.policy if policy is None else policy
    k = active_now.k if k is None else k
    drawn = propose(engine, policy, k, new_healthy=new_healthy)
    return RecalibrationTerms(policy, k, drawn.fit.value != active_now.value)


def append_proposal(engine: Engine, proposal: Proposal, run_id: int) -> int:
    """Append the proposed threshold; its id."""
    dataset_id = proposal.dataset_id
    if proposal.calibration is not None:
        folds = dataset_folds(engine, dataset_id)
        dataset_id = freeze_dataset(engine, proposal.calibration, run_id, folds)
    fit = asdict(proposal.fit)
    row = Threshold(proposal.model_id, dataset_id, run_id=run_id, created_at=now(), **fit)
    return append_threshold(engine, row)


def _calibration(engine: Engine, dataset_id: int) -> tuple[Member, ...]:
    """The calibration scans of a dataset, as its members; those of folds are such."""
    groups, folds = dataset_groups(engine, dataset_id), dataset_folds(engine, dataset_id)
    return tuple(
        (scan_id, role, groups[scan_id])
        for scan_id, role in dataset_roles(engine, dataset_id).items()
        if role is Role.CALIBRATION or scan_id in folds
    )


def _healthy_since(engine: Engine, current: CurrentThreshold) -> list[tuple[StoredScore, Member]]:
    """The active model's scores of healthy scans that are in no dataset of its own.

    Nor in one of a model that it was adapted from.

    Without scans that a reviewer labelled: reviewers see what was flagged, so a threshold drawn
    through these would be too high. Without patients in its datasets. Near-duplicates in other
    files are not looked for, which would take reading them.
    """
    groups: dict[int, int] = {}
    before = [each.dataset_id for each in lineage(engine, current.threshold.model_id)]
    for dataset_id in (*before, current.model.dataset_id, current.threshold.dataset_id):
        groups |= dataset_groups(engine, dataset_id)
    patients = {scan.patient for scan in scans_by_id(engine, groups).values()}
    fresh = {
        each.id: each.scan.patient
        for each in healthy_pool(engine)
        if each.id not in groups
        and each.scan.patient not in patients - {None}
        and each.label.source is not LabelSource.REVIEWER
    }
    stored = stored_scores(engine, current.threshold.model_id, fresh)
    free = count(max(groups.values(), default=0) + 1)
    own: dict[str | int, int] = {}  # a group a patient, or a scan of nobody known
    return [
        (stored[i], (i, Role.CALIBRATION, own.setdefault(patient or i, next(free))))
        for i, patient in fresh.items()
        if i in stored
    ]


def decide_again(engine: Engine, threshold_id: int, run_id: int) -> int:
    """Append this threshold's verdict on every scan that its model has decided; how many."""
    threshold = threshold_by_id(engine, threshold_id)
    judge, added = Judge.of(engine, threshold), 0
    for page, found in _evidence(engine, threshold.model_id, judge):
        rows = [
            DecidedAgain(each.scan_id, each.score_id, result.verdict, chance, result.reason)
            for each, chance, result in zip(
                page, judge.p_values(found), judge.verdicts(found), strict=True
            )
        ]
        added += append_decisions(engine, threshold_id, rows, run_id=run_id, now=now())
    return added


def _evidence(
    engine: Engine, model_id: int, judge: Judge
) -> Iterator[tuple[Sequence[StoredScore], list[Evidence]]]:
    """All scores that the model's thresholds have decided, as verdicts take them, page by page."""
    for page in pieces(decided_scores(engine, model_id), PAGE):
        scans = scans_by_id(engine, [each.scan_id for each in page])
        yield (
            page,
            [
                Evidence(
                    each.value, each.gate, each.spread, judge.contrast_known(scans[each.scan_id])
                )
                for each in page
            ],
        )

"""What changed since a moment, from the record, as reports tell it."""

import json

from sqlalchemy import Engine

from db.entities import Challenge
from db.repository import comparisons as comparisons_records
from db.repository.models import activations, current_threshold, threshold_by_id
from db.repository.runs import runs_ended
from mriad_model.enums import RunStatus
from mriad_model.reports.changes import (
    ActiveNow,
    ChallengeLine,
    ChangeLine,
    Changes,
    comparisons,
    judges_in_words,
    why_in_words,
)


def changes_since(engine: Engine, since: str | None, until: str | None = None) -> Changes:
    """Thresholds put in force, challengers met, and retrainings that failed.

    From the beginning where `since` is None, to now where `until` is. What happened at `since` is
    told, what happened at `until` is not: it is the next report's.
    """
    since = since or ""

    def between(moment: str) -> bool:
        return since <= moment and (until is None or moment < until)

    challenges = comparisons_records.challenges(engine)
    tried = {each.reason for each in challenges if each.promoted}
    put = [
        ChangeLine(
            each.created_at,
            f"threshold {each.threshold_id} of model {_model_of(engine, each.threshold_id)} put "
            f"in force by {each.author}",
            "the new model was shown to be no worse, see below"
            if each.reason in tried
            else each.reason,
        )
        for each in activations(engine)
        if between(each.created_at)
    ]
    failed = [
        ChangeLine(
            end.ended_at,
            f"retraining failed, run {run.id}",
            "no new model came of it; Prefect's page of the run says why",
        )
        for run, end in runs_ended(engine, since)
        if run.flow == "retrain_model" and end.status is RunStatus.FAILED and between(end.ended_at)
    ]
    met = [_challenge_line(engine, each) for each in challenges if between(each.created_at)]
    return Changes(sorted(put + failed, key=lambda each: each.created_at), met)


def in_force_instead(engine: Engine, threshold_id: int) -> ActiveNow | None:
    """What decides now, if it is not this threshold."""
    current = current_threshold(engine)
    if current is None or current.threshold.id == threshold_id:
        return None
    activation = current.activation
    return ActiveNow(current.threshold.model_id, activation.threshold_id, activation.created_at)


def _challenge_line(engine: Engine, challenge: Challenge) -> ChallengeLine:
    figures = json.loads(challenge.figures)
    lines, promoted = comparisons(figures), bool(challenge.promoted)
    current = current_threshold(engine)
    return ChallengeLine(
        created_at=challenge.created_at,
        promoted=promoted,
        in_force=current is not None and current.threshold.id == challenge.challenger_threshold_id,
        why=why_in_words(challenge.reason, promoted=promoted, compared=bool(lines)),
        challenger_model=_model_of(engine, challenge.challenger_threshold_id),
        challenger_threshold=challenge.challenger_threshold_id,
        champion_model=_model_of(engine, challenge.champion_threshold_id),
        champion_threshold=challenge.champion_threshold_id,
        judges=judges_in_words(figures),
        confidence=f"{100 * figures['confidence']:g} %" if lines else "",
        comparisons=lines,
    )


def _model_of(engine: Engine, threshold_id: int) -> int:
    return threshold_by_id(engine, threshold_id).model_id

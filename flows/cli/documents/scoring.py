"""Documents of `mriad score` and `mriad report`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.cli.documents.fields import Document, keys, rejected_items, without_score
from mriad_model.enums import Verdict
from mriad_model.reasons import ReasonCount
from mriad_model.rejections import ALL_SCORED, NotScored, split_rejections

if TYPE_CHECKING:
    from flows.score import ScoringResult
    from tasks.reports.weekly_report import WeeklyReport
    from tasks.scoring.unchanged import Unchanged


def score_document(found: "ScoringResult") -> Document:
    """`mriad score`. `without_score` are the scans that are not scorable and have no score."""
    split = split_rejections(found.rejected)
    return {
        **keys(found, "new known scored suspicious recovered recovered_suspicious"),
        **keys(found, "uncertain not_scorable training_scans incompatible unreadable"),
        **keys(found, "model_id threshold_id report warnings seconds"),
        "rejected": rejected_items([*split.rejected, *split.limited]),
        "without_score": without_score(split.not_scorable),
        "why_unreadable": _not_scored(found.why_unreadable),
        **_reasons(found.reasons),
    }


def nothing_scored_document(nothing: "Unchanged", model_id: int, threshold_id: int) -> Document:
    """`mriad score` on a folder in which nothing is new, for which no run is started."""
    split = split_rejections(nothing.rejected)
    counts = "scored suspicious uncertain not_scorable recovered recovered_suspicious"
    not_scored = "training_scans incompatible unreadable"
    return {
        "new": 0,
        **dict.fromkeys(f"{counts} {not_scored}".split(), 0),
        **keys(nothing, "known training_scans incompatible"),
        "rejected": rejected_items([*split.rejected, *split.limited]),
        "without_score": without_score(split.not_scorable),
        "why_unreadable": _not_scored(ALL_SCORED),
        **_reasons([]),
        "model_id": model_id,
        "threshold_id": threshold_id,
        "report": None,
        "warnings": [],
        "seconds": 0.0,
    }


def _not_scored(found: NotScored) -> Document:
    return keys(found, "vanished unfit reasons")


def _reasons(counted: Sequence[ReasonCount]) -> Document:
    """`why_uncertain` and `why_not_scorable`: each reason, as the record has it, and how many."""
    return {
        f"why_{verdict}": [keys(each, "reason n") for each in counted if each.verdict is verdict]
        for verdict in (Verdict.UNCERTAIN, Verdict.NOT_SCORABLE)
    }


def report_document(found: "WeeklyReport") -> Document:
    """`mriad report`."""
    counts = "report days runs suspicious uncertain not_scorable warnings"
    return {**keys(found, counts), **_reasons(found.reasons)}

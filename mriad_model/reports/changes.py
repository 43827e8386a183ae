"""What changed: activated thresholds, and candidates compared with the current model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """An activated threshold, or a retraining that failed."""

    created_at: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One of the ways in which two models were compared."""

    what: str
    candidate: str
    current: str
    difference: str  # with the stated confidence
    allowed: str
    result: str
    failed: bool


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """How a candidate did against the current model."""

    created_at: str
    promoted: bool
    active: bool  # the new model is, by now
    why: str
    candidate_model: int
    candidate_threshold: int
    current_model: int
    current_threshold: int
    scans: str  # on which
    confidence: str
    figures: Sequence[ComparedFigure] = ()  # none where there was too little to compare on


@dataclass(frozen=True, slots=True)
class ActiveNow:
    """The active threshold, where another one decided the scans of a page."""

    model_id: int
    threshold_id: int
    since: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed between two times, oldest first."""

    lines: Sequence[ChangeLine] = ()
    comparisons: Sequence[ModelComparison] = ()


NO_CHANGES = Changes()


def comparison_scans_text(figures: Mapping[str, Any]) -> str:
    """How many comparison scans there were, in words."""
    healthy, abnormal = figures.get("n_healthy", 0), figures.get("n_abnormal", 0)
    text = f"{healthy} healthy scan{'' if healthy == 1 else 's'}"
    if abnormal:
        text += f" and {abnormal} abnormal one{'' if abnormal == 1 else 's'}"
    return text


def why_in_words(reason: str, *, promoted: bool, compared: bool) -> str:
    """A comparison's reason without the figures of the table."""
    if compared and promoted:
        return "it is no worse than the margins below allow"
    bare = reason
    for outcome in ("refused: ", "not promoted: ", "promoted: "):  # the first is of older records
        bare = bare.removeprefix(outcome)
    return bare.partition(";")[0] if compared else bare


def compared_figures(figures: Mapping[str, Any]) -> list[ComparedFigure]:
    """A comparison's figures, as `mriad_model.promotion.comparison` makes them, in lines."""
    if "false_positives" not in figures:
        return []
    lines = [
        _aurocs(figures, name, f"AUROC on {on}")
        for name, on in (
            ("implanted", "lesions drawn into healthy scans"),
            ("abnormal", "abnormal scans"),
        )
        if figures.get(name) is not None
    ]
    rates, margin = figures["false_positives"], figures["rate_margin"]
    failed = rates["at_most"] > margin
    lines.append(
        ComparedFigure(
            what="Healthy scans flagged",
            candidate=f"{rates['candidate']} of {rates['n']}",
            current=f"{rates['current']} of {rates['n']}",
            difference=f"at most {_signed(100 * rates['at_most'], 1)} %",
            allowed=f"at most {_signed(100 * margin, 1)} %",
            result=_result(failed=failed),
            failed=failed,
        )
    )
    if (caught := figures.get("caught")) is not None:
        lines.append(_caught(caught))
    return lines


def _caught(found: Mapping[str, Any]) -> ComparedFigure:
    """Of the lesions drawn into healthy scans; older comparisons lack these."""
    difference, at_most = found["candidate"] - found["current"], found.get("at_most")
    shown = difference if at_most is None else at_most
    failed = at_most is not None and at_most < 0
    decided = "significantly fewer" if failed else "not significantly fewer"
    return ComparedFigure(
        what="Drawn lesions flagged",
        candidate=f"{100 * found['candidate']:.1f} %",
        current=f"{100 * found['current']:.1f} %",
        difference=f"{'' if at_most is None else 'at most '}{_signed(100 * shown, 1)} %",
        allowed="–" if at_most is None else "at most ≥ 0 %",  # noqa: RUF001 - nothing to name
        result="for information only" if at_most is None else decided,
        failed=failed,
    )


def _aurocs(figures: Mapping[str, Any], name: str, what: str) -> ComparedFigure:
    found, margin = figures[name], figures["auroc_margin"]
    few = name == "abnormal" and figures["n_abnormal"] < figures["needed"]
    failed = not few and found["at_least"] < -margin
    return ComparedFigure(
        what=what,
        candidate=f"{found['candidate']:.3f}",
        current=f"{found['current']:.3f}",
        difference=f"at least {_signed(found['at_least'], 3)}",
        allowed=f"at least {_signed(-margin, 3)}",
        result="too few to decide" if few else _result(failed=failed),
        failed=failed,
    )


def _result(*, failed: bool) -> str:
    return "may be worse than allowed" if failed else "within the margin"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")  # noqa: RUF001 - a minus sign

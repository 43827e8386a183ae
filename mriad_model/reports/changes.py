"""What changed: thresholds that were put in force, and new models that met the one in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A threshold put in force, or a retraining that failed."""

    created_at: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class ComparisonLine:
    """One of the ways in which two models were compared."""

    what: str
    challenger: str
    champion: str
    shown: str  # with the stated confidence
    allowed: str
    result: str
    failed: bool


@dataclass(frozen=True, slots=True)
class ChallengeLine:
    """How a new model did against the one in force."""

    created_at: str
    promoted: bool
    in_force: bool  # the new model is, by now
    why: str
    challenger_model: int
    challenger_threshold: int
    champion_model: int
    champion_threshold: int
    judges: str
    confidence: str
    comparisons: Sequence[ComparisonLine] = ()  # none where there was too little to compare on


@dataclass(frozen=True, slots=True)
class ActiveNow:
    """What decides, where it is no longer what decided the scans of a page."""

    model_id: int
    threshold_id: int
    since: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in a while, oldest first."""

    lines: Sequence[ChangeLine] = ()
    challenges: Sequence[ChallengeLine] = ()


NO_CHANGES = Changes()


def judges_in_words(figures: Mapping[str, Any]) -> str:
    """On whom two models met."""
    healthy, abnormal = figures.get("n_healthy", 0), figures.get("n_abnormal", 0)
    told = f"{healthy} healthy scan{'' if healthy == 1 else 's'}"
    if abnormal:
        told += f" and {abnormal} abnormal one{'' if abnormal == 1 else 's'}"
    return told


def why_in_words(reason: str, *, promoted: bool, compared: bool) -> str:
    """A challenge's reason without the figures that the table beside it shows."""
    if compared and promoted:
        return "it was shown to be no worse than the margins below allow"
    bare = reason.removeprefix("refused: ").removeprefix("promoted: ")
    return bare.partition(";")[0] if compared else bare


def comparisons(figures: Mapping[str, Any]) -> list[ComparisonLine]:
    """A challenge's figures, as `mriad_model.promotion.comparison` makes them, in lines."""
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
        ComparisonLine(
            what="Healthy scans flagged",
            challenger=f"{rates['challenger']} of {rates['n']}",
            champion=f"{rates['champion']} of {rates['n']}",
            shown=f"at most {_signed(100 * rates['at_most'], 1)} %",
            allowed=f"at most {_signed(100 * margin, 1)} %",
            result=_result(failed=failed),
            failed=failed,
        )
    )
    if (caught := figures.get("caught")) is not None:
        lines.append(
            ComparisonLine(
                what="Drawn lesions flagged",
                challenger=f"{100 * caught['challenger']:.1f} %",
                champion=f"{100 * caught['champion']:.1f} %",
                shown=f"{_signed(100 * (caught['challenger'] - caught['champion']), 1)} %",
                allowed="–",  # noqa: RUF001 - nothing to name
                result="told, decides nothing",
                failed=False,
            )
        )
    return lines


def _aurocs(figures: Mapping[str, Any], name: str, what: str) -> ComparisonLine:
    found, margin = figures[name], figures["auroc_margin"]
    few = name == "abnormal" and figures["n_abnormal"] < figures["needed"]
    failed = not few and found["at_least"] < -margin
    return ComparisonLine(
        what=what,
        challenger=f"{found['challenger']:.3f}",
        champion=f"{found['champion']:.3f}",
        shown=f"at least {_signed(found['at_least'], 3)}",
        allowed=f"at least {_signed(-margin, 3)}",
        result="too few to decide" if few else _result(failed=failed),
        failed=failed,
    )


def _result(*, failed: bool) -> str:
    return "may be worse than allowed" if failed else "within the margin"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")  # noqa: RUF001 - a minus sign

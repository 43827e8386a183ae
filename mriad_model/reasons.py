"""Verdicts and their reasons in words, as commands and pages say them. Standard library only."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mriad_model.enums import DecisionReason, RejectionReason, Verdict

VERDICT_TEXTS = {
    Verdict.NORMAL: "normal",
    Verdict.SUSPICIOUS: "suspicious",
    Verdict.UNCERTAIN: "uncertain",
    Verdict.NOT_SCORABLE: "not scorable",
}
_OTHER = "not like the healthy scans that were learned"
REASON_TEXTS = {
    DecisionReason.NOT_ABOVE_THRESHOLD: "score not above the threshold",
    DecisionReason.ABOVE_THRESHOLD: "score above the threshold",
    DecisionReason.NEAR_THRESHOLD: (
        "so near the threshold that one of other calibration scans could decide otherwise"
    ),
    DecisionReason.NEAR_GATE: "nearly too unlike the healthy scans that were learned",
    DecisionReason.FOLDS_DISAGREE: (
        "the members of the model disagree: their scores lie further from each other than the "
        "score from the threshold"
    ),
    DecisionReason.UNLIKE_LEARNED: f"{_OTHER}: another sequence, plane or source, or no head",
    DecisionReason.CONTRAST_UNKNOWN: f"contrast unknown, and {_OTHER}",
    DecisionReason.NEEDS_LOCAL_HEALTHY: (
        "a head as another scanner or protocol shows it, or with a very large lesion: look at it; "
        "if healthy scans from there end so too, train on 10 to 20 of them"
    ),
    DecisionReason.REGISTRATION_FAILED: "registration failed",
}
# The same in a column of a table.
REASON_WORDS = {
    DecisionReason.NOT_ABOVE_THRESHOLD: "not above threshold",
    DecisionReason.ABOVE_THRESHOLD: "above threshold",
    DecisionReason.NEAR_THRESHOLD: "near threshold",
    DecisionReason.NEAR_GATE: "nearly too unlike learned",
    DecisionReason.FOLDS_DISAGREE: "model's members disagree",
    DecisionReason.UNLIKE_LEARNED: "unlike learned",
    DecisionReason.CONTRAST_UNKNOWN: "unlike learned, contrast unknown",
    DecisionReason.NEEDS_LOCAL_HEALTHY: "as another scanner shows heads",
    DecisionReason.REGISTRATION_FAILED: "registration failed",
}
# Why a scan that was read could not be prepared.
UNPREPARED_TEXTS = {
    RejectionReason.INCOMPLETE: "the head is cut off",
    RejectionReason.BAD_GEOMETRY: "too large or too small for a head",
    RejectionReason.NO_SIGNAL: "nothing stands out of the air",
}
_OF_GATE = (
    DecisionReason.NEAR_GATE,
    DecisionReason.UNLIKE_LEARNED,
    DecisionReason.CONTRAST_UNKNOWN,
    DecisionReason.NEEDS_LOCAL_HEALTHY,
)
SPREAD = (
    " (standard deviation of the members' scores {spread:.3g}, distance from the threshold "
    "{distance:.3g})"
)
GATE = " (distance to the learned scans {gate:.3g}, limit 1)"
NO_REASON = "the record gives no reason"


def reason_text(reason: DecisionReason | None) -> str:
    """A reason in words; nothing where a decision of before has none."""
    return "" if reason is None else REASON_TEXTS[reason]


def figured_reason(
    reason: DecisionReason | None,
    score: float,
    threshold: float,
    spread: float | None = None,
    gate: float | None = None,
) -> str:
    """A reason in words, with the figures behind it where it is of the members or the gate.

    Args:
        reason: of the decision; None of one of before.
        score: the scan's.
        threshold: that it was compared with.
        spread: standard deviation of the members' scores; None: one member scored it.
        gate: distance to what was learned, 1 at the limit; None: no gate.
    """
    text = reason_text(reason)
    if reason is DecisionReason.FOLDS_DISAGREE and spread is not None:
        return text + SPREAD.format(spread=spread, distance=abs(score - threshold))
    if reason in _OF_GATE and gate is not None:
        return text + GATE.format(gate=gate)
    return text


def reason_words(reason: str | None) -> str:
    """The same in few words, also of a scan without a score, whose rejection gives the reason."""
    return _WORDS[reason] if reason else ""


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many scans have a verdict for one reason."""

    verdict: Verdict
    reason: str | None  # as the record has it; of a scan without a score, of its rejection
    n: int

    @property
    def text(self) -> str:
        """The reason in words."""
        return _TEXTS[self.reason] if self.reason else NO_REASON


_TEXTS: dict[str, str] = {
    each.value: text for texts in (REASON_TEXTS, UNPREPARED_TEXTS) for each, text in texts.items()
}
_WORDS: dict[str, str] = {
    each.value: text for texts in (REASON_WORDS, UNPREPARED_TEXTS) for each, text in texts.items()
}


def count_reasons(found: Iterable[tuple[Verdict, str | None]]) -> list[ReasonCount]:
    """Of (verdict, reason), how many are uncertain and not scorable for what, most first.

    Normal and suspicious need no reason.
    """
    counts = Counter(found)
    return [
        ReasonCount(verdict, reason, n)
        for each in (Verdict.UNCERTAIN, Verdict.NOT_SCORABLE)
        for (verdict, reason), n in counts.most_common()
        if verdict is each
    ]

"""Verdicts and their reasons in words, as commands and pages say them. Standard library only."""

from mriad_model.enums import DecisionReason, Verdict

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
    DecisionReason.FOLDS_DISAGREE: "the models of the folds disagree",
    DecisionReason.UNLIKE_LEARNED: f"{_OTHER}: another sequence, plane or source, or no head",
    DecisionReason.CONTRAST_UNKNOWN: f"contrast unknown, and {_OTHER}",
    DecisionReason.NEEDS_LOCAL_HEALTHY: (
        "a head as another scanner or protocol shows it: train on 10 to 20 healthy scans from there"
    ),
    DecisionReason.REGISTRATION_FAILED: "registration failed",
}


NO_REASON = "the record gives no reason"


def reason_text(reason: DecisionReason | None) -> str:
    """A reason in words; nothing where a decision of before has none."""
    return "" if reason is None else REASON_TEXTS[reason]

"""What commands print of a threshold: what it promises, what it finds, what it would turn."""

from typing import TYPE_CHECKING

from flows.cli.console import show_json, show_lines, show_notice
from flows.cli.documents.thresholds import recalibrate_document
from flows.runtime.messages import counted
from mriad_model.enums import Policy
from mriad_model.shares import calibrated_by, with_interval

if TYPE_CHECKING:
    from db.entities import Threshold
    from mriad_model.detection.decisions.thresholds import ThresholdFit
    from mriad_model.promotion.power import Power
    from tasks.calibration.thresholds import Proposal

PROPOSED, RECALIBRATED = "A new threshold", "Threshold {threshold}"
THRESHOLD = (
    "{which}: {0.value:.6g} ({0.policy.value} {0.k:g}; {scores}, mean {0.mean:.6g}, sd {0.sd:.6g})."
)
RATE = "It flags {rate} of healthy scans, by {calibrating}."
GROUPS = "Near-duplicates, and scans of one patient, are a group, which counts once."
POWER = "It {text}."
SILENT = "Warning: silent detector: {why}."
OTHER_POLICY = (
    "Another policy than that of threshold {0.id}, the active one until now: to keep that, give "
    "--{0.policy.value} {0.k:g}."
)
SAME = "Threshold {0.id} is that already, and active: {nothing}."
NOTHING_DONE = "nothing was drawn, and no scan is decided anew"
NOTHING_WOULD = "nothing would change"
NOTHING_ELSE = "it stays, and what was left undecided by it is decided"
SAME_VALUE = "It has the value of threshold {0.id}, the active one until now."
FLIPS = (
    "It {verb} {0.to_suspicious} of {decided} to suspicious, {0.to_normal} to normal and "
    "{0.to_uncertain} to uncertain."
)


def is_drawn_so(threshold: "Threshold", policy: Policy, k: float) -> bool:
    """Whether a threshold is what this policy draws through its calibration scans."""
    return (threshold.policy, threshold.k) == (policy, k)


def rate_lines(drawn: "ThresholdFit | Threshold") -> list[str]:
    """The rate that a threshold promises; nothing for an older one, which has none."""
    if drawn.rate is None or drawn.rate_low is None or drawn.rate_high is None:
        return []
    rate = with_interval(drawn.rate, drawn.rate_low, drawn.rate_high)
    texts = [RATE.format(rate=rate, calibrating=calibrated_by(drawn.n, drawn.n_groups))]
    return texts if drawn.n_groups in (None, drawn.n) else [*texts, GROUPS]


def power_lines(found: "Power | None") -> list[str]:
    """What a threshold finds; nothing of a model of before, which was not measured."""
    if found is None:
        return []
    why = found.silence
    return [POWER.format(text=found.text), *([SILENT.format(why=why)] if why else [])]


def show_recalibrate(
    proposal: "Proposal",
    threshold_id: int | None,
    before: "Threshold",
    *,
    asked: bool,
    as_json: bool,
    ran: bool = False,
) -> None:
    """The result of `mriad recalibrate`; without a threshold id, of a dry run.

    `before` is the threshold that was active; `asked`: a policy was; `ran`: scans were decided.
    """
    fit, decided = proposal.fit, counted(proposal.decided, "decided scan")
    alike = is_drawn_so(before, fit.policy, fit.k)
    same = alike and proposal.calibration is None
    if as_json:
        show_json(recalibrate_document(proposal, threshold_id, same=same))
        return
    which = (RECALIBRATED if threshold_id else PROPOSED).format(threshold=threshold_id)
    verb = "turned" if threshold_id else "would turn"
    other = not asked and not alike
    nothing = NOTHING_ELSE if ran else NOTHING_DONE if threshold_id else NOTHING_WOULD
    show_lines(
        *([SAME.format(before, nothing=nothing)] if same else []),
        THRESHOLD.format(fit, which=which, scores=calibrated_by(fit.n, fit.n_groups)),
        *([OTHER_POLICY.format(before)] if other else []),
        *([SAME_VALUE.format(before)] if fit.value == before.value and not same else []),
        *rate_lines(fit),
        *power_lines(proposal.power),
        *([] if same else [FLIPS.format(proposal.flips, verb=verb, decided=decided)]),
    )
    show_notice()

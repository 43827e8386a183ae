"""The page of a scoring run: new scans, suspicious ones, rejected files, warnings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mriad_model.delivery.pending import NO_FOLDERS, PendingFolders
from mriad_model.detection.decisions.thresholds import FALSE_DISCOVERY_RATE, calibration_needed
from mriad_model.enums import DecisionReason, Verdict
from mriad_model.reasons import reason_text
from mriad_model.rejections import RejectedItem
from mriad_model.reports.changes import NO_CHANGES, ActiveNow, Changes
from mriad_model.reports.page import MOST_ROWS, Provenance, address, by_reason, capped, render

MOST_PICTURES = 60  # suspicious scans with their heatmap
MOST_FOLDERS = 20
MOST_WAITING = 100  # folders that are not scored yet


@dataclass(frozen=True, slots=True)
class SuspiciousScan:
    """One line of the night's worklist: a scan that is not normal."""

    path: str
    scan_id: int
    decision_id: int
    score: float
    p_value: float
    heatmap: bytes | None = None  # a picture file's bytes
    several_slices: bool = False  # in the picture, which is then larger
    kind: str = ""
    scanner: str | None = None
    findings: str = ""  # "3.2 ml (patient's right), 0.4 ml (midline)"
    stands_out: bool = False  # among all of the night, see `standing_out`
    verdict: Verdict = Verdict.SUSPICIOUS
    reason: DecisionReason | None = None
    pages: str | None = None  # the address of the reader's pages
    reviewed: bool = False  # as the page is written

    @property
    def why(self) -> str:
        """The reason in words."""
        return reason_text(self.reason)


@dataclass(frozen=True, slots=True)
class HealthyFlagged:
    """Scans that people called healthy, unseen by model and calibration, and how many are flagged.

    Reviewers see what was flagged, so theirs are counted apart: they give no rate.
    """

    n: int = 0
    flagged: int = 0
    share: str | None = None  # with interval, in words; None of none
    n_reviewed: int = 0
    flagged_reviewed: int = 0


NOT_LOOKED = HealthyFlagged()


@dataclass(frozen=True, slots=True)
class ModelLine:
    """The model that decided the scans of a page, or the active one."""

    id: int
    sha256: str
    recipe_name: str
    created_at: str
    of_volumes: bool = False  # its pictures are montages of many slices
    active_since: str = ""
    why: str = ""  # it was activated


@dataclass(frozen=True, slots=True)
class ThresholdLine:
    """The threshold that decided the scans of a page, or the active one."""

    id: int
    policy: str
    k: float
    mean: float
    sd: float
    n: int
    value: float
    n_groups: int | None = None
    promise: str | None = None  # the rate of healthy scans that it flags, with interval, in words
    findings: str = ""  # how many a healthy scan has; empty where the model has no limits
    power: str | None = None  # what it finds of implanted lesions, in words


@dataclass(frozen=True, slots=True)
class WarningLine:
    """Something that a person should look at."""

    created_at: str
    text: str


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """Result of one scoring run. Counts are of scans; `rejections` are of files."""

    provenance: Provenance
    model: ModelLine
    threshold: ThresholdLine
    new: int
    known: int
    scored: int
    n_suspicious: int
    suspicious: Sequence[SuspiciousScan]
    rejections: Sequence[RejectedItem] = ()
    skipped: Sequence[tuple[int, str]] = ()  # (how many scans, why)
    limited: Sequence[RejectedItem] = ()  # incompatible scans, and series without DICOM outputs
    pending: PendingFolders = NO_FOLDERS  # folders that are not scored yet
    recovered: int = 0  # of the decisions: made by earlier runs that were interrupted
    kinds: Sequence[tuple[str, int]] = ()  # (kind, how many new scans)
    folders: Sequence[tuple[str, int]] = ()  # (folder, new scans in it), most first
    warnings: Sequence[WarningLine] = ()  # since the last report
    since: str | None = None  # the time of the last report
    steps: Sequence[tuple[str, float]] = ()  # (step, seconds of work)
    csv: str | None = None  # the name of a file in the same folder
    changes: Changes = NO_CHANGES  # since the last report
    active_now: ActiveNow | None = None  # None: the one that decided these scans
    n_stand_out: int = 0  # of the scored scans, see `standing_out`
    healthy: HealthyFlagged = NOT_LOOKED
    n_uncertain: int = 0
    n_not_scorable: int = 0  # with those without a score
    unsure: Sequence[SuspiciousScan] = ()  # uncertain ones, and those not scorable
    unscored: Sequence[RejectedItem] = ()  # not scorable scans without a score


def render_score_report(report: ScoreReport) -> str:
    """The HTML page of a scoring run, worst scans first."""
    worst = sorted(report.suspicious, key=lambda scan: (-scan.score, scan.scan_id))
    lines = scan_lines(worst[:MOST_ROWS], MOST_PICTURES, report.threshold)
    needed, calibrate = calibration_needed(report.scored), report.threshold.n_groups
    if calibrate is None:  # a threshold of before
        calibrate = report.threshold.n
    return render(
        "run_report.html.j2",
        report=report,
        provenance=report.provenance,
        worst=lines,
        **unsure_lines(report.unsure, report.unscored, report.threshold),
        pictured=[item for item in lines if item["address"]],
        calibration_needed=needed,
        calibration_too_small=report.scored > 0 and calibrate < needed,
        n_calibrate=calibrate,
        false_discovery_rate=FALSE_DISCOVERY_RATE,
        n_more=report.n_suspicious - len(lines),
        rejections=by_reason(report.rejections),
        rejected=capped(report.rejections),
        limited=capped(report.limited),
        waiting=capped(report.pending.folders, MOST_WAITING),
        n_waiting=report.pending.n,
        n_skipped=sum(n for n, _ in report.skipped),
        folders=capped(report.folders, MOST_FOLDERS),
    )


def unsure_lines(
    scans: Sequence[SuspiciousScan],
    unscored: Sequence[RejectedItem],
    threshold: ThresholdLine | None,
) -> dict[str, Any]:
    """Scans that are uncertain, and not scorable ones, for a template."""
    uncertain = [each for each in scans if each.verdict is Verdict.UNCERTAIN]
    not_scorable = [each for each in scans if each.verdict is Verdict.NOT_SCORABLE]
    return {
        "uncertain": scan_lines(uncertain, MOST_PICTURES, threshold),
        "not_scorable": scan_lines(not_scorable, MOST_PICTURES, None),
        "unscored": capped(unscored),
    }


def scan_lines(
    scans: Iterable[SuspiciousScan], most_pictures: int, threshold: ThresholdLine | None
) -> list[dict[str, Any]]:
    """Suspicious scans for a template: the first with pictures, scores in sigmas of a threshold."""
    known = threshold is not None and threshold.sd > 0
    return [
        {
            "scan": scan,
            "sigmas": (scan.score - threshold.mean) / threshold.sd if threshold and known else None,
            "address": address(scan.heatmap) if scan.heatmap and i < most_pictures else None,
        }
        for i, scan in enumerate(scans)
    ]

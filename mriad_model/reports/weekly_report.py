"""The page of a week: runs, suspicious scans, rejected files, warnings, changes, reviews."""

from collections.abc import Sequence
from dataclasses import dataclass

from mriad_model.rejections import RejectedItem
from mriad_model.reports.changes import NO_CHANGES, Changes
from mriad_model.reports.page import Provenance, by_reason, capped, render
from mriad_model.reports.run_report import (
    NOT_LOOKED,
    HealthyFlagged,
    ModelLine,
    SuspiciousScan,
    ThresholdLine,
    WarningLine,
    scan_lines,
    unsure_lines,
)

MOST_SHOWN = 30  # suspicious scans with their pictures
MOST_LISTED = 200  # lines of the tables of scans and of runs


@dataclass(frozen=True, slots=True)
class DayLine:
    """Counts of the runs that began on one day."""

    day: str  # 2026-11-23, UTC
    runs: int
    failed: int  # of them, or never ended
    new: int
    scored: int
    suspicious: int
    rejected: int
    uncertain: int = 0
    not_scorable: int = 0


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run."""

    id: int
    flow: str
    started_at: str
    seconds: float | None  # None: it never ended
    status: str
    figures: str
    report: str | None = None  # the name of its page, in the same folder


@dataclass(frozen=True, slots=True)
class ReviewTally:
    """Reviews counted, by what they say of the decision."""

    agreed: int = 0
    called_normal: int = 0  # of what was suspicious
    called_suspicious: int = 0  # of what was normal
    settled: int = 0  # of what was uncertain or not scorable

    @property
    def total(self) -> int:
        """All of them."""
        return self.agreed + self.called_normal + self.called_suspicious + self.settled


@dataclass(frozen=True, slots=True)
class WeekReport:
    """What the page of a week holds."""

    provenance: Provenance
    since: str
    until: str
    days: Sequence[DayLine]
    scans: int  # decided, each counted once, by the last decision on it
    n_suspicious: int
    runs: Sequence[RunLine]  # newest first
    suspicious: Sequence[SuspiciousScan]  # the most anomalous first
    rejections: Sequence[RejectedItem] = ()
    limited: Sequence[RejectedItem] = ()  # incompatible scans, and series without DICOM outputs
    warnings: Sequence[WarningLine] = ()
    changes: Changes = NO_CHANGES
    reviews: ReviewTally = ReviewTally()
    model: ModelLine | None = None  # active now; None: there is none
    threshold: ThresholdLine | None = None
    n_uncertain: int = 0
    n_not_scorable: int = 0  # with those without a score
    unsure: Sequence[SuspiciousScan] = ()  # uncertain ones, and those not scorable
    unscored: Sequence[RejectedItem] = ()  # not scorable scans without a score
    csv: str | None = None
    healthy: HealthyFlagged = NOT_LOOKED  # by the active threshold


def render_week(report: WeekReport) -> str:
    """The HTML page of a week."""
    # No sigmas: models and thresholds may have changed within the week.
    lines = scan_lines(report.suspicious, MOST_SHOWN, None)
    names = ("runs", "failed", "new")
    totals = {name: sum(getattr(day, name) for day in report.days) for name in names}
    return render(
        "weekly_report.html.j2",
        report=report,
        provenance=report.provenance,
        totals=totals,
        pictured=[line for line in lines if line["address"]],
        listed=capped(lines, MOST_LISTED),
        **unsure_lines(report.unsure, report.unscored, None),
        runs=capped(report.runs, MOST_LISTED),
        rejections=by_reason(report.rejections),
        rejected=capped(report.rejections),
        limited=capped(report.limited),
    )

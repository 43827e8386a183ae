"""Reports as one HTML page each: nothing is loaded from elsewhere, and it prints.

`page` holds what they share, `evaluation` and `scoring` fill in one template each.
"""

from mriad_model.report.evaluation import render_evaluation
from mriad_model.report.page import MOST_ROWS, Provenance, RejectedFileLine
from mriad_model.report.scoring import (
    MOST_PICTURES,
    ModelLine,
    ScoreReport,
    SuspiciousScan,
    ThresholdLine,
    WarningLine,
    render_score_report,
)
from mriad_model.report.worklist import worklist_csv

__all__ = [
    "MOST_PICTURES",
    "MOST_ROWS",
    "ModelLine",
    "Provenance",
    "RejectedFileLine",
    "ScoreReport",
    "SuspiciousScan",
    "ThresholdLine",
    "WarningLine",
    "render_evaluation",
    "render_score_report",
    "worklist_csv",
]

"""Reading the record: every query, none of which loads torch, prefect or numpy.

Answers are frozen rows, in an order that the function states. Long answers are iterators
that read a page at a time.
"""

from sqlalchemy import Engine

from db.decisions import (
    DEFAULT_LIMIT,
    DecisionRow,
    HistoryQuery,
    Tally,
    decisions,
    tally,
    worst_of_runs,
)
from db.engine import open_record
from db.lookups import (
    InForce,
    activations,
    count_decisions,
    current_threshold,
    model_by_id,
    models,
    rejections,
    rejections_at,
    run_by_id,
    threshold_by_id,
    thresholds,
    unreported_runs,
)
from db.scans import (
    LabelledScan,
    ScanSource,
    dataset_roles,
    healthy_pool,
    labelled,
    scan_sources,
    scans_by_id,
    sightings,
)
from db.scores import (
    StoredScore,
    all_scores,
    calibration_scores,
    decided_scores,
    undecided,
    unscored,
)
from db.stories import Replay, ScanStory, ScoreStory, decisions_for_replay, scan_story

__all__ = [
    "DEFAULT_LIMIT",
    "DecisionRow",
    "Engine",
    "HistoryQuery",
    "InForce",
    "LabelledScan",
    "Replay",
    "ScanSource",
    "ScanStory",
    "ScoreStory",
    "StoredScore",
    "Tally",
    "activations",
    "all_scores",
    "calibration_scores",
    "count_decisions",
    "current_threshold",
    "dataset_roles",
    "decided_scores",
    "decisions",
    "decisions_for_replay",
    "healthy_pool",
    "labelled",
    "model_by_id",
    "models",
    "open_record",
    "rejections",
    "rejections_at",
    "run_by_id",
    "scan_sources",
    "scan_story",
    "scans_by_id",
    "sightings",
    "tally",
    "threshold_by_id",
    "thresholds",
    "undecided",
    "unreported_runs",
    "unscored",
    "worst_of_runs",
]

"""Reading the record: every query, none of which loads torch, prefect or numpy.

Answers are frozen rows, in an order that the function states. Long answers are iterators
that read a page at a time.
"""

from sqlalchemy import Engine

from db.arrivals import arrivals_by_id, arrivals_by_path, open_arrivals
from db.claims import claims_on
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
    has_pseudonyms,
    has_runs,
    model_by_id,
    models,
    rejections,
    rejections_at,
    run_by_flow_run,
    run_by_id,
    shard_of,
    threshold_by_id,
    thresholds,
    unreported_runs,
    with_shards,
)
from db.oversight import challenges, reviews, warnings
from db.scans import (
    LabelledScan,
    dataset_groups,
    dataset_roles,
    healthy_pool,
    labelled,
    scans_by_id,
    sightings,
)
from db.scores import (
    DecidedScore,
    StoredScore,
    calibration_scores,
    decided_scores,
    recent_scores,
    stored_scores,
    undecided,
)
from db.sighted import (
    RejectedBeside,
    ScanSource,
    SightedFile,
    SightedScan,
    SightedTogether,
    rejected_beside,
    scan_sources,
    sighted_scans,
    sighted_together,
)
from db.stories import Replay, ScanStory, ScoreStory, decisions_for_replay, scan_story

__all__ = [
    "DEFAULT_LIMIT",
    "DecidedScore",
    "DecisionRow",
    "Engine",
    "HistoryQuery",
    "InForce",
    "LabelledScan",
    "RejectedBeside",
    "Replay",
    "ScanSource",
    "ScanStory",
    "ScoreStory",
    "SightedFile",
    "SightedScan",
    "SightedTogether",
    "StoredScore",
    "Tally",
    "activations",
    "arrivals_by_id",
    "arrivals_by_path",
    "calibration_scores",
    "challenges",
    "claims_on",
    "count_decisions",
    "current_threshold",
    "dataset_groups",
    "dataset_roles",
    "decided_scores",
    "decisions",
    "decisions_for_replay",
    "has_pseudonyms",
    "has_runs",
    "healthy_pool",
    "labelled",
    "model_by_id",
    "models",
    "open_arrivals",
    "open_record",
    "recent_scores",
    "rejected_beside",
    "rejections",
    "rejections_at",
    "reviews",
    "run_by_flow_run",
    "run_by_id",
    "scan_sources",
    "scan_story",
    "scans_by_id",
    "shard_of",
    "sighted_scans",
    "sighted_together",
    "sightings",
    "stored_scores",
    "tally",
    "threshold_by_id",
    "thresholds",
    "undecided",
    "unreported_runs",
    "warnings",
    "with_shards",
    "worst_of_runs",
]

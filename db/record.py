"""Writing the record: every append, and the two ways to open it.

An append is one short transaction, and a no-op where its rows are there already; so a task
may be run again, and two processes may do the same work, without a row too many.
"""

from db.arrivals import append_arrivals, end_arrivals
from db.claims import claim_scans, release_claims, renew_claims
from db.engine import engine, open_record
from db.intake import (
    FileKey,
    Registered,
    append_rejections,
    end_run,
    known_files,
    register_scans,
    rejected_files,
    start_run,
)
from db.labels import append_labels
from db.learning import activate, append_model, append_threshold, freeze_dataset
from db.oversight import append_challenge, append_warnings
from db.reviews import append_review, withdraw_review
from db.scoring import Appended, HeatmapFile, ScoredScan, append_decisions, append_scored
from db.times import after, now

__all__ = [
    "Appended",
    "FileKey",
    "HeatmapFile",
    "Registered",
    "ScoredScan",
    "activate",
    "after",
    "append_arrivals",
    "append_challenge",
    "append_decisions",
    "append_labels",
    "append_model",
    "append_rejections",
    "append_review",
    "append_scored",
    "append_threshold",
    "append_warnings",
    "claim_scans",
    "end_arrivals",
    "end_run",
    "engine",
    "freeze_dataset",
    "known_files",
    "now",
    "open_record",
    "register_scans",
    "rejected_files",
    "release_claims",
    "renew_claims",
    "start_run",
    "withdraw_review",
]

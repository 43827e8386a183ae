"""Documents of `mriad history`, `show` and `review`, and the columns of the CSV of the first."""

import json
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from db.entities import Heatmap, Label, Model, Review, Run
from db.repository.reports.history import DecisionRow
from db.repository.reports.history_query import CountBy, CountRow
from db.repository.reports.unscored import UnscoredScan
from flows.cli.documents.fields import Document, keys
from flows.cli.findings import findings_document
from mriad_model.enums import ScanKind

if TYPE_CHECKING:
    from db.repository.reports.scan_details import ScanDetails, ScoreDetails
    from tasks.reports.review import ReviewResult

HISTORY_COLUMNS = (
    "scan_id",
    "decision_id",
    "path",
    "kind",
    "model_id",
    "threshold_id",
    "score",
    "threshold",
    "p_value",
    "verdict",
    "heatmap_path",
    "decided_at",
    "review",
    "reason",
    "gate",
    "spread",
    "reviewer",
    "scanner",
    "contrast",
    "patient",
    "study_uid",
    "series_uid",
    "sha256",
    "run_id",
    "tags",
    "active",
)
COUNT_COLUMNS = ("decisions", "suspicious", "uncertain", "not_scorable", "normal", "reviewed")


def history_document(
    rows: Sequence[DecisionRow],
    unscored: Sequence[UnscoredScan],
    more: int,
    active_threshold_id: int | None,
) -> Document:
    """`mriad history`; `more` decisions and scans without a score are not listed."""
    return {
        "decisions": [decision_line(each, active_threshold_id) for each in rows],
        "without_score": [unscored_document(each) for each in unscored],
        "more": more,
        "active_threshold_id": active_threshold_id,
    }


def decision_line(row: DecisionRow, active_threshold_id: int | None) -> Document:
    """A decision as `mriad history` lists it: in JSON, in CSV, in the table.

    `active`: whether it is by the active threshold, and so counts now.
    """
    line = {name: getattr(row, name) for name in HISTORY_COLUMNS if name != "active"}
    return line | {"active": row.threshold_id == active_threshold_id}


def unscored_line(scan: UnscoredScan) -> Document:
    """A scan that is not scorable, without a score, as a line among decisions."""
    line = dict.fromkeys(HISTORY_COLUMNS)
    return {
        **line,
        **keys(scan, "scan_id kind verdict reason decided_at"),
        "path": scan.place,
    }


def unscored_document(scan: UnscoredScan) -> Document:
    """The same in JSON, with why, and the decision that there is by another model."""
    return {
        **keys(scan, "scan_id kind verdict reason detail decided_at"),
        "path": scan.place,
        "other_decision": scan.other and keys(scan.other, "model_id threshold_id verdict"),
    }


def counts_document(
    rows: Sequence[CountRow], by: CountBy, active_threshold_id: int | None
) -> Document:
    """`mriad history --count-by`."""
    return {
        "count_by": by.value,
        "counts": [count_line(each, by) for each in rows],
        "active_threshold_id": active_threshold_id,
    }


def count_line(row: CountRow, by: CountBy) -> Document:
    """Counts as JSON and CSV have them; what was counted by goes by its name."""
    return {by.value: row.key, **keys(row, " ".join(COUNT_COLUMNS))}


def show_document(
    details: "ScanDetails",
    n_slices: Sequence[int | None],
    files: Sequence[Sequence[str]],
    active_threshold_id: int | None,
) -> Document:
    """`mriad show`. JSON text of rows becomes objects.

    `n_slices` in the plane of each score's model; `files`: the state of each score's heatmaps.
    """
    rejection = "id path size mtime_ns ctime_ns sha256 reason detail run_id created_at"
    scores = zip(details.scores, n_slices, files, strict=True)
    scan = "id sha256 kind patient study_uid series_uid scanner n_slices run_id created_at"
    sighting = "id scan_id path size mtime_ns ctime_ns inode run_id seen_at"
    label = "id scan_id value source author created_at"
    return {
        "scan": {**keys(details.scan, scan), "geometry": details.scan.grid},
        "run": _run(details.run),
        "sightings": [keys(each, sighting) for each in details.sightings],
        "labels": [keys(each, label) for each in details.labels],
        "scores": [_score(*each, details.scan.kind, details.not_scorable) for each in scores],
        "patient_scans": [keys(each, "id kind scanner created_at") for each in details.of_patient],
        "decisions": [decision_line(each, active_threshold_id) for each in details.decisions],
        "without_score": details.unscored and unscored_document(details.unscored),
        "reviews": [_review(each) for each in details.reviews],
        "beside": {
            "total": details.beside.total,
            "rejections": [keys(each, rejection) for each in details.beside.rejections],
        },
    }


def _review(review: Review) -> Document:
    names = "id scan_id decision_id reviewer verdict note withdrawn created_at"
    return {**keys(review, names), "tags": review.tag_words}


def _run(run: Run) -> Document:
    return {
        **keys(run, "id flow flow_run_id software_version git_sha device started_at"),
        "libraries": json.loads(run.libraries),
        "environment": json.loads(run.environment or "null"),
    }


def _score(
    found: "ScoreDetails",
    n_slices: int | None,
    files: Sequence[str],
    kind: ScanKind,
    not_scorable: Container[int],
) -> Document:
    return {
        "score": keys(found.score, "id scan_id model_id value run_id created_at spread gate"),
        "scorable": found.score.model_id not in not_scorable,
        "model": _model(found.model),
        "positions": found.positions,
        "slice_values": found.slice_values,
        "heatmaps": [_heatmap(*each) for each in zip(found.heatmaps, files, strict=True)],
        "n_slices": n_slices,
        **findings_document(found, kind),
    }


def _model(model: Model) -> Document:
    return {
        **keys(model, "id sha256 path dataset_id run_id created_at"),
        "recipe": json.loads(model.recipe),
        "metrics": json.loads(model.metrics),
    }


def _heatmap(heatmap: Heatmap, file: str) -> Document:
    return {**keys(heatmap, "id score_id kind position path sha256 created_at"), "file": file}


def pseudonym_document(found: str) -> Document:
    """`mriad pseudonym`. The patient's id is not repeated."""
    return {"pseudonym": found}


def review_document(found: "ReviewResult", label: Label | None) -> Document:
    """`mriad review`; `label` is the scan's now."""
    decision = found.decision
    return {
        "review_id": found.review_id,
        **keys(decision, "scan_id decision_id path score threshold"),
        "decided": decision.verdict,
        **keys(found, "reviewer verdict label"),
        "withdrawn": found.withdrawn and found.withdrawn.id,
        "label_now": label and label.value,
        "tags": found.tags,
    }

"""Every `--json` document, key by key, and the columns of the CSV that `mriad history` prints.

Those of thresholds are in `flows.cli.threshold_output`.

A key is added, never renamed; a test holds them all. `flows.cli.console.show_json` adds `notice`
to each document. Paths are escaped and, inside the home, relative to it; times are UTC ISO-8601.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from db.entities import Heatmap, Label, Model, Run
from db.repository.history import DecisionRow
from flows.cli.findings import findings_document
from flows.cli.threshold_output import RATE, power_document
from mriad_model.enums import ScanKind
from mriad_model.rejections import ALL_SCORED, NotScored, RejectedItem

if TYPE_CHECKING:
    from db.repository.scan_details import ScanDetails, ScoreDetails
    from flows.demo import DemoResult
    from flows.evaluate import EvaluationResult
    from flows.ingest import IngestResult
    from flows.retrain_result import RetrainingResult
    from flows.score import ScoringResult
    from flows.train import TrainingResult
    from mriad_model.datasets.labels import LabelLine
    from mriad_model.evaluation.lesion_metrics import Figure, LesionMetrics
    from mriad_model.evaluation.metrics import Advantage, Interval, Metrics
    from mriad_model.evaluation.results import FoldResult
    from mriad_model.evaluation.summary import EvaluatedRow, EvaluationReport, Rival
    from mriad_model.phantom.write import DrawnScan
    from tasks.maintenance.backup import Backup
    from tasks.maintenance.check import CheckReport
    from tasks.maintenance.verify_report import ReplayReport
    from tasks.reports.review import ReviewResult
    from tasks.reports.weekly_report import WeeklyReport
    from tasks.training.thresholds import Proposal

Document = dict[str, Any]

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
)
NO_RUN = {"new": 0, "known": 0, "rejected": []}  # of a folder without files


def ingest_document(found: "IngestResult", unmatched: "Sequence[LabelLine]" = ()) -> Document:
    """`mriad ingest`."""
    return {
        **_keys(found, "new known labelled unlabelled"),
        "rejected": _rejected(found.rejected),
        "unmatched": _unmatched(unmatched),
    }


def nothing_ingested_document(unmatched: "Sequence[LabelLine]") -> Document:
    """`mriad ingest` on a folder without files, for which no run is started."""
    return {**NO_RUN, "labelled": 0, "unlabelled": 0, "unmatched": _unmatched(unmatched)}


def train_document(found: "TrainingResult") -> Document:
    """`mriad train`."""
    return {
        **_keys(found, "model_id threshold_id n_train n_validation n_calibration"),
        **_keys(found, "epochs best_epoch validation_loss seconds activated why"),
        **_keys(found, "learned warnings n_folds from_model_id n_abnormal n_masks"),
        "comparison": _keys(found.comparison, "text model active active_model_id"),
        "threshold": _keys(found.threshold, f"policy k value n {RATE}"),
        "power": power_document(found.power),
    }


def retrain_document(found: "RetrainingResult") -> Document:
    """`mriad retrain`. What a training would give is null where nothing was trained."""
    return {
        **_keys(found, "model_id threshold_id n_train n_validation n_calibration n_test"),
        **_keys(found, "epochs best_epoch validation_loss seconds activated why"),
        **_keys(found, "n_before n_new"),
        "power": power_document(found.power),
        "current_threshold_id": found.current_threshold_id,
        "comparison_id": found.comparison_id,
    }


def recalibrate_document(proposal: "Proposal", threshold_id: int | None) -> Document:
    """`mriad recalibrate`; without a threshold id, a dry run."""
    return {
        "threshold_id": threshold_id,
        **_keys(proposal.fit, f"policy mean sd n k value {RATE}"),
        "flips": _keys(proposal.flips, "to_suspicious to_normal to_uncertain"),
        "decided": proposal.decided,
        "power": power_document(proposal.power),
        "dry_run": threshold_id is None,
    }


def score_document(found: "ScoringResult") -> Document:
    """`mriad score`."""
    return {
        **_keys(found, "new known scored suspicious recovered recovered_suspicious"),
        **_keys(found, "uncertain not_scorable training_scans incompatible unreadable"),
        **_keys(found, "model_id threshold_id report warnings seconds"),
        "rejected": _rejected(found.rejected),
        "why_unreadable": _not_scored(found.why_unreadable),
    }


def nothing_scored_document(model_id: int, threshold_id: int) -> Document:
    """`mriad score` on a folder without files, for which no run is started."""
    counts = "scored suspicious uncertain not_scorable recovered recovered_suspicious"
    not_scored = "training_scans incompatible unreadable"
    return {
        **NO_RUN,
        **dict.fromkeys(f"{counts} {not_scored}".split(), 0),
        "why_unreadable": _not_scored(ALL_SCORED),
        "model_id": model_id,
        "threshold_id": threshold_id,
        "report": None,
        "warnings": [],
        "seconds": 0.0,
    }


def report_document(found: "WeeklyReport") -> Document:
    """`mriad report`."""
    return _keys(found, "report days runs suspicious uncertain not_scorable warnings")


def evaluate_document(found: "EvaluationResult", unmatched: "Sequence[LabelLine]" = ()) -> Document:
    """`mriad evaluate`."""
    return {
        **_evaluation(found.report),
        "recipes": {each.recipe_name: _evaluation(each) for each in found.others},
        "report": found.page,
        "reports": list(found.pages),
        "unlabelled": found.unlabelled,
        "rejected": _rejected(found.rejected),
        "unmatched": _unmatched(unmatched),
    }


def _evaluation(report: "EvaluationReport") -> Document:
    metrics = report.model.metrics
    return {
        **_keys(report, "protocol memorisation note"),
        **_figures(metrics),
        **_keys(metrics, "n_healthy n_abnormal"),
        **_keys(report, "n_files n_folded_away n_contradictory"),
        "repeats": metrics.n_repeats,
        "n_groups": list(metrics.n_groups),
        "versus_asymmetry": report.versus_asymmetry and _advantage(report.versus_asymmetry),
        "lesions": report.lesions and _lesions(report.lesions),
        "strata": {name: _measured(each) for name, each in report.strata.items()},
        "detectors": {each.name: _method(each) for each in report.detectors},
        "baselines": {each.name: _method(each) for each in report.baselines},
        "strongest_untrained": report.rival and _rival(report.rival),
        "recipe": json.loads(report.recipe),
        "plan": json.loads(report.plan),
        "folds": [_fold(each) for each in report.folds],
        "seconds": report.seconds,
    }


def _figures(metrics: "Metrics") -> Document:
    intervals = metrics.intervals.items()
    return {
        "confusion": _keys(metrics.confusion, "tn fp fn tp"),
        **metrics.values,
        "intervals": {name: each and [each.low, each.high] for name, each in intervals},
    }


def _method(row: "EvaluatedRow") -> Document:
    known = row.auroc_direction_from_labels
    more = {} if known is None else {"auroc_direction_from_labels": known}
    return {**_figures(row.metrics), **more}


def _rival(rival: "Rival") -> Document:
    return {
        **_keys(rival, "name direction_from_labels auroc"),
        "advantage": _advantage(rival.advantage),
    }


def _advantage(found: "Advantage") -> Document:
    return {"value": found.value, "interval": _keys(found.interval, "low high")}


def _lesions(found: "LesionMetrics") -> Document:
    return {
        **_keys(found, "unit n_scans n_lesions"),
        **{name: _measured(each) for name, each in found.figures.items()},
        "by_size": [
            {
                **_keys(each, "low high n_lesions n_scans"),
                "found_at_threshold": _measured(each.found_at_threshold),
                "found_at_one_false": _measured(each.found_at_one_false),
                "auroc": _measured(each.auroc),
            }
            for each in found.by_size
        ],
    }


def _measured(figure: "Figure") -> Document:
    return {"value": figure.value, "interval": _limits(figure.interval)}


def _limits(interval: "Interval | None") -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _fold(line: "FoldResult") -> Document:
    return {
        **_keys(line, "repeat fold n_calibration"),
        **_keys(line.training, "n_train n_validation epochs best_epoch validation_loss seconds"),
    }


def demo_document(found: "DemoResult") -> Document:
    """`mriad demo`: the documents of the commands that it runs."""
    return {
        "ingest": ingest_document(found.intake),
        "train": train_document(found.training),
        "score": score_document(found.scoring),
        "evaluate": evaluate_document(found.evaluation),
        "verify": verify_document(found.replay),
    }


def history_document(
    rows: Sequence[DecisionRow], more: int, active_threshold_id: int | None
) -> Document:
    """`mriad history`; `more` decisions are not listed."""
    return {
        "decisions": [decision_line(each) for each in rows],
        "more": more,
        "active_threshold_id": active_threshold_id,
    }


def decision_line(row: DecisionRow) -> Document:
    """A decision as `mriad history` lists it: in JSON, in CSV, in the table."""
    return {name: getattr(row, name) for name in HISTORY_COLUMNS}


def show_document(
    details: "ScanDetails", n_slices: Sequence[int | None], files: Sequence[Sequence[str]]
) -> Document:
    """`mriad show`. JSON text of rows becomes objects.

    `n_slices` in the plane of each score's model; `files`: the state of each score's heatmaps.
    """
    rejection = "id path size mtime_ns ctime_ns sha256 reason detail run_id created_at"
    scores = zip(details.scores, n_slices, files, strict=True)
    scan = "id sha256 kind patient study_uid series_uid scanner n_slices run_id created_at"
    sighting = "id scan_id path size mtime_ns ctime_ns inode run_id seen_at"
    label = "id scan_id value source author created_at"
    review = "id scan_id decision_id reviewer verdict note withdrawn created_at"
    return {
        "scan": {**_keys(details.scan, scan), "geometry": details.scan.grid},
        "run": _run(details.run),
        "sightings": [_keys(each, sighting) for each in details.sightings],
        "labels": [_keys(each, label) for each in details.labels],
        "scores": [_score(*each, details.scan.kind) for each in scores],
        "decisions": [decision_line(each) for each in details.decisions],
        "reviews": [_keys(each, review) for each in details.reviews],
        "beside": {
            "total": details.beside.total,
            "rejections": [_keys(each, rejection) for each in details.beside.rejections],
        },
    }


def _run(run: Run) -> Document:
    return {
        **_keys(run, "id flow flow_run_id software_version git_sha device started_at"),
        "libraries": json.loads(run.libraries),
        "environment": json.loads(run.environment or "null"),
    }


def _score(
    found: "ScoreDetails", n_slices: int | None, files: Sequence[str], kind: ScanKind
) -> Document:
    return {
        "score": _keys(found.score, "id scan_id model_id value run_id created_at spread gate"),
        "model": _model(found.model),
        "positions": found.positions,
        "slice_values": found.slice_values,
        "heatmaps": [_heatmap(*each) for each in zip(found.heatmaps, files, strict=True)],
        "n_slices": n_slices,
        **findings_document(found, kind),
    }


def _model(model: Model) -> Document:
    return {
        **_keys(model, "id sha256 path dataset_id run_id created_at"),
        "recipe": json.loads(model.recipe),
        "metrics": json.loads(model.metrics),
    }


def _heatmap(heatmap: Heatmap, file: str) -> Document:
    return {**_keys(heatmap, "id score_id kind position path sha256 created_at"), "file": file}


def review_document(found: "ReviewResult", label: Label | None) -> Document:
    """`mriad review`; `label` is the scan's now."""
    decision = found.decision
    return {
        "review_id": found.review_id,
        **_keys(decision, "scan_id decision_id path score threshold"),
        "decided": decision.verdict,
        **_keys(found, "reviewer verdict label"),
        "withdrawn": found.withdrawn and found.withdrawn.id,
        "label_now": label and label.value,
    }


def verify_document(report: "ReplayReport") -> Document:
    """`mriad verify`."""
    mismatched, unreadable = "decision_id scan_id what", "decision_id path why"
    last_bits, not_recomputed = "run_id n recorded differs", "what why n"
    return {
        **_keys(report, "checked identical within_tolerance"),
        "mismatched": [_keys(each, mismatched) for each in report.mismatched],
        "unreadable": [_keys(each, unreadable) for each in report.unreadable],
        "missing": [_keys(each, "decision_id scan_id path") for each in report.missing],
        "faults": [_keys(each, "what why") for each in report.faults],
        "calibration": _keys(report.calibration, "identical within_tolerance mismatched"),
        "last_bits": [_keys(each, last_bits) for each in report.last_bits],
        "not_recomputed": [_keys(each, not_recomputed) for each in report.not_recomputed],
    }


def activate_document(threshold_id: int, model_id: int, decisions: int) -> Document:
    """`mriad activate THRESHOLD`."""
    return {"threshold_id": threshold_id, "model_id": model_id, "decisions": decisions}


def backup_document(made: "Backup") -> Document:
    """`mriad backup`."""
    return {
        **_keys(made, "path record record_sha256 scans decisions models missing notes"),
        **_keys(made, "created_at head broken"),
    }


def check_document(report: "CheckReport", seconds: float) -> Document:
    """`mriad check`."""
    run = "id flow flow_run_id software_version git_sha libraries device started_at environment"
    arrival = "id path fingerprint n_files settled_by settled_at"
    return {
        "ok": report.ok,
        "checked": _keys(report.checked, "scans decisions heatmaps models"),
        "problems": [_keys(each, "kind text") for each in report.problems],
        "orphans": report.orphans,
        "unfinished_runs": [_keys(each, run) for each in report.unfinished_runs],
        "open_arrivals": [_keys(each, arrival) for each in report.open_arrivals],
        "head": report.head and _keys(report.head, "sequence sha256 created_at"),
        "head_to_keep": report.head and str(report.head),
        "notes": report.notes,
        "seconds": seconds,
    }


def draw_document(drawn: "Sequence[DrawnScan]") -> Document:
    """`mriad draw`."""
    return {"files": [_drawn(each) for each in drawn]}


def _drawn(scan: "DrawnScan") -> Document:
    return {
        "path": str(scan.path),
        "label": "healthy" if scan.lesion is None else "abnormal",
        "lesion": scan.lesion,
        "mask": scan.mask and str(scan.mask),
    }


def watch_document(folder: str, scored_by: str) -> Document:
    """`mriad watch`, printed once it watches."""
    return {"watching": folder, "scored_by": scored_by}


def up_document(folder: str, pages: str, sign_in: str) -> Document:
    """`mriad up`, printed once all of it runs; `sign_in` lets in to the reader's pages, once."""
    return {"watching": folder, "pages": pages, "sign_in": sign_in}


def web_document(sign_in: str) -> Document:
    """`mriad web`, printed once the pages are served."""
    return {"sign_in": sign_in}


def _keys(found: object, names: str) -> Document:
    """These of its fields, by their names."""
    return {name: getattr(found, name) for name in names.split()}


def _rejected(items: Sequence[RejectedItem]) -> list[Document]:
    return [_keys(each, "path reason detail") for each in items]


def _unmatched(lines: "Sequence[LabelLine]") -> list[Document]:
    return [{"line": each.line, "path": each.file} for each in lines]


def _not_scored(found: NotScored) -> Document:
    return _keys(found, "vanished unfit reasons")

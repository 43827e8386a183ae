"""The `--json` documents: every key of every command, and the columns of the CSVs.

Scripts read them. A key may be added here; none may be renamed or go.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from db.repository.reports.history import DecisionRow
from db.repository.reports.history_query import CountBy, CountRow
from flows.cli import main as cli
from flows.cli.documents.demonstration import demo_document
from flows.cli.documents.evaluation import evaluate_document
from flows.cli.documents.intake import draw_document, ingest_document, nothing_ingested_document
from flows.cli.documents.maintenance import backup_document, check_document, verify_document
from flows.cli.documents.scans import (
    HISTORY_COLUMNS,
    counts_document,
    history_document,
    pseudonym_document,
    review_document,
    show_document,
)
from flows.cli.documents.scoring import nothing_scored_document, report_document, score_document
from flows.cli.documents.service import up_document, watch_document, web_document
from flows.cli.documents.thresholds import (
    activate_document,
    recalibrate_document,
    threshold_document,
)
from flows.cli.documents.training import retrain_document, train_document
from flows.demo import DemoResult
from flows.runtime.retrain_result import RetrainingResult
from mriad_model.detection.decisions.thresholds import Flips
from mriad_model.enums import ReviewVerdict
from mriad_model.phantom.write import DrawnScan
from mriad_model.reports.table import COLUMNS as WORKLIST_COLUMNS
from tasks.calibration.threshold_figures import ComparisonFigures
from tasks.calibration.thresholds import Proposal
from tasks.maintenance.backup import Backup
from tasks.reports.review import ReviewResult
from tasks.reports.weekly_report import WeeklyReport
from tasks.scoring.unchanged import Unchanged
from tests.support.results import (
    CHECKED,
    DECISION,
    DETAILS,
    EVALUATED,
    FIT,
    INGESTED,
    LABEL,
    NOON,
    POWER,
    REPLAYED,
    SCORED,
    THRESHOLD,
    TRAINED,
    UNMATCHED,
    UNSCORED,
)

DOCUMENTS: dict[str, dict[str, Any]] = {
    "ingest": ingest_document(INGESTED, UNMATCHED),
    "ingest (no files)": nothing_ingested_document(UNMATCHED),
    "train": train_document(TRAINED),
    "retrain": retrain_document(RetrainingResult(False, "", 10, 0, 1, power=POWER)),
    "recalibrate": recalibrate_document(
        Proposal(1, 1, None, FIT, 3, Flips(1, 0), POWER), None, same=False
    ),
    "score": score_document(SCORED),
    "score (no files)": nothing_scored_document(Unchanged(0, 0, []), 1, 1),
    "report": report_document(WeeklyReport("reports/c.html", 7, 1, 1, 0, reasons=SCORED.reasons)),
    "evaluate": evaluate_document(EVALUATED, UNMATCHED),
    "demo": demo_document(DemoResult(INGESTED, TRAINED, SCORED, REPLAYED, EVALUATED)),
    "history": history_document([DECISION], [UNSCORED], 0, 1),
    "history (counts)": counts_document([CountRow("a", 1, 1, 0, 0, 0, 0)], CountBy.SCANNER, 1),
    "pseudonym": pseudonym_document("ab" * 16),
    "show": show_document(DETAILS, [1], [["as recorded"]], 1),
    "review": review_document(ReviewResult(1, DECISION, "Ann", ReviewVerdict.NORMAL), LABEL),
    "verify": verify_document(REPLAYED),
    "activate": activate_document(1, 1, 3, None, already=False),
    "activate (the list)": {
        "thresholds": [
            threshold_document(
                THRESHOLD, "pictures", ComparisonFigures(NOON, 2, 2, 1, 0.9, 0.9), POWER, None, 1
            )
        ]
    },
    "backup": backup_document(Backup("/b", "mriad.db", "ab", 1, 1, 1, [], [], NOON, "1:ab:x", [])),
    "check": check_document(CHECKED, 1.0),
    "draw": draw_document([DrawnScan(Path("scans/no/1.png"), None, None)]),
    "watch": watch_document("inbox", "this process"),
    "web": web_document("http://127.0.0.1:4280/sign-in?token=x"),
    "up": up_document("inbox", "http://127.0.0.1:4200", "http://127.0.0.1:4280/sign-in"),
}

ITEM = "rejected.path rejected.reason rejected.detail"
LINE = "unmatched.line unmatched.path"
FIGURES = (
    "auroc average_precision sensitivity_at_90_specificity sensitivity_at_95_specificity "
    "precision recall specificity f1 false_positive_rate"
)
MEASURED = (
    f"{FIGURES} confusion.tn confusion.fp confusion.fn confusion.tp intervals.auroc intervals.f1"
)
DECISIONS = (
    "scan_id decision_id path kind model_id threshold_id score threshold p_value verdict "
    "heatmap_path decided_at review reason gate spread reviewer scanner contrast patient study_uid "
    "series_uid sha256 run_id tags active"
)


def under(name: str, keys: str) -> str:
    return " ".join(f"{name}.{key}" for key in keys.split())


RATE = "n_groups rate rate_low rate_high"
SHARE = "n share low high"
POWERS = under(
    "power",
    f"{SHARE} n_groups refused moved flagged silence "
    f"{under('by_size.small', SHARE)} {under('by_kind.mass', SHARE)}",
)

WITHOUT_SCORE = "scan_id kind verdict reason detail decided_at path " + under(
    "other_decision", "model_id threshold_id verdict"
)
# Nested keys with a dot; those of lists as those of their items.
KEYS = {
    "ingest": f"new known copies labelled unlabelled warnings {ITEM} {LINE}",
    "train": (
        "model_id threshold_id n_train n_validation n_calibration epochs best_epoch "
        "validation_loss seconds activated why learned warnings n_folds from_model_id "
        "seconds_in_all seconds_by_step "
        "n_abnormal n_masks "
        "comparison.text comparison.model comparison.active comparison.active_model_id "
        + under("threshold", f"policy k value n {RATE}")
        + f" {POWERS}"
    ),
    "retrain": (
        "model_id threshold_id n_train n_validation n_calibration n_test epochs best_epoch "
        "validation_loss seconds activated why n_before n_new current_threshold_id comparison_id "
        "seconds_in_all seconds_by_step " + POWERS
    ),
    "recalibrate": (
        "threshold_id policy mean sd n k value flips.to_suspicious flips.to_normal "
        f"flips.to_uncertain decided dry_run unchanged {RATE} {POWERS}"
    ),
    "score": (
        f"new known {ITEM} scored suspicious uncertain not_scorable recovered "
        f"{under('without_score', 'path reason detail scan_id')} "
        "recovered_suspicious training_scans incompatible unreadable "
        "why_unreadable.vanished why_unreadable.unfit why_unreadable.reasons "
        f"{under('why_uncertain', 'reason n')} {under('why_not_scorable', 'reason n')} "
        "model_id threshold_id report warnings seconds"
    ),
    "report": (
        "report days runs suspicious uncertain not_scorable warnings "
        f"{under('why_uncertain', 'reason n')} {under('why_not_scorable', 'reason n')}"
    ),
    "evaluate": (
        f"protocol memorisation note {MEASURED} n_healthy n_abnormal n_files n_folded_away "
        f"n_contradictory repeats {under('detectors.asymmetry', MEASURED)} "
        f"{under('baselines.entropy', MEASURED)} baselines.entropy.auroc_direction_from_labels "
        "strongest_untrained.name strongest_untrained.direction_from_labels "
        "strongest_untrained.auroc strongest_untrained.advantage.value "
        "strongest_untrained.advantage.interval.low strongest_untrained.advantage.interval.high "
        "n_patients recipe.name plan verdicts promised_rate "
        "folds.repeat folds.fold folds.n_train folds.n_validation "
        "folds.n_calibration folds.n_calibration_groups folds.epochs folds.best_epoch "
        "folds.validation_loss folds.seconds "
        f"seconds report reports unlabelled {ITEM} {LINE} n_groups strata.sharpness.value recipes "
        "strata.sharpness.interval "
        "versus_asymmetry.value versus_asymmetry.interval.low versus_asymmetry.interval.high "
        "lesions.unit lesions.n_scans lesions.n_lesions "
        "lesions.dice.value lesions.dice.interval "
        "lesions.by_size.low lesions.by_size.high lesions.by_size.n_lesions "
        "lesions.by_size.n_scans "
        "lesions.by_size.auroc.value lesions.by_size.auroc.interval "
        "lesions.by_size.found_at_threshold.value lesions.by_size.found_at_threshold.interval "
        "lesions.by_size.found_at_one_false.value lesions.by_size.found_at_one_false.interval"
    ),
    "history": f"{under('decisions', DECISIONS)} more active_threshold_id "
    + under("without_score", WITHOUT_SCORE),
    "history (counts)": "count_by active_threshold_id "
    + under("counts", "scanner decisions suspicious uncertain not_scorable normal reviewed"),
    "pseudonym": "pseudonym",
    "show": " ".join(
        (
            under("scan", "id sha256 kind patient study_uid series_uid scanner geometry.rows"),
            under("scan", "n_slices run_id created_at"),
            under("run", "id flow flow_run_id software_version git_sha libraries.numpy device"),
            under("run", "started_at environment.torch"),
            under("sightings", "id scan_id path size mtime_ns ctime_ns inode run_id seen_at"),
            under("labels", "id scan_id value source author created_at"),
            under("scores.score", "id scan_id model_id value run_id created_at spread gate"),
            under("scores.model", "id sha256 path recipe.name dataset_id metrics.epochs run_id"),
            "scores.model.created_at scores.positions scores.slice_values scores.n_slices",
            "scores.scorable",
            under("scores.heatmaps", "id score_id kind position path sha256 created_at file"),
            under("scores.findings", "position share_of_head peak side side_of place"),
            under("scores.finding_limit", "peak edge least_share_of_head n"),
            "scores.finding_limit.false_findings_a_healthy_scan",
            under("patient_scans", "id kind scanner created_at"),
            under("decisions", DECISIONS),
            under("without_score", WITHOUT_SCORE),
            under("reviews", "id scan_id decision_id reviewer verdict note withdrawn created_at"),
            "reviews.tags",
            "beside.total",
            under("beside.rejections", "id path size mtime_ns ctime_ns sha256 reason detail"),
            under("beside.rejections", "run_id created_at"),
        )
    ),
    "review": (
        "review_id scan_id decision_id path decided score threshold reviewer verdict label "
        "withdrawn label_now tags"
    ),
    "verify": (
        "checked identical within_tolerance mismatched.decision_id mismatched.scan_id "
        "mismatched.what unreadable.decision_id unreadable.path unreadable.why "
        "missing.decision_id missing.scan_id missing.path faults.what faults.why "
        "calibration.identical calibration.within_tolerance calibration.mismatched "
        "power.identical power.within_tolerance power.mismatched "
        "last_bits.run_id last_bits.n last_bits.recorded last_bits.differs.numpy "
        "not_recomputed.what not_recomputed.why not_recomputed.n"
    ),
    "activate": "threshold_id model_id decisions active_already not_compared",
    "activate (the list)": under(
        "thresholds",
        "id model_id dataset_id policy mean sd n k value run_id created_at learned active "
        f"{RATE} {POWERS} "
        "compared.at compared.n_healthy compared.n_abnormal compared.flagged "
        "compared.auroc_implanted compared.auroc_abnormal not_compared",
    ),
    "backup": (
        "path record record_sha256 scans decisions models missing notes created_at head broken"
    ),
    "check": (
        "ok checked.scans checked.decisions checked.heatmaps checked.models problems.kind "
        "problems.text orphans "
        + under("unfinished_runs", "id flow flow_run_id software_version git_sha libraries")
        + " unfinished_runs.device unfinished_runs.started_at unfinished_runs.environment "
        + under("open_arrivals", "id path fingerprint n_files settled_by settled_at")
        + " head.sequence head.sha256 head.created_at head_to_keep notes seconds"
    ),
    "draw": under("files", "path label lesion mask"),
    "watch": "watching scored_by",
    "web": "sign_in",
    "up": "watching pages sign_in",
}
NO_FILES = {
    "ingest (no files)": KEYS["ingest"].replace(ITEM, "rejected"),
    "score (no files)": KEYS["score"]
    .replace(ITEM, "rejected")
    .replace(under("without_score", "path reason detail scan_id"), "without_score")
    .replace(under("why_uncertain", "reason n"), "why_uncertain")
    .replace(under("why_not_scorable", "reason n"), "why_not_scorable"),
}
DEMO = " ".join(under(name, KEYS[name]) for name in ("ingest", "train", "score", "verify"))
DEMO += " " + under("evaluate", KEYS["evaluate"])
DEMO = DEMO.replace("ingest.unmatched.line ingest.unmatched.path", "ingest.unmatched")
DEMO = DEMO.replace("evaluate.unmatched.line evaluate.unmatched.path", "evaluate.unmatched")
ALL_KEYS = {**KEYS, **NO_FILES, "demo": DEMO}

PROMISED = {  # by the design
    "draw": "files.path",
    "ingest": f"new known {ITEM}",
    "train": (
        "model_id threshold_id n_train n_validation n_calibration epochs best_epoch "
        "validation_loss seconds activated why"
    ),
    "retrain": (
        "model_id threshold_id n_train n_validation n_calibration epochs best_epoch "
        "validation_loss seconds activated why"
    ),
    "recalibrate": (
        "threshold_id policy mean sd n k value flips.to_suspicious flips.to_normal dry_run"
    ),
    "score": ("new known rejected.path scored suspicious model_id threshold_id report seconds"),
    "evaluate": (
        "protocol n_healthy n_abnormal confusion.tn confusion.fp confusion.fn confusion.tp "
        "precision recall specificity f1 auroc average_precision intervals.auroc "
        "baselines.entropy.auroc report"
    ),
    "history": under(
        "decisions",
        "decision_id scan_id path kind model_id threshold_id score threshold p_value verdict "
        "heatmap_path decided_at",
    ),
    "verify": "checked identical within_tolerance mismatched.what",
}


def keys_of(value: object, name: str = "") -> set[str]:
    if isinstance(value, dict) and value:
        prefix = f"{name}." if name else ""
        return {each for key, inner in value.items() for each in keys_of(inner, prefix + key)}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {each for inner in value for each in keys_of(inner, name)}
    return {name}


@pytest.mark.parametrize("command", ALL_KEYS)
def test_a_document_has_exactly_these_keys(command: str) -> None:
    document = json.loads(json.dumps(DOCUMENTS[command], allow_nan=False))
    assert keys_of(document) == set(ALL_KEYS[command].split())


def test_every_command_has_its_document_here() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    assert {name.split(" (")[0] for name in DOCUMENTS} == set(commands)
    assert set(DOCUMENTS) == set(ALL_KEYS)


@pytest.mark.parametrize("command", PROMISED)
def test_a_document_has_the_keys_of_the_design(command: str) -> None:
    assert set(PROMISED[command].split()) <= set(ALL_KEYS[command].split())


def test_the_columns_of_the_csvs_hold() -> None:
    assert " ".join(HISTORY_COLUMNS) == DECISIONS
    assert {each.name for each in fields(DecisionRow)} == set(HISTORY_COLUMNS) - {"active"}
    assert WORKLIST_COLUMNS == (
        "scan_id", "result", "path", "kind", "score", "threshold", "sigmas_above_healthy",
        "p_value", "decision_id", "scanner", "study_uid", "series_uid", "heatmap", "reason",
        "detail", "decided_at", "findings", "largest_finding_ml",
        "largest_finding_percent_of_head", "largest_finding_side", "largest_finding_x",
        "largest_finding_y", "largest_finding_z", "notice",
    )  # fmt: skip

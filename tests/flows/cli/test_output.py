"""The `--json` documents: every key of every command, and the columns of the CSVs.

Scripts read them. A key may be added here; none may be renamed or go.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from db.engine.chain_head import Head
from db.engine.integrity import Counts
from db.entities import (
    Arrival,
    Finding,
    FindingLimit,
    Heatmap,
    Label,
    Model,
    Rejection,
    Review,
    Run,
    Scan,
    Score,
    Sighting,
    Threshold,
)
from db.repository.history import DecisionRow
from db.repository.scan_details import ScanDetails, ScoreDetails
from db.repository.sightings import RejectedBeside
from flows.cli import main as cli
from flows.cli import output
from flows.cli.threshold_output import threshold_document
from flows.demo import DemoResult
from flows.evaluate import EvaluationResult
from flows.ingest import IngestResult
from flows.retrain_result import RetrainingResult
from flows.score import ScoringResult
from flows.train import TrainingResult
from mriad_model.datasets.labels import LabelLine
from mriad_model.detection.thresholds import Flips, ThresholdFit
from mriad_model.detection.training import TrainingSummary
from mriad_model.enums import (
    HeatmapKind,
    LabelSource,
    LabelValue,
    Policy,
    RejectionReason,
    ReviewVerdict,
    ScanKind,
    SettledBy,
    Side,
    Verdict,
)
from mriad_model.evaluation.lesion_metrics import Figure, LesionMetrics, SizeBin
from mriad_model.evaluation.metrics import (
    DECISION_METRICS,
    RANK_METRICS,
    Advantage,
    Confusion,
    Interval,
    Metrics,
)
from mriad_model.evaluation.protocol import EvaluationProtocol
from mriad_model.evaluation.results import FoldResult, RowKind
from mriad_model.evaluation.summary import EvaluatedRow, EvaluationReport, Rival, Sigmas
from mriad_model.phantom.write import DrawnScan
from mriad_model.promotion.power import ImplantScore, power
from mriad_model.rejections import RejectedItem
from mriad_model.reports.table import COLUMNS as WORKLIST_COLUMNS
from tasks.maintenance.backup import Backup
from tasks.maintenance.check import CheckReport, Problem, ProblemKind
from tasks.maintenance.verify_report import (
    Fault,
    LastBits,
    Mismatch,
    Missing,
    NotRecomputed,
    ReplayReport,
    Unreadable,
)
from tasks.reports.review import ReviewResult
from tasks.reports.weekly_report import WeeklyReport
from tasks.training.candidate_figures import CandidateFigures
from tasks.training.threshold_figures import Compared
from tasks.training.thresholds import Proposal

NOON = "2026-11-23T12:00:00.000000+00:00"
REJECTED = [RejectedItem("inbox/a.txt", RejectionReason.UNSUPPORTED, "not a picture")]
UNMATCHED = [LabelLine(2, "b.png", LabelValue.HEALTHY)]

RUN = Run("train_model", "x", "0.1.0", None, '{"numpy": "2"}', "cpu", NOON, '{"torch": "2"}', 1)
SCAN = Scan("ab" * 32, ScanKind.IMAGE, None, None, None, None, '{"rows": 2}', 1, 1, NOON, 1)
SIGHTING = Sighting(1, "inbox/a.png", 1, 2, 3, 1, NOON, 4, 1)
REJECTION = Rejection("inbox/a.txt", 1, 2, None, RejectionReason.EMPTY, "", 1, NOON, 4, 1)
LABEL = Label(1, LabelValue.HEALTHY, LabelSource.REVIEWER, "Ann", NOON, 1)
MODEL = Model("cd" * 32, "models/a", '{"name": "default"}', 1, '{"epochs": 2}', 1, NOON, 1)
THRESHOLD = Threshold(1, 1, Policy.SIGMAS, 0.0, 1.0, 9, 1.0, 1.0, 1, NOON, 9, 0.1, 0.0, 0.4, 1)
SCORE = Score(1, 1, 2.0, 1, NOON, id=1)
HEATMAP = Heatmap(1, HeatmapKind.MONTAGE, 0, "heatmaps/a.jpg", "ef" * 32, NOON, 1)
DECISION = DecisionRow(
    scan_id=1,
    decision_id=2,
    path="inbox/a.png",
    kind=ScanKind.IMAGE,
    model_id=1,
    threshold_id=1,
    score=2.0,
    threshold=1.0,
    p_value=0.1,
    verdict=Verdict.SUSPICIOUS,
    heatmap_path="heatmaps/a.jpg",
    decided_at=NOON,
    review=None,
)
REVIEW = Review(1, 2, "Ann", ReviewVerdict.NORMAL, "", NOON, None, 1)
POWER = power([ImplantScore(1, "mass", 9.0, 2.0, 1.0)], 1.0)
INGESTED = IngestResult(1, 0, REJECTED, [(1, "inbox/a.png")])
TRAINED = TrainingResult(
    *range(1, 10),
    activated=True,
    why="trained by hand",
    learned="scans",
    warnings=[],
    comparison=CandidateFigures("no model was active to compare with"),
    n_folds=0,
    threshold=THRESHOLD,
    power=POWER,
)
SCORED = ScoringResult(
    1, 0, REJECTED, *range(9), model_id=1, threshold_id=1, report="reports/a.html", warnings=[],
    seconds=1.0,
)  # fmt: skip
METRICS = Metrics(
    n_healthy=2,
    n_abnormal=2,
    n_repeats=1,
    n_groups=(2, 2),
    confusion=Confusion(1, 1, 1, 1),
    values=dict.fromkeys((*RANK_METRICS, *DECISION_METRICS), 0.5),
    intervals={"auroc": Interval(0.1, 0.9), "f1": None},
)
FIGURE = Figure(0.5, Interval(0.1, 0.9))
EVALUATED = EvaluationResult(
    EvaluationReport(
        protocol=EvaluationProtocol.HELDOUT,
        recipe='{"name": "default"}',
        plan="{}",
        n_files=4,
        n_folded_away=0,
        n_contradictory=0,
        rows=(
            EvaluatedRow("model", RowKind.MODEL, METRICS),
            EvaluatedRow("asymmetry", RowKind.DETECTOR, METRICS),
            EvaluatedRow("entropy", RowKind.BASELINE, METRICS, 0.6),
        ),
        rival=Rival("entropy", True, 0.6, Advantage(0.1, Interval(0.0, 0.2))),
        roc=None,
        sigmas=Sigmas((), (), 1.0),
        folds=(
            FoldResult(
                protocol=EvaluationProtocol.HELDOUT,
                repeat=0,
                fold=0,
                recipe="{}",
                plan="{}",
                n_files=4,
                n_folded_away=0,
                n_contradictory=0,
                n_train=1,
                n_validation=1,
                n_calibration=1,
                rows=(),
                training=TrainingSummary(9, 4, 0.1, 1.0, 1, 1),
                epochs=(),
                pictures=(),
                seconds=2.0,
            ),
        ),
        pictures=(),
        seconds=2.0,
        versus_asymmetry=Advantage(0.1, Interval(0.0, 0.2)),
        lesions=LesionMetrics(
            "ml", 1, 1, {"dice": FIGURE}, (SizeBin(0.0, 3.0, 1, FIGURE, FIGURE, 1, FIGURE),)
        ),
        strata={"sharpness": FIGURE},
    ),
    "reports/b.html",
    0,
    REJECTED,
)
REPLAYED = ReplayReport(
    identical=1,
    mismatched=[Mismatch(1, 1, "score")],
    unreadable=[Unreadable(1, "a.png", "vanished")],
    missing=[Missing(1, 1, "heatmaps/a.jpg")],
    faults=[Fault("model 1", "its file is another")],
    last_bits=[LastBits(1, 1, True, {"numpy": ["1", "2"]})],
    not_recomputed=[NotRecomputed("heatmaps", "they differ in their last bits", 1)],
)
FINDING = Finding(1, 1, 0.02, 2.0, 20.0, 30.0, 0.0, Side.LEFT)
LIMIT = FindingLimit(1, 1.5, 1.0, 0.003, 12, 0.75, 1, NOON)
DETAILS = ScanDetails(
    scan=SCAN,
    run=RUN,
    sightings=(SIGHTING,),
    labels=(LABEL,),
    scores=(ScoreDetails(SCORE, MODEL, (0,), (2.0,), (HEATMAP,), (FINDING,), LIMIT),),
    decisions=(DECISION,),
    reviews=(REVIEW,),
    beside=RejectedBeside(1, (REJECTION,)),
)
FIT = ThresholdFit(Policy.SIGMAS, 0.0, 1.0, 9, 1.0, 1.0)
CHECKED = CheckReport(
    checked=Counts(1, 1, 1, 1),
    problems=[Problem(ProblemKind.MISSING_MODEL, "model 1 is missing")],
    orphans=["heatmaps/b.jpg"],
    unfinished_runs=[RUN],
    open_arrivals=[Arrival("inbox/s", "ab", 1, SettledBy.QUIET, NOON, 1)],
    head=Head(1, "ab" * 32, NOON),
)

DOCUMENTS: dict[str, dict[str, Any]] = {
    "ingest": output.ingest_document(INGESTED, UNMATCHED),
    "ingest (no files)": output.nothing_ingested_document(UNMATCHED),
    "train": output.train_document(TRAINED),
    "retrain": output.retrain_document(RetrainingResult(False, "", 10, 0, 1, power=POWER)),
    "recalibrate": output.recalibrate_document(
        Proposal(1, 1, None, FIT, 3, Flips(1, 0), POWER), None
    ),
    "score": output.score_document(SCORED),
    "score (no files)": output.nothing_scored_document(1, 1),
    "report": output.report_document(WeeklyReport("reports/c.html", 7, 1, 1, 0)),
    "evaluate": output.evaluate_document(EVALUATED, UNMATCHED),
    "demo": output.demo_document(DemoResult(INGESTED, TRAINED, SCORED, REPLAYED, EVALUATED)),
    "history": output.history_document([DECISION], 0, 1),
    "show": output.show_document(DETAILS, [1], [["as recorded"]]),
    "review": output.review_document(ReviewResult(1, DECISION, "Ann", ReviewVerdict.NORMAL), LABEL),
    "verify": output.verify_document(REPLAYED),
    "activate": output.activate_document(1, 1, 3),
    "activate (the list)": {
        "thresholds": [
            threshold_document(THRESHOLD, "pictures", Compared(NOON, 2, 2, 1, 0.9, 0.9), POWER, 1)
        ]
    },
    "backup": output.backup_document(
        Backup("/b", "mriad.db", "ab", 1, 1, 1, [], [], NOON, "1:ab:x", [])
    ),
    "check": output.check_document(CHECKED, 1.0),
    "draw": output.draw_document([DrawnScan(Path("scans/no/1.png"), None, None)]),
    "watch": output.watch_document("inbox", "this process"),
    "web": output.web_document("http://127.0.0.1:4280/sign-in?token=x"),
    "up": output.up_document("inbox", "http://127.0.0.1:4200", "http://127.0.0.1:4280/sign-in"),
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
    "heatmap_path decided_at review reason gate spread"
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

# Nested keys with a dot; those of lists as those of their items.
KEYS = {
    "ingest": f"new known labelled unlabelled {ITEM} {LINE}",
    "train": (
        "model_id threshold_id n_train n_validation n_calibration epochs best_epoch "
        "validation_loss seconds activated why learned warnings n_folds from_model_id "
        "n_abnormal n_masks "
        "comparison.text comparison.model comparison.active comparison.active_model_id "
        + under("threshold", f"policy k value n {RATE}")
        + f" {POWERS}"
    ),
    "retrain": (
        "model_id threshold_id n_train n_validation n_calibration n_test epochs best_epoch "
        "validation_loss seconds activated why n_before n_new current_threshold_id comparison_id "
        + POWERS
    ),
    "recalibrate": (
        "threshold_id policy mean sd n k value flips.to_suspicious flips.to_normal "
        f"flips.to_uncertain decided dry_run {RATE} {POWERS}"
    ),
    "score": (
        f"new known {ITEM} scored suspicious uncertain not_scorable recovered "
        "recovered_suspicious training_scans incompatible unreadable "
        "why_unreadable.vanished why_unreadable.unfit why_unreadable.reasons "
        "model_id threshold_id report warnings seconds"
    ),
    "report": "report days runs suspicious uncertain not_scorable warnings",
    "evaluate": (
        f"protocol memorisation note {MEASURED} n_healthy n_abnormal n_files n_folded_away "
        f"n_contradictory repeats {under('detectors.asymmetry', MEASURED)} "
        f"{under('baselines.entropy', MEASURED)} baselines.entropy.auroc_direction_from_labels "
        "strongest_untrained.name strongest_untrained.direction_from_labels "
        "strongest_untrained.auroc strongest_untrained.advantage.value "
        "strongest_untrained.advantage.interval.low strongest_untrained.advantage.interval.high "
        "recipe.name plan folds.repeat folds.fold folds.n_train folds.n_validation "
        "folds.n_calibration folds.epochs folds.best_epoch folds.validation_loss folds.seconds "
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
    "history": f"{under('decisions', DECISIONS)} more active_threshold_id",
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
            under("scores.heatmaps", "id score_id kind position path sha256 created_at file"),
            under("scores.findings", "position share_of_head peak side place"),
            under("scores.finding_limit", "peak edge least_share_of_head n"),
            "scores.finding_limit.false_findings_a_healthy_scan",
            under("decisions", DECISIONS),
            under("reviews", "id scan_id decision_id reviewer verdict note withdrawn created_at"),
            "beside.total",
            under("beside.rejections", "id path size mtime_ns ctime_ns sha256 reason detail"),
            under("beside.rejections", "run_id created_at"),
        )
    ),
    "review": (
        "review_id scan_id decision_id path decided score threshold reviewer verdict label "
        "withdrawn label_now"
    ),
    "verify": (
        "checked identical within_tolerance mismatched.decision_id mismatched.scan_id "
        "mismatched.what unreadable.decision_id unreadable.path unreadable.why "
        "missing.decision_id missing.scan_id missing.path faults.what faults.why "
        "calibration.identical calibration.within_tolerance calibration.mismatched "
        "last_bits.run_id last_bits.n last_bits.recorded last_bits.differs.numpy "
        "not_recomputed.what not_recomputed.why not_recomputed.n"
    ),
    "activate": "threshold_id model_id decisions",
    "activate (the list)": under(
        "thresholds",
        "id model_id dataset_id policy mean sd n k value run_id created_at learned active "
        f"{RATE} {POWERS} "
        "compared.at compared.n_healthy compared.n_abnormal compared.flagged "
        "compared.auroc_implanted compared.auroc_abnormal",
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
    "score (no files)": KEYS["score"].replace(ITEM, "rejected"),
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
    assert " ".join(output.HISTORY_COLUMNS) == DECISIONS
    assert {each.name for each in fields(DecisionRow)} == set(output.HISTORY_COLUMNS)
    assert WORKLIST_COLUMNS == (
        "scan_id", "result", "path", "kind", "score", "threshold", "sigmas_above_healthy",
        "p_value", "decision_id", "scanner", "study_uid", "series_uid", "heatmap", "reason",
        "detail", "decided_at", "notice",
    )  # fmt: skip

"""What each command has to tell: small results and rows for documents, no list of them empty."""

from db.engine.chain_head import ChainHead
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
from db.repository.intake.sightings import RejectedBeside
from db.repository.reports.history import DecisionRow
from db.repository.reports.scan_details import ScanDetails, ScoreDetails
from db.repository.reports.unscored import OtherDecision, UnscoredScan
from flows.evaluate import EvaluationResult
from flows.ingest import IngestResult
from flows.score import ScoringResult
from flows.train import TrainingResult
from mriad_model.datasets.labels import LabelLine
from mriad_model.detection.decisions.thresholds import ThresholdFit
from mriad_model.detection.training.autoencoder_training import TrainingSummary
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
from mriad_model.evaluation.metrics.lesion_metrics import Figure, LesionMetrics, SizeBin
from mriad_model.evaluation.metrics.scan_metrics import (
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
from mriad_model.promotion.power import ImplantScore, power
from mriad_model.reasons import ReasonCount
from mriad_model.rejections import RejectedItem
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
from tasks.promotion.candidate_figures import CandidateFigures

NOON = "2026-11-23T12:00:00.000000+00:00"
REJECTED = [
    RejectedItem("inbox/a.txt", RejectionReason.UNSUPPORTED, "not a picture"),
    RejectedItem("inbox/b.nii", RejectionReason.UNREGISTERED, "fit 0.2", of_scan=True, scan_id=2),
]
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
UNSCORED = UnscoredScan(
    1,
    "inbox/b.nii",
    1,
    ScanKind.NIFTI,
    None,
    RejectionReason.UNREGISTERED,
    "fit 0.2",
    NOON,
    other=OtherDecision(1, 1, Verdict.NORMAL),
)
REVIEW = Review(1, 2, "Ann", ReviewVerdict.NORMAL, "", NOON, tags="motion", id=1)
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
    seconds=1.0, reasons=[
        ReasonCount(Verdict.UNCERTAIN, "folds_disagree", 2),
        ReasonCount(Verdict.NOT_SCORABLE, "unlike_learned", 3),
        ReasonCount(Verdict.NOT_SCORABLE, "registration_failed", 1),
    ],
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
    of_patient=(SCAN,),
    unscored=UNSCORED,
)
FIT = ThresholdFit(Policy.SIGMAS, 0.0, 1.0, 9, 1.0, 1.0)
CHECKED = CheckReport(
    checked=Counts(1, 1, 1, 1),
    problems=[Problem(ProblemKind.MISSING_MODEL, "model 1 is missing")],
    orphans=["heatmaps/b.jpg"],
    unfinished_runs=[RUN],
    open_arrivals=[Arrival("inbox/s", "ab", 1, SettledBy.QUIET, NOON, 1)],
    head=ChainHead(1, "ab" * 32, NOON),
)

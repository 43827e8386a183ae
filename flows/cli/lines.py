"""What commands that run a flow print: a document of `flows.cli.documents`, or lines."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.console import show_json, show_lines, show_notice, show_some
from flows.cli.documents.demonstration import demo_document
from flows.cli.documents.evaluation import evaluate_document
from flows.cli.documents.fields import Document
from flows.cli.documents.intake import ingest_document
from flows.cli.documents.scoring import (
    nothing_scored_document,
    report_document,
    score_document,
)
from flows.cli.documents.training import retrain_document, train_document
from flows.cli.evaluation_lines import show_figures
from flows.cli.threshold_lines import power_lines, rate_lines
from flows.runtime.messages import counted, sentence
from mriad_model.plain_text import length_of_time
from mriad_model.reasons import VERDICT_TEXTS
from mriad_model.rejections import group_by_folder, n_rejected_in_words, split_rejections
from mriad_model.shares import FEW_TO_CALIBRATE, calibrated_by

if TYPE_CHECKING:
    from flows.demo import DemoResult
    from flows.evaluate import EvaluationResult
    from flows.ingest import IngestResult
    from flows.runtime.retrain_result import RetrainingResult
    from flows.score import ScoringResult
    from flows.train import TrainingResult
    from mriad_model.datasets.labels import LabelLine
    from mriad_model.reasons import ReasonCount
    from mriad_model.rejections import RejectedItem
    from tasks.promotion.candidate_figures import CandidateFigures
    from tasks.reports.weekly_report import WeeklyReport
    from tasks.runtime.progress import Took
    from tasks.scoring.unchanged import Unchanged

SHORTEST_STEP = 1.0  # seconds, of those told
NO_FILES = "There are no files in that folder (hidden ones, *.part and *.tmp do not count)."
INGESTED = "{0.new} new, {0.known} known{copies}, {rejected}, {labels} added."
COPIES = " ({n} with the pixels of another file)"
UNLABELLED = "{files} not labelled: no line of the CSV and no folder name labels them."
TRAINED = (
    "Model {0.model_id} trained on {0.n_train} healthy {0.learned} ({0.n_validation} more held "
    "out, {0.n_calibration} more to calibrate){epochs}."
)
CROSS_FITTED = (
    "Model {0.model_id} cross-fitted on {0.n_train} healthy {0.learned} in {0.n_folds} folds: each "
    "is scored by a member trained without it, and all calibrate{epochs}."
)
EPOCHS = ": best of {0.epochs} epochs was {0.best_epoch}{loss}"
EPOCHS_OF_MEMBERS = ": at most {0.epochs} epochs a member, the best at most {0.best_epoch}{loss}"
HELD_OUT_LOSS = ", held-out loss of the weights kept {:.5f}"
MEAN_OF_MEMBERS = " on the mean of the members"
FEW_CALIBRATION_SCANS = (
    "The threshold is drawn from {calibrating}. That is too few to predict how many healthy scans "
    "it will flag, which may be far more than that. Add healthy scans."
)
TAUGHT = (
    "It learned from {0.n_abnormal} scans labelled abnormal too, {0.n_masks} of them with a mask."
)
WITHOUT_PATIENTS = (
    "Pictures name no patient: those of one, unless they are near-duplicates, count as of several. "
    "Where there are such, what is promised is less certain than said."
)
ADAPTED = "It was adapted from model {0.from_model_id}, to healthy scans that are new to that."
NO_GATE = "The model has {}, so no scan is ever not scorable."
COMPARED = "Compared with the active model {model}: {text}."
ACTIVE = "Threshold {threshold} is active."
NOT_ACTIVE = "Threshold {threshold} is not active; to activate it: mriad activate {threshold}"
RETRAINED = "Model {0.model_id} trained on {scans}, {0.n_new} of them new."
TOOK = "It took {seconds} without the start{steps}."
NO_POWER = "What it finds is not known: no healthy scan could be read again to implant lesions in."
SCORED = (
    "{0.new} new, {0.known} known, {rejected}; {0.scored} scored, {0.suspicious} "
    "suspicious, {0.uncertain} uncertain; {0.not_scorable} not scorable; model "
    "{0.model_id}, threshold {0.threshold_id}; {0.seconds:.1f} s without the start."
)
NOTHING_NEW = (
    "0 new, {0.known} known, {rejected}; nothing to score by model {model}, threshold {threshold}, "
    "so neither a run nor a report was made (mriad report: the last days)."
)
RECOVERED = (
    "{n} more decided by runs without a report (interrupted, or still running), "
    "{suspicious} suspicious; listed here too."
)
NOT_SCORED = "{n} not scored: {why}."
WHY = "{n} {verdict}: {why}."
TRAINING_SCANS = "the model was trained on them"
INCOMPATIBLE = "not of the kind that the model was trained on"
REJECTED, LIMITED = "Rejected", "Not scored, or without DICOM outputs"
UNSCORED = "Not scorable: {0.path}: {0.why_not_scorable}"
WEEK = (
    "{runs} in {days}: {suspicious}, {uncertain} uncertain, {not_scorable} not scorable; "
    "{warnings}."
)
WARNING = "Warning: {text}"
REPORT = "Report: {path}"
DEMO = (
    "Ingested {new} ({known}); trained model {model} on {train} healthy ones.",
    "Decided {decided}: {suspicious} suspicious, {uncertain} uncertain, {not_scorable} not "
    "scorable{left_out}.",
    "Replayed {replayed} from the record: {identical} identical to the last bit.",
)
LEARNED = "; {n} that it was trained on are excluded"
DEMO_FILES = (
    "Night's report: {report}",
    "Evaluation:     {evaluation}",
    "Record:         {record}  (try: mriad --help)",
    "Worklist:       mriad web --home {home}",
)


def show_ingest(
    found: "IngestResult", unmatched: "Sequence[LabelLine]" = (), *, as_json: bool
) -> None:
    """The result of `mriad ingest`; lines of a CSV that name no file were printed before."""
    if as_json:
        show_json(ingest_document(found, unmatched))
        return
    rejected, labels = n_rejected_in_words(found.rejected), counted(found.labelled, "label")
    copies = COPIES.format(n=found.copies) if found.copies else ""
    show_lines(INGESTED.format(found, copies=copies, rejected=rejected, labels=labels))
    show_lines(*(WARNING.format(text=sentence(text)) for text in found.warnings))
    if found.unlabelled:
        show_lines(UNLABELLED.format(files=counted(found.unlabelled, "file")))
    if not found.new + found.known + len(found.rejected):
        show_lines(NO_FILES)
    _show_rejections(REJECTED, found.rejected)
    show_notice()


def show_no_files(document: Document, *, as_json: bool) -> None:
    """The result of a command on a folder without files."""
    if as_json:
        show_json(document)
        return
    show_lines(NO_FILES)
    show_notice()


def show_train(found: "TrainingResult", *, as_json: bool) -> None:
    """The result of `mriad train`."""
    if as_json:
        show_json(train_document(found))
        return
    loss = found.validation_loss
    mean = MEAN_OF_MEMBERS if found.n_folds else ""
    told = "" if loss is None else HELD_OUT_LOSS.format(loss) + mean
    best = (EPOCHS_OF_MEMBERS if found.n_folds else EPOCHS).format(found, loss=told)
    show_lines(
        (CROSS_FITTED if found.n_folds else TRAINED).format(
            found, epochs=best if found.epochs else ""
        ),
        *([TAUGHT.format(found)] if found.n_abnormal else []),
        *([] if found.from_model_id is None else [ADAPTED.format(found)]),
        *([] if found.no_gate is None else [NO_GATE.format(found.no_gate)]),
        *_took(found.took),
        _compared(found.comparison),
        (ACTIVE if found.activated else NOT_ACTIVE).format(threshold=found.threshold_id),
        *rate_lines(found.threshold),
        *([] if "volumes" in found.learned else [WITHOUT_PATIENTS]),
        *(power_lines(found.power) if found.power else [NO_POWER]),
    )
    drawn = found.threshold
    if (drawn.n_groups or drawn.n) < FEW_TO_CALIBRATE:
        calibrating = calibrated_by(drawn.n, drawn.n_groups)
        show_lines(FEW_CALIBRATION_SCANS.format(calibrating=calibrating))
    show_lines(*(WARNING.format(text=f"{text}.") for text in found.warnings))
    show_notice()


def _took(found: "Took | None") -> list[str]:
    """What a training took in all, and its longer steps."""
    if found is None:
        return []
    steps = [
        f"{name} {length_of_time(seconds)}"
        for name, seconds in found.by_step.items()
        if seconds >= SHORTEST_STEP
    ]
    told = f": {', '.join(steps)}" if steps else ""
    return [TOOK.format(seconds=length_of_time(found.seconds), steps=told)]


def _compared(found: "CandidateFigures") -> str:
    if found.active_model_id is None:
        return sentence(found.text)
    return COMPARED.format(model=found.active_model_id, text=found.text)


def show_retrain(found: "RetrainingResult", *, as_json: bool) -> None:
    """The result of `mriad retrain`, or why nothing was trained."""
    if as_json:
        show_json(retrain_document(found))
        return
    if found.model_id is None:
        show_lines(sentence(found.why))
    else:
        active = found.threshold_id if found.activated else found.current_threshold_id
        scans = counted(found.n_train or 0, "healthy scan")
        show_lines(
            RETRAINED.format(found, scans=scans),
            *_took(found.took),
            sentence(found.why),
            *power_lines(found.power),
            ACTIVE.format(threshold=active),
        )
    show_notice()


def show_score(home: Path, found: "ScoringResult", *, as_json: bool) -> None:
    """The result of `mriad score`."""
    if as_json:
        show_json(score_document(found))
        return
    rejected, limited, unscored = split_rejections(found.rejected)
    show_lines(SCORED.format(found, rejected=n_rejected_in_words(rejected)))
    if not found.new + found.known + len(found.rejected):
        show_lines(NO_FILES)
    if found.recovered:
        show_lines(RECOVERED.format(n=found.recovered, suspicious=found.recovered_suspicious))
    reasons = (
        (found.training_scans, TRAINING_SCANS),
        *found.why_unreadable.texts(),
        (found.incompatible, INCOMPATIBLE),
    )
    show_lines(*(NOT_SCORED.format(n=n, why=why) for n, why in reasons if n))
    show_lines(*_reasons(found.reasons))
    _show_rejections(REJECTED, rejected)
    _show_rejections(LIMITED, limited)
    show_some([UNSCORED.format(each) for each in unscored])
    show_lines(*(WARNING.format(text=text) for text in found.warnings))
    show_lines(REPORT.format(path=home / found.report))
    show_notice()


def show_nothing_scored(
    nothing: "Unchanged", model_id: int, threshold_id: int, *, as_json: bool
) -> None:
    """The result of `mriad score` where nothing is new."""
    document = nothing_scored_document(nothing, model_id, threshold_id)
    if as_json or nothing.empty:
        show_no_files(document, as_json=as_json)
        return
    rejected, limited, unscored = split_rejections(nothing.rejected)
    n_rejected, ids = n_rejected_in_words(rejected), {"model": model_id, "threshold": threshold_id}
    show_lines(NOTHING_NEW.format(nothing, rejected=n_rejected, **ids))
    reasons = ((nothing.training_scans, TRAINING_SCANS), (nothing.incompatible, INCOMPATIBLE))
    show_lines(*(NOT_SCORED.format(n=n, why=why) for n, why in reasons if n))
    _show_rejections(REJECTED, rejected)
    _show_rejections(LIMITED, limited)
    show_some([UNSCORED.format(each) for each in unscored])
    show_notice()


def show_report(home: Path, found: "WeeklyReport", *, as_json: bool) -> None:
    """The result of `mriad report`."""
    if as_json:
        show_json(report_document(found))
        return
    show_lines(
        WEEK.format(
            runs=counted(found.runs, "run"),
            days=counted(found.days, "day"),
            suspicious=counted(found.suspicious, "suspicious scan"),
            uncertain=found.uncertain,
            not_scorable=found.not_scorable,
            warnings=counted(found.warnings, "warning"),
        ),
        *_reasons(found.reasons),
        REPORT.format(path=home / found.report),
    )
    show_notice()


def show_evaluate(
    home: Path,
    found: "EvaluationResult",
    unmatched: "Sequence[LabelLine]" = (),
    *,
    as_json: bool,
) -> None:
    """The result of `mriad evaluate`."""
    if as_json:
        show_json(evaluate_document(found, unmatched))
        return
    show_figures(found.report, found.others)
    show_lines(*(REPORT.format(path=home / page) for page in (found.page, *found.pages)))
    show_notice()


def show_demo(home: Path, found: "DemoResult", *, as_json: bool) -> None:
    """The result of `mriad demo`."""
    if as_json:
        show_json(demo_document(found))
        return
    values = {
        "new": counted(found.intake.new, "scan"),
        "known": f"{found.intake.known} known"
        + (COPIES.format(n=found.intake.copies) if found.intake.copies else ""),
        "model": found.training.model_id,
        "train": found.training.n_train,
        "decided": counted(found.scoring.scored + found.scoring.not_scorable, "scan"),
        "uncertain": found.scoring.uncertain,
        "not_scorable": found.scoring.not_scorable,
        "left_out": LEARNED.format(n=found.scoring.training_scans)
        if found.scoring.training_scans
        else "",
        "suspicious": found.scoring.suspicious,
        "replayed": counted(found.replay.checked, "decision"),
        "identical": found.replay.identical,
        "evaluation": home / found.evaluation.page,
        "report": home / found.scoring.report,
        "record": home / "mriad.db",
        "home": home,
    }
    ingested, decided, replayed = (line.format_map(values) for line in DEMO)
    show_lines(ingested, decided, *_reasons(found.scoring.reasons), replayed)
    show_figures(found.evaluation.report)
    show_lines(*(line.format_map(values) for line in DEMO_FILES))
    show_notice()


def _reasons(found: "Sequence[ReasonCount]") -> list[str]:
    """Why scans are uncertain or not scorable, a line for each reason."""
    return [
        WHY.format(n=each.n, verdict=VERDICT_TEXTS[each.verdict], why=each.text) for each in found
    ]


def _show_rejections(title: str, items: "Sequence[RejectedItem]") -> None:
    rejected = group_by_folder(items)
    if not rejected:
        return
    counts = Counter(each.reason for each in items)
    show_lines(f"{title}: " + ", ".join(f"{n} {why}" for why, n in sorted(counts.items())))
    show_some([f"  {each.reason}: {_place(each)}: {each.detail}" for each in rejected])


def _place(item: "RejectedItem") -> str:
    return item.path if item.scan_id is None else f"scan {item.scan_id}, {item.path}"

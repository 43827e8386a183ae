"""How the working commands show what they did: JSON as documented, or lines and tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli.console import Cell, show_json, show_lines, show_notice, show_table
from flows.cli.verify_lines import replay_document
from flows.messages import counted
from mriad_model.rejections import ALL_SCORED, group_by_folder, split_rejections
from tasks.training.thresholds import Proposal

if TYPE_CHECKING:
    from flows.cli.preconditions import Unmatched
    from flows.demo import DemoResult
    from flows.ingest import IngestResult
    from flows.retrain_result import RetrainingResult
    from flows.score import ScoringResult
    from flows.train import TrainingResult
    from flows.weekly_report import WeeklyReport
    from mriad_model.phantom.write import DrawnScan
    from mriad_model.rejections import RejectedItem

FEW_TO_CALIBRATE = 30  # below it a threshold of mean + k sd is a guess
MOST_LISTED = 20
NOTHING_THERE = "There are no files in that folder (hidden ones, *.part and *.tmp do not count)."
FIGURES = ("auroc", "sensitivity_at_90_specificity", "recall", "specificity", "precision", "f1")
TITLES = (
    "method",
    "AUROC",
    "95 % interval",
    "sens. at 90 % spec.",
    "recall",
    "specificity",
    "precision",
    "F1",
)


def show_intake(
    intake: "IngestResult", unmatched: "Sequence[Unmatched]" = (), *, as_json: bool
) -> None:
    """What `mriad ingest` did; lines of a CSV that name no file were said before."""
    if as_json:
        show_json({**intake_document(intake), "unmatched": [asdict(each) for each in unmatched]})
        return
    show_lines(
        f"{intake.new} new, {intake.known} known, {len(group_by_folder(intake.rejected))} "
        f"rejected, {counted(intake.labelled, 'label')} added."
    )
    if intake.unlabelled:
        files = counted(intake.unlabelled, "file is", "files are")
        show_lines(f"{files} in no line or folder that labels them.")
    if not intake.new + intake.known + len(intake.rejected):
        show_lines(NOTHING_THERE)
    _show_refused(intake.rejected)
    show_notice()


def intake_document(intake: "IngestResult") -> dict[str, object]:
    """The JSON of `mriad ingest`."""
    return {
        "new": intake.new,
        "known": intake.known,
        "labelled": intake.labelled,
        "unlabelled": intake.unlabelled,
        "rejected": [asdict(each) for each in intake.rejected],
    }


def show_nothing_ingested(unmatched: "Sequence[Unmatched]", *, as_json: bool) -> None:
    """What `mriad ingest` came to on a folder without files."""
    zero = dict.fromkeys(("new", "known", "labelled", "unlabelled"), 0)
    if as_json:
        show_json({**zero, "rejected": [], "unmatched": [asdict(each) for each in unmatched]})
        return
    show_lines(NOTHING_THERE)
    show_notice()


def show_nothing_scored(model_id: int, threshold_id: int, *, as_json: bool) -> None:
    """What `mriad score` came to on a folder without files: no run, and so no report."""
    names = ("new", "known", "scored", "suspicious", "recovered", "recovered_suspicious")
    left_out = ("training_scans", "incompatible", "unreadable", "elsewhere")
    if as_json:
        show_json(
            {
                **dict.fromkeys((*names, *left_out), 0),
                "rejected": [],
                "why_unreadable": asdict(ALL_SCORED),
                "model_id": model_id,
                "threshold_id": threshold_id,
                "report": None,
                "warnings": [],
                "seconds": 0.0,
            }
        )
        return
    show_lines(NOTHING_THERE)
    show_notice()


def show_training(trained: "TrainingResult", *, as_json: bool) -> None:
    """What `mriad train` did."""
    if as_json:
        show_json(asdict(trained))
        return
    loss = (
        "" if trained.validation_loss is None else f", held-out loss {trained.validation_loss:.5f}"
    )
    show_lines(
        f"Model {trained.model_id} trained on {trained.n_train} healthy {trained.learned} "
        f"({trained.n_validation} to stop, {trained.n_calibration} to calibrate): "
        f"best of {trained.epochs} epochs was {trained.best_epoch}{loss}; {trained.seconds:.0f} s.",
    )
    _show_comparison(trained)
    if trained.n_calibration < FEW_TO_CALIBRATE:
        show_lines(
            f"It was drawn from {trained.n_calibration} healthy scans: too few to say how many "
            "healthy ones it will flag, which may be far more than one in six. Add healthy scans."
        )
    show_lines(*(f"Warning: {text}." for text in trained.warnings))
    show_notice()


def _show_comparison(trained: "TrainingResult") -> None:
    found = trained.comparison
    told = found.told[:1].upper() + found.told[1:]
    if found.active_model_id is not None:
        told = f"Compared with the active model {found.active_model_id}: {found.told}"
    threshold = trained.threshold_id
    show_lines(
        f"{told}.",
        f"Threshold {threshold} is active."
        if trained.activated
        else f"Threshold {threshold} is not active; to activate it: mriad activate {threshold}",
    )


def show_retraining(found: "RetrainingResult", *, as_json: bool) -> None:
    """What `mriad retrain` did, or why nothing."""
    if as_json:
        show_json(asdict(found))
        return
    why = found.why[:1].upper() + found.why[1:] + "."
    if found.model_id is None:
        show_lines(why)
    else:
        in_force = found.threshold_id if found.activated else found.champion_threshold_id
        show_lines(
            f"Model {found.model_id} trained on {counted(found.n_train or 0, 'healthy scan')}, "
            f"{counted(found.n_new, 'healthy scan')} having come; {found.seconds or 0:.0f} s.",
            why,
            f"Threshold {in_force} is in force.",
        )
    show_notice()


def show_recalibration(proposal: Proposal, threshold_id: int | None, *, as_json: bool) -> None:
    """What `mriad recalibrate` did, or would do where there is no threshold id."""
    fit, turned = proposal.fit, proposal.flips
    if as_json:
        document = {**asdict(fit), "threshold_id": threshold_id, "flips": asdict(turned)}
        show_json({**document, "decided": proposal.decided, "dry_run": threshold_id is None})
        return
    would = "would turn" if threshold_id is None else "turned"
    named = "A new threshold" if threshold_id is None else f"Threshold {threshold_id}"
    drawn, decided = counted(fit.n, "healthy score"), counted(proposal.decided, "decided scan")
    show_lines(
        f"{named}: {fit.value:.6g} ({fit.policy.value} {fit.k:g}; {drawn}, "
        f"mean {fit.mean:.6g}, sd {fit.sd:.6g}).",
        f"It {would} {turned.to_suspicious} of {decided} to suspicious "
        f"and {turned.to_normal} to normal.",
    )
    show_notice()


def show_scoring(home: Path, found: "ScoringResult", *, as_json: bool) -> None:
    """What `mriad score` did."""
    if as_json:
        show_json(asdict(found))
        return
    rejected, left_out = split_rejections(found.rejected)
    show_lines(
        f"{found.new} new, {found.known} known, {len(group_by_folder(rejected))} rejected; "
        f"{found.scored} scored, {found.suspicious} suspicious; "
        f"model {found.model_id}, threshold {found.threshold_id}; {found.seconds:.1f} s."
    )
    if not found.new + found.known + len(found.rejected):
        show_lines(NOTHING_THERE)
    if found.recovered:
        were = "was" if found.recovered == 1 else "were"
        show_lines(
            f"{found.recovered} more {were} decided by runs that have not reported (cut off, or"
            f" still under way), {found.recovered_suspicious} suspicious; listed here too."
        )
    if found.training_scans:
        show_lines(f"{found.training_scans} left out: the model learned from them.")
    show_lines(*(f"{n} left out: {why}." for n, why in found.why_unreadable.told()))
    if found.elsewhere:
        show_lines(f"{found.elsewhere} left out: another run is at work on them.")
    if found.incompatible:
        show_lines(f"{found.incompatible} left out: not of the kind that the model learned.")
    _show_refused(rejected)
    _show_refused(left_out, "Left out, or without DICOM outputs")
    show_lines(*(f"Warning: {text}" for text in found.warnings))
    show_lines(f"Report: {home / found.report}")
    show_notice()


def show_drawn(folder: Path, drawn: "Sequence[DrawnScan]", *, as_json: bool) -> None:
    """What `mriad draw` wrote."""
    if as_json:
        files = [
            {
                "path": str(each.path),
                "label": "healthy" if each.lesion is None else "abnormal",
                "lesion": each.lesion and each.lesion.value,
                "mask": each.mask and str(each.mask),
            }
            for each in drawn
        ]
        show_json({"files": files})
        return
    lesions = Counter(each.lesion.value.replace("_", " ") for each in drawn if each.lesion)
    healthy = len(drawn) - lesions.total()
    show_lines(f"{folder}/scans/no: {counted(healthy, 'healthy head')}.")
    if lesions:
        kinds = ", ".join(f"{n} {kind}" for kind, n in lesions.items())
        show_lines(
            f"{folder}/scans/yes: {counted(lesions.total(), 'head')} with a lesion ({kinds}); "
            f"masks in {folder}/masks."
        )
    show_lines("Drawn, not scanned: there are no such patients.")
    show_notice()


def show_weekly(home: Path, found: "WeeklyReport", *, as_json: bool) -> None:
    """What `mriad report` wrote."""
    if as_json:
        show_json(asdict(found))
        return
    show_lines(
        f"{counted(found.runs, 'run')} in {counted(found.days, 'day')}: "
        f"{counted(found.suspicious, 'suspicious scan')}, {counted(found.warnings, 'warning')}.",
        f"Report: {home / found.report}",
    )
    show_notice()


def show_evaluation(home: Path, found: Mapping[str, Any], *, as_json: bool) -> None:
    """What `mriad evaluate` found."""
    if as_json:
        show_json(found)
        return
    _show_evaluation_table(found)
    show_lines(f"Report: {home / found['report']}")
    show_notice()


def show_demo(home: Path, found: "DemoResult", *, as_json: bool) -> None:
    """What `mriad demo` did."""
    if as_json:
        show_json(
            {
                "ingest": intake_document(found.intake),
                "train": asdict(found.training),
                "score": asdict(found.scoring),
                "evaluate": found.evaluation,
                "verify": replay_document(found.replay),
            }
        )
        return
    show_lines(
        f"Ingested {counted(found.intake.new, 'scan')} ({found.intake.known} files were known); "
        f"trained model {found.training.model_id} on {found.training.n_train} healthy ones.",
        f"Scored {counted(found.scoring.scored, 'scan')} that it had not learned from: "
        f"{found.scoring.suspicious} suspicious.",
        f"Replayed {counted(found.replay.checked, 'decision')} from the record: "
        f"{found.replay.identical} identical to the last bit.",
    )
    _show_evaluation_table(found.evaluation)
    show_lines(
        f"Evaluation: {home / found.evaluation['report']}",
        f"Worklist:   {home / found.scoring.report}",
        f"Record:     {home / 'mriad.db'}  (try: mriad --help)",
    )
    show_notice()


def _show_evaluation_table(found: Mapping[str, Any]) -> None:
    confusion = found["confusion"]
    show_lines(
        f"Protocol {found['protocol']}"
        + (f" ({found['note']})" if found["note"] else "")
        + f": {found['n_healthy']} healthy and {found['n_abnormal']} abnormal images, "
        f"{counted(found['n_folded_away'], 'near-duplicate')} folded away."
    )
    rows = [_row(f"{found['recipe']['name']} recipe", found)]
    rows += [_row(f"  {name} alone", row) for name, row in found["detectors"].items()]
    rows += [_row(f"baseline: {name}", row) for name, row in found["baselines"].items()]
    show_table("How well abnormal is told from healthy", TITLES, rows)
    show_lines(
        f"Confusion over {found['repeats']} repeat(s): TN {confusion['tn']}, FP {confusion['fp']}, "
        f"FN {confusion['fn']}, TP {confusion['tp']}."
    )


def _row(name: str, figures: Mapping[str, Any]) -> list[Cell]:
    interval = figures["intervals"].get("auroc")
    between = "-" if interval is None else f"{interval[0]:.2f}-{interval[1]:.2f}"
    values = [None if figures[key] is None else f"{figures[key]:.3f}" for key in FIGURES]
    return [name, values[0], between, *values[1:]]


def _show_refused(refused: "Sequence[RejectedItem]", what: str = "Rejected") -> None:
    rejected = group_by_folder(refused)
    if not rejected:
        return
    counts = Counter(each.reason for each in rejected)
    show_lines(f"{what}: " + ", ".join(f"{n} {why}" for why, n in sorted(counts.items())))
    for each in rejected[:MOST_LISTED]:
        show_lines(f"  {each.reason}: {each.path}: {each.detail}")
    _show_more(len(rejected))


def _show_more(total: int) -> None:
    if total > MOST_LISTED:
        show_lines(f"  and {total - MOST_LISTED} more; --json lists all")

"""The view of `mriad show`: all there is of one scan, as lines and tables or as a document."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from db.entities import Heatmap, Label, Model, Review
from db.repository.intake.sightings import RejectedBeside
from db.repository.reports.history import DecisionRow
from db.repository.reports.scan_details import ScanDetails, ScoreDetails
from db.repository.reports.unscored import UnscoredScan
from flows.cli.console import Cell, short_time, show_lines, show_section, sparkline
from flows.cli.documents.fields import Document
from flows.cli.documents.scans import show_document
from flows.cli.findings import show_findings
from mriad_model.enums import LabelSource, Verdict
from mriad_model.files import sha256_of
from mriad_model.paths import source_path
from mriad_model.readers.volume.orientation import in_words, slices_across
from mriad_model.reasons import NO_REASON, VERDICT_TEXTS, figured_reason, reason_words

HIGHEST_SLICES = 5
SLICES = "{plane} slices under model {model}: {n} scored{others}"
NOT_SCORED = ", {n} not scored"
MORE_REJECTIONS = "and {n} more"
NOT_SCORABLE = "Not scorable under model {model}: {why}. Its score and findings are not to be read."
WITHOUT_SCORE = "Not scorable: {0.told}"
UNCERTAIN = "Uncertain by threshold {0.threshold_id}: {why}."
DECISIONS = (
    "decision",
    "when (UTC)",
    "verdict",
    "why",
    "score",
    "limit",
    "p",
    "threshold",
    "model",
    "active",
)
AS_RECORDED, CHANGED, MISSING, UNREADABLE = "as recorded", "changed", "missing", "unreadable"


def details_document(home: Path, details: ScanDetails, active: int | None) -> Document:
    """The JSON document of `mriad show`; `active` is the threshold that is."""
    n_slices = [_n_slices(details, score) for score in details.scores]
    files = [[_file_state(home, each) for each in score.heatmaps] for score in details.scores]
    return show_document(details, n_slices, files, active)


def show_details(home: Path, details: ScanDetails, active: int | None) -> None:
    """Print all that the record holds of a scan; empty sections are not printed.

    `active` is the threshold that is.
    """
    reviews = details.reviews
    decision = "decision_id decided_at verdict reason score threshold p_value threshold_id model_id"
    unscored = "decision_id decided_at verdict reason none none none threshold_id model_id"
    not_scorable = details.not_scorable
    _show_scan(details)
    show_section("Seen at", ("path", "files", "bytes", "when (UTC)"), _sources(details))
    if len(details.of_patient) > 1:
        show_section(
            "Scans of this patient, newest first",
            ("scan", "kind", "contrast", "scanner", "registered (UTC)"),
            [_cells(each, "id kind contrast scanner created_at") for each in details.of_patient],
        )
    show_section(
        "Labels",
        ("label", "source", "by", "when (UTC)", "withdrawn"),
        [
            (*_cells(each, "value source author created_at"), _label_withdrawn(each, reviews))
            for each in details.labels
        ],
    )
    show_section(
        "Scores",
        ("score", "spread", "gate", "model", "recipe", "when (UTC)"),
        [
            (
                *(
                    (each.score.value, each.score.spread)
                    if each.score.model_id not in not_scorable
                    else (None, None)
                ),
                each.score.gate,
                each.score.model_id,
                json.loads(each.model.recipe).get("name"),
                short_time(each.score.created_at),
            )
            for each in details.scores
        ],
    )
    unlike = [each for each in details.decisions if each.verdict is Verdict.NOT_SCORABLE]
    for model, why in {each.model_id: _why(details, each) for each in unlike}.items():
        show_lines("", NOT_SCORABLE.format(model=model, why=why))
    scored = [each for each in details.scores if each.score.model_id not in not_scorable]
    for score in scored:
        _show_slices(details, score)
    for score in scored:
        show_findings(details.scan.kind, score)
    show_section(
        "Decisions",
        DECISIONS,
        [
            [
                *_decision_cells(
                    each, decision if each.verdict is not Verdict.NOT_SCORABLE else unscored
                ),
                "yes" if each.threshold_id == active else "no",
            ]
            for each in details.decisions
        ]
        + [[*_decision_cells(each, unscored), None] for each in [details.unscored] if each],
    )
    show_lines(
        *(
            UNCERTAIN.format(each, why=_why(details, each))
            for each in details.decisions
            if each.verdict is Verdict.UNCERTAIN
        )
    )
    if details.unscored is not None:
        show_lines(WITHOUT_SCORE.format(details.unscored))
    show_section(
        "Maps",
        ("kind", "model", "path", "file"),
        [
            (heatmap.kind.value, each.score.model_id, heatmap.path, _file_state(home, heatmap))
            for each in details.scores
            for heatmap in each.heatmaps
        ],
    )
    show_section(
        "Reviews",
        ("decision", "verdict", "by", "tags", "note", "when (UTC)", "withdrawn"),
        [
            (
                *_cells(each, "decision_id verdict reviewer tags note created_at"),
                _withdrawn(each, reviews),
            )
            for each in reviews
            if each.withdrawn is None
        ],
    )
    _show_rejections(details.beside)


def _why(details: ScanDetails, row: DecisionRow) -> str:
    """Why a decision is as it is, with the figures of the score that it is on."""
    of_model = (each.score for each in details.scores if each.score.model_id == row.model_id)
    score = next(of_model, None)
    figures = (None, None) if score is None else (score.spread, score.gate)
    return figured_reason(row.reason, row.score, row.threshold, *figures) or NO_REASON


def _decision_cells(row: DecisionRow | UnscoredScan, names: str) -> list[Cell]:
    """A decision, with verdict and reason in words."""
    said = {"verdict": VERDICT_TEXTS[row.verdict], "reason": reason_words(row.reason) or None}
    cells = zip(names.split(), _cells(row, names), strict=True)
    return [said.get(name, value) for name, value in cells]


def _cells(row: object, names: str) -> list[Cell]:
    """These of a row's fields; a time of it to the second."""
    values = ((name, getattr(row, name, None)) for name in names.split())
    return [short_time(str(value)) if name.endswith("_at") else value for name, value in values]


def _show_scan(details: ScanDetails) -> None:
    scan, run = details.scan, details.run
    lines = [
        ("scan", f"{scan.id}, {scan.kind.value}"),
        *in_words(scan.grid),
        ("slices", str(scan.n_slices)),
        ("scanner", scan.scanner),
        ("patient", scan.patient and f"{scan.patient} (pseudonym)"),
        ("study UID", scan.study_uid),
        ("series UID", scan.series_uid),
        ("sha256", scan.sha256),
        ("registered", f"{short_time(scan.created_at)} by run {run.id} ({run.flow})"),
    ]
    show_lines(*(f"{name:<12} {value}" for name, value in lines if value))


def _withdrawn(review: Review, reviews: Sequence[Review]) -> str:
    """Who withdrew a review, when and why; nothing where it holds."""
    by = next((each for each in reviews if each.withdrawn == review.id), None)
    if by is None:
        return ""
    return f"{short_time(by.created_at)} by {by.reviewer}" + (f": {by.note}" if by.note else "")


def _label_withdrawn(label: Label, reviews: Sequence[Review]) -> str:
    """The same of the review that gave a label: both have one author and one time."""
    given = (
        each
        for each in reviews
        if label.source is LabelSource.REVIEWER
        and each.withdrawn is None
        and (each.reviewer, each.created_at) == (label.author, label.created_at)
    )
    return next((_withdrawn(each, reviews) for each in given), "")


def _sources(details: ScanDetails) -> list[Sequence[Cell]]:
    """A line for each file; one line for the files of a series that one run saw in a folder."""
    folders: dict[tuple[int, str], list[Any]] = {}
    for each in details.sightings:
        folder = each.path.rpartition("/")[0]
        together = (each.run_id, folder if details.scan.n_files > 1 else each.path)
        folders.setdefault(together, []).append(each)
    return [
        (
            files[0].path if len(files) == 1 else f"{name}/" if name else "./",
            len(files),
            sum(each.size for each in files),
            short_time(files[0].seen_at),
        )
        for (_, name), files in folders.items()
    ]


def _show_slices(details: ScanDetails, score: ScoreDetails) -> None:
    """The scores of a volume's slices as one line, and where the highest are."""
    if len(score.positions) < 2:
        return
    total = _n_slices(details, score)
    scores = dict(zip(score.positions, score.slice_values, strict=True))
    line = [scores.get(position) for position in range(total or max(scores) + 1)]
    highest = sorted(scores, key=lambda position: -scores[position])[:HIGHEST_SLICES]
    show_lines(
        "",
        SLICES.format(
            plane=_plane(score.model) or "unknown",
            model=score.score.model_id,
            n=len(scores),
            others=NOT_SCORED.format(n=total - len(scores)) if total else "",
        ),
        f"  1 {sparkline(line)} {len(line)}",
        "  highest: " + ", ".join(f"slice {each + 1} ({scores[each]:.4g})" for each in highest),
    )


def _show_rejections(beside: RejectedBeside) -> None:
    show_section(
        "Rejected beside it",
        ("path", "reason", "detail"),
        [_cells(each, "path reason detail") for each in beside.rejections],
    )
    if beside.total > len(beside.rejections):
        show_lines(MORE_REJECTIONS.format(n=beside.total - len(beside.rejections)))


def _file_state(home: Path, heatmap: Heatmap) -> str:
    """Whether a heatmap's file is as it was recorded."""
    path = source_path(heatmap.path, home)
    if not path.exists():
        return MISSING
    try:
        return AS_RECORDED if sha256_of(path) == heatmap.sha256 else CHANGED
    except OSError:
        return UNREADABLE


def _n_slices(details: ScanDetails, score: ScoreDetails) -> int | None:
    """How many slices the scan has in the model's plane."""
    return slices_across(details.scan.grid, _plane(score.model))


def _plane(model: Model) -> str | None:
    volumes: Mapping[str, Any] = json.loads(model.recipe).get("volumes") or {}
    plane: str | None = volumes.get("slicing", {}).get("plane")
    return plane

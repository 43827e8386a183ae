"""How `mriad show` tells of one scan: lines and tables for a person, or one JSON document."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from db.entities import Heatmap, Label, Model, Review
from db.repository.scan_details import ScanDetails, ScoreStory
from db.repository.sightings import RejectedBeside
from flows.cli.console import Cell, short_time, show_lines, show_section, sparkline
from mriad_model.enums import LabelSource
from mriad_model.files import sha256_of
from mriad_model.paths import source_path
from mriad_model.readers.orientation import in_words, slices_across

# Columns that hold JSON.
JSON_TEXTS = frozenset({"environment", "geometry", "libraries", "metrics", "recipe"})
WORST_SLICES = 5
AS_RECORDED, CHANGED, MISSING, UNREADABLE = "as recorded", "changed", "missing", "unreadable"


def story_document(home: Path, story: ScanDetails) -> dict[str, Any]:
    """The JSON of `mriad show`: the story, what rows hold as JSON being objects in it."""
    document: dict[str, Any] = _objects(asdict(story))
    for score, told in zip(story.scores, document["scores"], strict=True):
        told["n_slices"] = _slices_in_all(story, score)
        for heatmap, line in zip(score.heatmaps, told["heatmaps"], strict=True):
            line["file"] = _file_now(home, heatmap)
    return document


def show_story(home: Path, story: ScanDetails) -> None:
    """Tell all that the record holds of a scan; what there is none of is not mentioned."""
    _show_scan(story)
    show_section("Seen at", ("path", "files", "bytes", "when (UTC)"), _sources(story))
    show_section(
        "Labels",
        ("label", "source", "by", "when (UTC)", "withdrawn"),
        [
            (
                each.value.value,
                each.source.value,
                each.author,
                short_time(each.created_at),
                _label_withdrawn(each, story.reviews),
            )
            for each in story.labels
        ],
    )
    show_section(
        "Scores",
        ("score", "model", "recipe", "when (UTC)"),
        [
            (
                each.score.value,
                each.score.model_id,
                json.loads(each.model.recipe).get("name"),
                short_time(each.score.created_at),
            )
            for each in story.scores
        ],
    )
    for score in story.scores:
        _show_slices(story, score)
    show_section(
        "Decisions",
        ("decision", "when (UTC)", "verdict", "score", "limit", "p", "threshold", "model"),
        [
            (
                each.decision_id,
                short_time(each.decided_at),
                each.verdict.value,
                each.score,
                each.threshold,
                each.p_value,
                each.threshold_id,
                each.model_id,
            )
            for each in story.decisions
        ],
    )
    show_section(
        "Maps",
        ("kind", "model", "path", "file"),
        [
            (heatmap.kind.value, each.score.model_id, heatmap.path, _file_now(home, heatmap))
            for each in story.scores
            for heatmap in each.heatmaps
        ],
    )
    show_section(
        "Reviews",
        ("decision", "verdict", "by", "note", "when (UTC)", "withdrawn"),
        [
            (
                each.decision_id,
                each.verdict.value,
                each.reviewer,
                each.note,
                short_time(each.created_at),
                _withdrawn(each, story.reviews),
            )
            for each in story.reviews
            if each.withdrawn is None
        ],
    )
    _show_rejections(story.beside)


def _show_scan(story: ScanDetails) -> None:
    scan = story.scan
    lines = [
        ("scan", f"{scan.id}, {scan.kind.value}"),
        *in_words(scan.grid),
        ("slices", str(scan.n_slices)),
        ("scanner", scan.scanner),
        ("patient", scan.patient and f"{scan.patient} (pseudonym)"),
        ("study UID", scan.study_uid),
        ("series UID", scan.series_uid),
        ("sha256", scan.sha256),
        ("registered", f"{short_time(scan.created_at)} by run {story.run.id} ({story.run.flow})"),
    ]
    show_lines(*(f"{name:<12} {value}" for name, value in lines if value))


def _withdrawn(review: Review, reviews: Sequence[Review]) -> str:
    """Who withdrew a review, when and why; nothing where it holds."""
    by = next((each for each in reviews if each.withdrawn == review.id), None)
    if by is None:
        return ""
    return f"{short_time(by.created_at)} by {by.reviewer}" + (f": {by.note}" if by.note else "")


def _label_withdrawn(label: Label, reviews: Sequence[Review]) -> str:
    """The same of the review that gave a label: the two are of one author and moment."""
    given = (
        each
        for each in reviews
        if label.source is LabelSource.REVIEWER
        and each.withdrawn is None
        and (each.reviewer, each.created_at) == (label.author, label.created_at)
    )
    return next((_withdrawn(each, reviews) for each in given), "")


def _sources(story: ScanDetails) -> list[Sequence[Cell]]:
    """Files as seen, those that one run saw in one folder as one line."""
    folders: dict[tuple[int, str], list[Any]] = {}
    for each in story.sightings:
        folder = each.path.rpartition("/")[0]
        together = (each.run_id, folder if story.scan.n_files > 1 else each.path)
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


def _show_slices(story: ScanDetails, score: ScoreStory) -> None:
    """The scores of a volume's slices as one line, and where the highest are."""
    if len(score.positions) < 2:
        return
    total = _slices_in_all(story, score)
    judged = dict(zip(score.positions, score.slice_values, strict=True))
    line = [judged.get(position) for position in range(total or max(judged) + 1)]
    worst = sorted(judged, key=lambda position: -judged[position])[:WORST_SLICES]
    plane = _plane(score.model)
    left_out = f", {total - len(judged)} left out" if total else ""
    show_lines(
        "",
        f"{plane or 'unknown'} slices under model {score.score.model_id}: "
        f"{len(judged)} judged{left_out}",
        f"  1 {sparkline(line)} {len(line)}",
        "  highest: " + ", ".join(f"slice {each + 1} ({judged[each]:.4g})" for each in worst),
    )


def _show_rejections(beside: RejectedBeside) -> None:
    show_section(
        "Rejected beside it",
        ("path", "reason", "detail"),
        [(each.path, each.reason.value, each.detail) for each in beside.rejections],
    )
    if beside.total > len(beside.rejections):
        show_lines(f"and {beside.total - len(beside.rejections)} more")


def _file_now(home: Path, heatmap: Heatmap) -> str:
    """What has become of a map's file since it was recorded."""
    path = source_path(heatmap.path, home)
    if not path.exists():
        return MISSING
    try:
        return AS_RECORDED if sha256_of(path) == heatmap.sha256 else CHANGED
    except OSError:
        return UNREADABLE


def _slices_in_all(story: ScanDetails, score: ScoreStory) -> int | None:
    """How many slices the scan has in the plane that the model looks at."""
    return slices_across(story.scan.grid, _plane(score.model))


def _plane(model: Model) -> str | None:
    volumes: Mapping[str, Any] = json.loads(model.recipe).get("volumes") or {}
    plane: str | None = volumes.get("slicing", {}).get("plane")
    return plane


def _objects(value: Any) -> Any:
    """The same, the columns that hold JSON made into what they hold."""
    if isinstance(value, dict):
        return {
            name: json.loads(each or "null") if name in JSON_TEXTS else _objects(each)
            for name, each in value.items()
        }
    return [_objects(each) for each in value] if isinstance(value, list | tuple) else value

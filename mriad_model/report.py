"""Reports as one HTML page each: nothing is loaded from elsewhere, and it prints.

All text goes through the templates' escaping, so a file named `<script>` is only a name.
Pictures stand in the page as `data:` addresses.
"""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mriad_model.evaluation.results import RowKind
from mriad_model.evaluation.summary import MEMORISATION, EvaluatedRow, EvaluationReport
from mriad_model.metrics import Interval
from mriad_model.nouns import NOTICE, RejectionReason
from mriad_model.plots import confusion_plot, roc_plot, score_histogram, training_plot
from mriad_model.thresholds import calibration_needed

MOST_PICTURES = 60  # suspicious scans shown with their heatmap
MOST_ROWS = 1000  # lines in any one table; the record holds the rest

NAMES = {
    "model": "Model",
    "autoencoder": "Autoencoder alone",
    "asymmetry": "Left-right asymmetry",
    "extension": "File extension",
    "file_size": "File size",
    "bytes_per_pixel": "Bytes a pixel",
    "aspect_ratio": "Aspect ratio",
    "entropy": "Grey-level entropy",
    "mean_intensity": "Mean intensity",
    "sharpness": "Sharpness",
}
"""Row name -> what the reader sees."""


COLUMNS = {
    "auroc": "Area (AUROC)",
    "sensitivity_at_90_specificity": "Sens. at 90 % spec.",
    "recall": "Recall",
    "specificity": "Specificity",
    "precision": "Precision",
    "f1": "F1",
    "average_precision": "Avg. precision",
}
"""Metric -> column title, in the table's order."""

GROUPS = {
    RowKind.MODEL: None,
    RowKind.DETECTOR: "Its detectors, each standing alone",
    RowKind.BASELINE: "Baselines that need no model",
}


@dataclass(frozen=True, slots=True)
class RejectedFileLine:
    """A file that was no scan."""

    path: str
    reason: RejectionReason
    detail: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a report comes from: what ran, with what, when."""

    created_at: str  # UTC ISO-8601
    source: str  # the folder or file looked at
    software_version: str
    git_sha: str | None
    libraries: Mapping[str, str]
    device: str
    seconds: float
    run_id: int | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class SuspiciousScan:
    """One line of the night's worklist."""

    path: str
    scan_id: int
    decision_id: int
    score: float
    p_value: float
    heatmap: bytes | None = None  # a picture file's bytes


@dataclass(frozen=True, slots=True)
class ModelLine:
    """The model in force."""

    id: int
    sha256: str
    recipe_name: str
    created_at: str


@dataclass(frozen=True, slots=True)
class ThresholdLine:
    """The threshold in force."""

    id: int
    policy: str
    k: float
    mean: float
    sd: float
    n: int
    value: float


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """What one scoring run came to. Counts are of scans; `rejections` are of files."""

    provenance: Provenance
    model: ModelLine
    threshold: ThresholdLine
    new: int
    known: int
    scored: int
    n_suspicious: int
    suspicious: Sequence[SuspiciousScan]
    rejections: Sequence[RejectedFileLine] = ()
    skipped: Sequence[tuple[str, str]] = field(default=())  # (path, why)


def render_evaluation(
    report: EvaluationReport,
    provenance: Provenance,
    rejections: Sequence[RejectedFileLine] = (),
) -> str:
    """The HTML page of an evaluation."""
    metrics = report.model.metrics
    return _page(
        "evaluation.html.j2",
        report=report,
        metrics=metrics,
        provenance=provenance,
        memorisation=MEMORISATION if report.memorisation else None,
        headline=_headline(report.model),
        columns=tuple(COLUMNS.values()),
        groups=_groups(report.rows),
        rival=report.rival,
        rival_name=NAMES.get(report.rival.name, report.rival.name) if report.rival else None,
        plots=_plots(report),
        pictures=[
            {"address": _address(picture.data), "picture": picture} for picture in report.pictures
        ],
        recipe=json.loads(report.recipe),
        plan=json.loads(report.plan),
        rejections=_by_reason(rejections),
        rejected=_capped(rejections),
    )


def render_score_report(report: ScoreReport) -> str:
    """The HTML page of a scoring run, worst scans first."""
    worst = sorted(report.suspicious, key=lambda scan: (-scan.score, scan.scan_id))
    shown = [
        {
            "rank": i + 1,
            "scan": scan,
            "sigmas": _sigmas(scan.score, report.threshold),
            "address": _address(scan.heatmap) if scan.heatmap and i < MOST_PICTURES else None,
        }
        for i, scan in enumerate(worst[:MOST_ROWS])
    ]
    needed = calibration_needed(report.scored)
    return _page(
        "score_report.html.j2",
        report=report,
        provenance=report.provenance,
        worst=shown,
        pictured=[item for item in shown if item["address"]],
        calibration_needed=needed,
        calibration_too_small=report.scored > 0 and report.threshold.n < needed,
        n_left_out=report.n_suspicious - len(shown),
        rejections=_by_reason(report.rejections),
        rejected=_capped(report.rejections),
        skipped=_capped(report.skipped),
    )


def _plots(report: EvaluationReport) -> dict[str, str | None]:
    values, intervals = report.model.metrics.values, report.model.metrics.intervals
    auroc, recall, specificity = (values[name] for name in ("auroc", "recall", "specificity"))
    roc = None
    if report.roc is not None and auroc is not None:
        known = recall is not None and specificity is not None
        operating = (1.0 - (specificity or 0.0), recall or 0.0) if known else None
        roc = _address(roc_plot(report.roc, auroc, intervals["auroc"], operating))
    sigmas = report.sigmas
    curves = [line.epochs for line in report.folds if line.epochs]
    return {
        "roc": roc,
        "histogram": _address(score_histogram(sigmas.healthy, sigmas.abnormal, sigmas.threshold)),
        "confusion": _address(confusion_plot(report.model.metrics.confusion)),
        "training": _address(training_plot(curves)) if curves else None,
    }


def _headline(model: EvaluatedRow) -> list[tuple[str, dict[str, str]]]:
    titles = COLUMNS | {"auroc": "AUROC", "sensitivity_at_90_specificity": "Sens. at 90 % spec."}
    shown = [name for name in COLUMNS if name != "average_precision"]
    values, intervals = model.metrics.values, model.metrics.intervals
    return [(titles[name], _figure(values[name], intervals[name])) for name in shown]


def _groups(rows: Sequence[EvaluatedRow]) -> list[dict[str, Any]]:
    """The table's rows by kind; kinds without rows are left out."""
    found = [
        {"title": title, "rows": [_table_row(row) for row in rows if row.kind is kind]}
        for kind, title in GROUPS.items()
    ]
    return [group for group in found if group["rows"]]


def _table_row(row: EvaluatedRow) -> dict[str, Any]:
    values, intervals = row.metrics.values, row.metrics.intervals
    return {
        "name": NAMES.get(row.name, row.name),
        "is_model": row.kind is RowKind.MODEL,
        "figures": [_figure(values[name], intervals[name]) for name in COLUMNS],
        "told": row.auroc_told_direction,
    }


def _figure(value: float | None, interval: Interval | None) -> dict[str, str]:
    told = "n/a" if value is None else f"{value:.3f}"
    between = "" if interval is None else f"{interval.low:.2f} to {interval.high:.2f}"
    return {"value": told, "interval": between}


def _sigmas(score: float, threshold: ThresholdLine) -> float | None:
    return (score - threshold.mean) / threshold.sd if threshold.sd > 0 else None


def _by_reason(rejections: Sequence[RejectedFileLine]) -> list[tuple[str, int]]:
    return Counter(line.reason.value for line in rejections).most_common()


def _capped(lines: Sequence[Any]) -> dict[str, Any]:
    return {"lines": lines[:MOST_ROWS], "n": len(lines), "left_out": max(0, len(lines) - MOST_ROWS)}


def _address(data: bytes) -> Markup:
    """A picture as a `data:` address. Its letters are safe by their alphabet."""
    return Markup(f"data:{_media_type(data)};base64,{base64.b64encode(data).decode('ascii')}")  # noqa: S704


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/jpeg"


def _page(name: str, **values: object) -> str:
    return _environment().get_template(name).render(notice=NOTICE, **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("mriad_model"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

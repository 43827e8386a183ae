"""The page of an evaluation."""

import json
from collections.abc import Sequence
from typing import Any

from mriad_model.evaluation.metrics import Interval
from mriad_model.evaluation.plots import confusion_plot, roc_plot, score_histogram, training_plot
from mriad_model.evaluation.results import RowKind
from mriad_model.evaluation.summary import MEMORISATION, EvaluatedRow, EvaluationReport
from mriad_model.rejections import RejectedItem
from mriad_model.reports.page import Provenance, address, by_reason, capped, render

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
"""Row name -> its title on the page."""


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
    RowKind.DETECTOR: "Its detectors, each alone",
    RowKind.BASELINE: "Baselines that need no model",
}


def render_evaluation(
    report: EvaluationReport, provenance: Provenance, rejections: Sequence[RejectedItem] = ()
) -> str:
    """The HTML page of an evaluation."""
    metrics = report.model.metrics
    return render(
        "evaluation_report.html.j2",
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
        pictures=[{"address": address(each.data), "picture": each} for each in report.pictures],
        recipe=json.loads(report.recipe),
        plan=json.loads(report.plan),
        rejections=by_reason(rejections),
        rejected=capped(rejections),
    )


def _plots(report: EvaluationReport) -> dict[str, str | None]:
    values, intervals = report.model.metrics.values, report.model.metrics.intervals
    auroc, recall, specificity = (values[name] for name in ("auroc", "recall", "specificity"))
    roc = None
    if report.roc is not None and auroc is not None:
        known = recall is not None and specificity is not None
        operating = (1.0 - (specificity or 0.0), recall or 0.0) if known else None
        roc = address(roc_plot(report.roc, auroc, intervals["auroc"], operating))
    sigmas = report.sigmas
    curves = [line.epochs for line in report.folds if line.epochs]
    return {
        "roc": roc,
        "histogram": address(score_histogram(sigmas.healthy, sigmas.abnormal, sigmas.threshold)),
        "confusion": address(confusion_plot(report.model.metrics.confusion)),
        "training": address(training_plot(curves)) if curves else None,
    }


def _headline(model: EvaluatedRow) -> list[tuple[str, dict[str, str]]]:
    titles = COLUMNS | {"auroc": "AUROC", "sensitivity_at_90_specificity": "Sens. at 90 % spec."}
    names = [name for name in COLUMNS if name != "average_precision"]
    values, intervals = model.metrics.values, model.metrics.intervals
    return [(titles[name], _figure(values[name], intervals[name])) for name in names]


def _groups(rows: Sequence[EvaluatedRow]) -> list[dict[str, Any]]:
    """The table's rows by kind; kinds without rows are omitted."""
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
        "from_labels": row.auroc_direction_from_labels,
    }


def _figure(value: float | None, interval: Interval | None) -> dict[str, str]:
    text = "n/a" if value is None else f"{value:.3f}"
    between = "" if interval is None else f"{interval.low:.2f} to {interval.high:.2f}"
    return {"value": text, "interval": between}

"""The page of an evaluation."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from mriad_model.enums import VOLUMES
from mriad_model.evaluation.baselines.untrained import UNTRAINED
from mriad_model.evaluation.metrics.lesion_metrics import Figure, LesionMetrics
from mriad_model.evaluation.metrics.plots import (
    confusion_plot,
    roc_plot,
    score_histogram,
    training_plot,
)
from mriad_model.evaluation.metrics.scan_metrics import Advantage, Interval
from mriad_model.evaluation.results import RowKind
from mriad_model.evaluation.summary import MEMORISATION, EvaluatedRow, EvaluationReport
from mriad_model.recipes.recipe import Recipe
from mriad_model.rejections import RejectedItem
from mriad_model.reports.page import Provenance, address, by_reason, capped, render

A_LINE = "a line a fold, or a member of it where the model is cross-fitted"
RECONSTRUCTION = ("epoch", "mean squared error", f"Reconstruction loss by epoch, {A_LINE}.")
ON_IMPLANTS = (
    "round of ten steps",
    "loss on implanted anomalies",
    f"Loss on anomalies implanted in healthy slices, {A_LINE}. The last weights are kept.",
)
DETECTORS = {
    "autoencoder": "Autoencoder alone",
    "implants": "Network that finds implants, alone",
    "asymmetry": "Left-right asymmetry, scaled by healthy scans",
}
"""Detector -> its title, where one is among several. There is a baseline of asymmetry, too."""

NAMES = {
    "model": "Model",
    "asymmetry": "Left-right asymmetry, no training",
    "brightness": "Largest smoothed grey value",
    "extension": "File extension",
    "file_size": "File size",
    "bytes_per_pixel": "Bytes a pixel",
    "aspect_ratio": "Aspect ratio",
    "entropy": "Grey-level entropy",
    "mean_intensity": "Mean intensity",
    "sharpness": "Sharpness",
}
"""Name of the model or a baseline -> its title on the page."""


COLUMNS = {
    "auroc": "Area (AUROC)",
    "sensitivity_at_90_specificity": "Sens. at 90 % spec.",
    "sensitivity_at_95_specificity": "Sens. at 95 % spec.",
    "false_positive_rate": "False-positive rate",
    "recall": "Recall",
    "specificity": "Specificity",
    "precision": "Precision",
    "f1": "F1",
    "average_precision": "Avg. precision",
}
"""Metric -> column title, in the table's order."""

STRATUM = "AUROC among scans alike in {}"
LESION_TITLES = {
    "pixel_average_precision": "Map's average precision by {point}, over scans with a mask",
    "dice": "Dice of the findings",
    "scans_found_at_threshold": "Scans above the threshold whose lesions are found",
    "scans_found_at_one_false": "Scans whose lesions are found",
    "found_by_count_at_threshold": "Lesions found in scans above the threshold, by count",
    "found_by_volume_at_threshold": "Lesions found in scans above the threshold, by volume",
    "false_findings_at_threshold": "Findings a healthy scan, of those above the threshold",
    "found_by_count_at_one_false": "Lesions found, by count",
    "found_by_volume_at_one_false": "Lesions found, by volume",
    "false_findings_at_one_false": "Findings a healthy scan",
}

BASELINE_COLUMNS = ("auroc", "sensitivity_at_90_specificity")
BASELINES = {
    "Of the grey values, with nothing learned": UNTRAINED,
    "Of the file and its grey values, beside those of the training scans": (
        "extension",
        "file_size",
        "bytes_per_pixel",
        "aspect_ratio",
        "entropy",
        "mean_intensity",
        "sharpness",
    ),
}
"""Title -> the baselines of a kind."""


def render_evaluation(
    report: EvaluationReport, provenance: Provenance, rejections: Sequence[RejectedItem] = ()
) -> str:
    """The HTML page of an evaluation."""
    metrics, how = report.model.metrics, Recipe.from_json(report.recipe)
    return render(
        "evaluation_report.html.j2",
        report=report,
        metrics=metrics,
        provenance=provenance,
        memorisation=MEMORISATION if report.memorisation else None,
        headline=_headline(report.model),
        columns=tuple(COLUMNS.values()),
        groups=_groups(report),
        baselines=_baselines(report),
        baseline_columns=[COLUMNS[name] for name in BASELINE_COLUMNS],
        kind="volumes" if how.kinds == VOLUMES else "pictures",
        few=report.few_to_calibrate,
        calibrating=report.calibrating,
        rival=report.rival,
        rival_name=NAMES.get(report.rival.name, report.rival.name) if report.rival else None,
        beside=_beside(report),
        beside_title=_beside_title(report),
        sizes=_sizes(report.lesions),
        verdicts=_verdicts(report),
        promised=_figure(*_of(report.promised)) if report.promised else None,
        plots=_plots(report),
        training_caption=_training_titles(report)[2],
        pictures=[{"address": address(each.data), "picture": each} for each in report.pictures],
        recipe=json.loads(report.recipe),
        plan=json.loads(report.plan),
        rejections=by_reason(rejections),
        rejected=capped(rejections),
    )


def _beside(report: EvaluationReport) -> list[tuple[str, dict[str, str]]]:
    """Titles and figures beside the table."""
    rows = []
    lead = report.versus_asymmetry
    if lead is not None:
        rows.append(
            ("AUROC less that of the left-right asymmetry, no training", _figure(*_of(lead)))
        )
    rows += [(STRATUM.format(name), _figure(*_of(each))) for name, each in report.strata.items()]
    if report.lesions is not None:
        point = report.point
        rows += [
            (LESION_TITLES[name].format(point=point), _figure(*_of(each)))
            for name, each in report.lesions.figures.items()
        ]
    return rows


def _beside_title(report: EvaluationReport) -> str:
    """What of the three is measured: lesions are where scans have masks alone."""
    parts = {
        "beside the asymmetry": report.versus_asymmetry is not None,
        "among scans alike": bool(report.strata),
        "lesion by lesion": report.lesions is not None,
    }
    *first, last = [part for part, there in parts.items() if there] or [""]
    text = f"{', '.join(first)}, and {last}" if first else last
    return text[:1].upper() + text[1:]


def _verdicts(report: EvaluationReport) -> list[tuple[str, dict[str, dict[str, str]]]]:
    """Label, and the share of each verdict."""
    return [
        (label.value, {verdict.value: _figure(*_of(each)) for verdict, each in shares.items()})
        for label, shares in report.verdicts.items()
    ]


def _sizes(lesions: LesionMetrics | None) -> list[dict[str, Any]]:
    """The table of lesions by size."""
    return [
        {
            "title": f"{each.low:g} to {each.high:g} {lesions.unit}"
            if each.high is not None
            else f"{each.low:g} {lesions.unit} and more",
            "n": each.n_lesions,
            "figures": [
                _figure(*_of(figure))
                for figure in (each.found_at_threshold, each.found_at_one_false, each.auroc)
            ],
        }
        for each in (lesions.by_size if lesions is not None else ())
        if lesions is not None
    ]


def _of(figure: Figure | Advantage) -> tuple[float | None, Interval | None]:
    return figure.value, figure.interval


def _training_titles(report: EvaluationReport) -> tuple[str, str, str]:
    """Of the picture of the training: its axes, and what it shows."""
    if Recipe.from_json(report.recipe).training.implants is None:
        return RECONSTRUCTION
    return ON_IMPLANTS


def _plots(report: EvaluationReport) -> dict[str, str | None]:
    values, intervals = report.model.metrics.values, report.model.metrics.intervals
    auroc, recall, specificity = (values[name] for name in ("auroc", "recall", "specificity"))
    roc = None
    if report.roc is not None and auroc is not None:
        known = recall is not None and specificity is not None
        operating = (1.0 - (specificity or 0.0), recall or 0.0) if known else None
        roc = address(roc_plot(report.roc, auroc, intervals["auroc"], operating))
    sigmas = report.sigmas
    titles = _training_titles(report)
    curves = [line.epochs for line in report.folds if line.epochs]
    return {
        "roc": roc,
        "histogram": address(score_histogram(sigmas.healthy, sigmas.abnormal, sigmas.threshold)),
        "confusion": address(confusion_plot(report.model.metrics.confusion)),
        "training": address(training_plot(curves, *titles[:2])) if curves else None,
    }


def _headline(model: EvaluatedRow) -> list[tuple[str, dict[str, str]]]:
    titles = COLUMNS | {"auroc": "AUROC"}
    left_out = ("average_precision", "sensitivity_at_95_specificity", "false_positive_rate")
    names = [name for name in COLUMNS if name not in left_out]
    values, intervals = model.metrics.values, model.metrics.intervals
    return [(titles[name], _figure(values[name], intervals[name])) for name in names]


def _groups(report: EvaluationReport) -> list[dict[str, Any]]:
    """The rows of the table: the model, its detectors, and the baselines that it has to beat."""
    strongest = report.rival.name if report.rival else None
    rivals = [row for row in report.baselines if row.name in ("asymmetry", strongest)]
    found = (
        (None, [report.model]),
        ("Its detectors, each alone", report.detectors),
        ("Baselines that need no model: the asymmetry, and the strongest", rivals),
    )
    return [{"title": title, "rows": [_row(row) for row in rows]} for title, rows in found if rows]


def _row(row: EvaluatedRow) -> dict[str, Any]:
    return {
        "name": _name(row),
        "is_model": row.kind is RowKind.MODEL,
        "figures": _figures(row, COLUMNS),
        "from_labels": row.auroc_direction_from_labels,
    }


def _baselines(report: EvaluationReport) -> list[dict[str, Any]]:
    """All baselines by kind, with few figures; kinds without any are omitted."""
    by_name = {row.name: row for row in report.baselines}
    known = {name for names in BASELINES.values() for name in names}
    rest = tuple(name for name in by_name if name not in known)
    kinds = [*BASELINES.items(), ("Others", rest)]
    found = [
        {
            "title": title,
            "rows": [
                {
                    "name": _name(by_name[name]),
                    "figures": _figures(by_name[name], BASELINE_COLUMNS),
                    "from_labels": by_name[name].auroc_direction_from_labels,
                }
                for name in names
                if name in by_name
            ],
        }
        for title, names in kinds
    ]
    return [kind for kind in found if kind["rows"]]


def _name(row: EvaluatedRow) -> str:
    return (DETECTORS if row.kind is RowKind.DETECTOR else NAMES).get(row.name, row.name)


def _figures(row: EvaluatedRow, names: Iterable[str]) -> list[dict[str, str]]:
    values, intervals = row.metrics.values, row.metrics.intervals
    return [_figure(values[name], intervals[name]) for name in names]


def _figure(value: float | None, interval: Interval | None) -> dict[str, str]:
    text = "n/a" if value is None else f"{value:.3f}"
    between = "" if interval is None else f"{interval.low:.2f} to {interval.high:.2f}"
    return {"value": text, "interval": between}

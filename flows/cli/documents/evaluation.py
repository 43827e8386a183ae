"""Document of `mriad evaluate`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.cli.documents.fields import Document, keys, rejected_items, unmatched_lines

if TYPE_CHECKING:
    from flows.evaluate import EvaluationResult
    from mriad_model.datasets.labels import LabelLine
    from mriad_model.evaluation.metrics.lesion_metrics import Figure, LesionMetrics
    from mriad_model.evaluation.metrics.scan_metrics import Advantage, Interval, Metrics
    from mriad_model.evaluation.results import FoldResult
    from mriad_model.evaluation.summary import EvaluatedRow, EvaluationReport, Rival


def evaluate_document(found: "EvaluationResult", unmatched: "Sequence[LabelLine]" = ()) -> Document:
    """`mriad evaluate`."""
    return {
        **_evaluation(found.report),
        "recipes": {each.recipe_name: _evaluation(each) for each in found.others},
        "report": found.page,
        "reports": list(found.pages),
        "unlabelled": found.unlabelled,
        "rejected": rejected_items(found.rejected),
        "unmatched": unmatched_lines(unmatched),
    }


def _evaluation(report: "EvaluationReport") -> Document:
    metrics = report.model.metrics
    return {
        **keys(report, "protocol memorisation note"),
        **_figures(metrics),
        **keys(metrics, "n_healthy n_abnormal"),
        **keys(report, "n_files n_folded_away n_contradictory n_patients"),
        "repeats": metrics.n_repeats,
        "n_groups": list(metrics.n_groups),
        "versus_asymmetry": report.versus_asymmetry and _advantage(report.versus_asymmetry),
        "lesions": report.lesions and _lesions(report.lesions),
        "verdicts": {
            label.value: {verdict.value: _measured(figure) for verdict, figure in shares.items()}
            for label, shares in report.verdicts.items()
        },
        "promised_rate": report.promised and _measured(report.promised),
        "strata": {name: _measured(each) for name, each in report.strata.items()},
        "detectors": {each.name: _method(each) for each in report.detectors},
        "baselines": {each.name: _method(each) for each in report.baselines},
        "strongest_untrained": report.rival and _rival(report.rival),
        "recipe": json.loads(report.recipe),
        "plan": json.loads(report.plan),
        "folds": [_fold(each) for each in report.folds],
        "seconds": report.seconds,
    }


def _figures(metrics: "Metrics") -> Document:
    intervals = metrics.intervals.items()
    return {
        "confusion": keys(metrics.confusion, "tn fp fn tp"),
        **metrics.values,
        "intervals": {name: each and [each.low, each.high] for name, each in intervals},
    }


def _method(row: "EvaluatedRow") -> Document:
    known = row.auroc_direction_from_labels
    more = {} if known is None else {"auroc_direction_from_labels": known}
    return {**_figures(row.metrics), **more}


def _rival(rival: "Rival") -> Document:
    return {
        **keys(rival, "name direction_from_labels auroc"),
        "advantage": _advantage(rival.advantage),
    }


def _advantage(found: "Advantage") -> Document:
    return {"value": found.value, "interval": keys(found.interval, "low high")}


def _lesions(found: "LesionMetrics") -> Document:
    return {
        **keys(found, "unit n_scans n_lesions"),
        **{name: _measured(each) for name, each in found.figures.items()},
        "by_size": [
            {
                **keys(each, "low high n_lesions n_scans"),
                "found_at_threshold": _measured(each.found_at_threshold),
                "found_at_one_false": _measured(each.found_at_one_false),
                "auroc": _measured(each.auroc),
            }
            for each in found.by_size
        ],
    }


def _measured(figure: "Figure") -> Document:
    return {"value": figure.value, "interval": _limits(figure.interval)}


def _limits(interval: "Interval | None") -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _fold(line: "FoldResult") -> Document:
    return {
        **keys(line, "repeat fold n_calibration n_calibration_groups"),
        **keys(line.training, "n_train n_validation epochs best_epoch validation_loss seconds"),
    }

"""What `mriad evaluate` prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.cli.console import Cell, show_lines, show_table
from flows.runtime.messages import counted

if TYPE_CHECKING:
    from mriad_model.evaluation.metrics.lesion_metrics import Figure
    from mriad_model.evaluation.metrics.scan_metrics import Interval
    from mriad_model.evaluation.summary import EvaluatedRow, EvaluationReport

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
SPARE = ("precision", "F1", "specificity")  # on a narrow terminal
ASYMMETRY = "asymmetry"  # a detector, and a baseline
NAMES = {  # by kind of row
    "detector": {ASYMMETRY: "asymmetry alone, scaled by healthy scans"},
    "baseline": {ASYMMETRY: "baseline: asymmetry, no training"},
}

EVALUATED = (
    "Protocol {protocol}{note}: {healthy} healthy and {abnormal} abnormal scans{patients}; "
    "{duplicates} counted with the scan they repeat."
)
EVALUATION_TABLE = "Separation of abnormal from healthy scans"
LEAD = (
    "{0}: AUROC {1:+.3f} beside that of the asymmetry, no training "
    "({2.low:+.3f} to {2.high:+.3f}){chance}."
)
OTHER_BASELINES = "AUROC of the other baselines: {}."
STRATUM = "{0}: AUROC among scans alike in {1} {2}."
LESIONS = (
    "{0.recipe_name}: map's average precision by {0.point} {pixel_average_precision}, Dice {dice}, "
    "over {1.n_scans} scans with masks.",
    "  findings: {scans_found_at_one_false} of the scans found; lesions "
    "{found_by_count_at_one_false} by count, {found_by_volume_at_one_false} by volume; "
    "{false_findings_at_one_false} findings a healthy scan.",
    "  of scans above the threshold alone: {scans_found_at_threshold} of the scans found; lesions "
    "{found_by_count_at_threshold} by count, {found_by_volume_at_threshold} by volume; "
    "{false_findings_at_threshold} findings a healthy scan.",
)
VERDICTS = "{0}: of the {1} scans {2}."
PROMISED = "{0}: the thresholds promise to flag {1} of healthy scans; of unseen ones {2} were."
CONFUSION = "{name}: confusion over {repeats}: TN {0.tn}, FP {0.fp}, FN {0.fn}, TP {0.tp}."
FEW = "Warning: {0}: {1}."


def show_figures(report: "EvaluationReport", others: "Sequence[EvaluationReport]" = ()) -> None:
    """The figures of an evaluation, several recipes side by side."""
    metrics = report.model.metrics
    show_lines(
        EVALUATED.format(
            protocol=report.protocol.value,
            note=f" ({report.note})" if report.note else "",
            healthy=metrics.n_healthy,
            abnormal=metrics.n_abnormal,
            patients=f" of {counted(report.n_patients, 'patient')}" if report.n_patients else "",
            duplicates=counted(report.n_folded_away, "near-duplicate"),
        )
    )
    rows = []
    for each in (report, *others):
        rows.append(_row(f"{each.recipe_name} recipe", each.model))
        rows += [_row(f"  {_name(part)}", part) for part in each.detectors]
    strongest = report.rival.name if report.rival else None
    shown = [each for each in report.baselines if each.name in (ASYMMETRY, strongest)]
    rows += [_row(_name(each), each) for each in shown]
    show_table(EVALUATION_TABLE, TITLES, rows, spare=SPARE, option="--json")
    others_shown = [each for each in report.baselines if each not in shown]
    if others_shown:
        show_lines(OTHER_BASELINES.format(", ".join(map(_auroc, others_shown))))
    for each in (report, *others):
        _show_beside(each)


def _show_beside(report: "EvaluationReport") -> None:
    """A recipe's decisions, beside the asymmetry, among scans alike, its map beside the masks."""
    lead, lesions, found = report.versus_asymmetry, report.lesions, report.model.metrics
    repeats, name = counted(found.n_repeats, "repeat"), report.recipe_name
    show_lines(CONFUSION.format(found.confusion, name=name, repeats=repeats))
    if lead is not None:
        shown = lead.interval.low > 0 or lead.interval.high < 0
        chance = "" if shown else ": neither is shown to be better"
        show_lines(
            LEAD.format(report.recipe_name, lead.value, lead.interval, chance=chance),
        )
    for label, shares in report.verdicts.items():
        texts = (f"{_with_interval(each)} {v.replace('_', ' ')}" for v, each in shares.items())
        show_lines(VERDICTS.format(report.recipe_name, label.value, ", ".join(texts)))
    if report.promised is not None:
        rate = "false_positive_rate"
        came = _figure(found.values[rate], found.intervals[rate])
        show_lines(PROMISED.format(report.recipe_name, _with_interval(report.promised), came))
    for name, figure in report.strata.items():
        show_lines(STRATUM.format(report.recipe_name, name, _with_interval(figure)))
    if lesions is not None:
        figures = {name: _with_interval(each) for name, each in lesions.figures.items()}
        show_lines(*(line.format(report, lesions, **figures) for line in LESIONS))
    if report.few_to_calibrate is not None:
        show_lines(FEW.format(report.recipe_name, report.few_to_calibrate))


def _with_interval(figure: "Figure") -> str:
    return _figure(figure.value, figure.interval)


def _figure(value: float | None, between: "Interval | None") -> str:
    if value is None:
        return "n/a"
    return f"{value:.3f}" + (f" ({between.low:.2f}-{between.high:.2f})" if between else "")


def _name(row: "EvaluatedRow") -> str:
    named = NAMES[row.kind].get(row.name)
    return named or (f"{row.name} alone" if row.kind == "detector" else f"baseline: {row.name}")


def _auroc(row: "EvaluatedRow") -> str:
    value = row.metrics.values["auroc"]
    return f"{row.name} {'n/a' if value is None else f'{value:.3f}'}"


def _row(name: str, row: "EvaluatedRow") -> list[Cell]:
    interval = row.metrics.intervals.get("auroc")
    between = "-" if interval is None else f"{interval.low:.2f}-{interval.high:.2f}"
    values = [
        None if (value := row.metrics.values[key]) is None else f"{value:.3f}" for key in FIGURES
    ]
    return [name, values[0], between, *values[1:]]

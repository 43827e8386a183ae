"""The folds of one evaluation joined: figures, curves, and what was measured on what."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mriad_model.enums import LabelValue, Verdict
from mriad_model.errors import NoScans
from mriad_model.evaluation.metrics.lesion_metrics import (
    Figure,
    LesionMetrics,
    lesion_metrics,
    stratified_auroc,
)
from mriad_model.evaluation.metrics.roc import FoldScores, dealt
from mriad_model.evaluation.metrics.scan_metrics import (
    RESAMPLES,
    Advantage,
    Metrics,
    RocBand,
    auroc_advantage,
    measure,
    roc_band,
)
from mriad_model.evaluation.metrics.verdict_shares import promised_rate, verdict_shares
from mriad_model.evaluation.protocol import EvaluationProtocol
from mriad_model.evaluation.results import MODEL_ROW, FoldResult, Picture, RowKind
from mriad_model.shares import FEW_TO_CALIBRATE

FEW = (
    "each fold's threshold is drawn from {scans} healthy scans, and {wanted} are the least that "
    "tell a rate; recall, specificity, precision, F1, verdicts and findings may be far from those "
    "of a model that more scans calibrate (the AUROC needs no threshold)"
)
MEMORISATION = "memorisation: train, threshold and test are the same images"


@dataclass(frozen=True, slots=True)
class EvaluatedRow:
    """One method with its figures."""

    name: str
    kind: RowKind
    metrics: Metrics
    auroc_direction_from_labels: float | None = None  # of a baseline, with its sign by the labels


@dataclass(frozen=True, slots=True)
class Rival:
    """The best method that needs no training, and by how much the model's AUROC is larger."""

    name: str
    direction_from_labels: bool  # the sign of the feature is from the labels
    auroc: float
    advantage: Advantage


@dataclass(frozen=True, slots=True)
class Sigmas:
    """Scores of all folds on one axis: sd of their calibration scores above the mean."""

    healthy: tuple[float, ...]
    abnormal: tuple[float, ...]  # each image once a repeat, under the fold it is dealt to
    threshold: float  # the median over folds; k itself under the policy "sigmas"


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Results of an evaluation."""

    protocol: EvaluationProtocol
    recipe: str  # JSON
    plan: str  # JSON
    n_files: int
    n_folded_away: int
    n_contradictory: int
    rows: tuple[EvaluatedRow, ...]
    rival: Rival | None
    roc: RocBand | None
    sigmas: Sigmas
    folds: tuple[FoldResult, ...]
    pictures: tuple[Picture, ...]
    seconds: float  # summed over folds
    versus_asymmetry: Advantage | None = None  # how much larger the model's AUROC is
    lesions: LesionMetrics | None = None
    extremes: tuple[Picture, ...] = ()
    strata: Mapping[str, Figure] = field(default_factory=dict)  # AUROC among scans alike in it
    verdicts: Mapping[LabelValue, Mapping[Verdict, Figure]] = field(default_factory=dict)
    n_patients: int = 0  # known ones
    promised: Figure | None = None  # the false-positive rate that the thresholds promise

    @property
    def memorisation(self) -> bool:
        """True where the model was tested on the images it was trained on."""
        return self.protocol is EvaluationProtocol.SEED

    @property
    def model(self) -> EvaluatedRow:
        """The recipe's own row."""
        return next(row for row in self.rows if row.kind is RowKind.MODEL)

    @property
    def note(self) -> str | None:
        """What a reader has to know before the figures."""
        return MEMORISATION if self.memorisation else None

    @property
    def recipe_name(self) -> str:
        """The name of the recipe that was measured."""
        return str(json.loads(self.recipe)["name"])

    @property
    def point(self) -> str:
        """What a map has: voxels or pixels, in the singular."""
        return "voxel" if json.loads(self.recipe).get("volumes") else "pixel"

    @property
    def calibrating(self) -> tuple[int, int]:
        """The least and the most healthy scans that a fold's threshold is drawn from.

        Groups of them (near-duplicates, scans of one patient), where a group counts once.
        """
        counts = [
            each.n_calibration if each.n_calibration_groups is None else each.n_calibration_groups
            for each in self.folds
        ]
        return min(counts), max(counts)

    @property
    def few_to_calibrate(self) -> str | None:
        """What it means that a fold's threshold is drawn from few scans; None where it is not."""
        least, most = self.calibrating
        if self.memorisation or least >= FEW_TO_CALIBRATE:
            return None
        scans = f"{least}" if least == most else f"{least} to {most}"
        return FEW.format(scans=scans, wanted=FEW_TO_CALIBRATE)

    @property
    def detectors(self) -> list[EvaluatedRow]:
        """Each of the recipe's detectors standing alone."""
        return [row for row in self.rows if row.kind is RowKind.DETECTOR]

    @property
    def baselines(self) -> list[EvaluatedRow]:
        """The methods without a model."""
        return [row for row in self.rows if row.kind is RowKind.BASELINE]


def summarise(results: Sequence[FoldResult], resamples: int = RESAMPLES) -> EvaluationReport:
    """Join the folds, in any order, of one evaluation (else ValueError). NoScans where none is."""
    if not results:
        raise NoScans("no fold was evaluated")
    ordered = sorted(results, key=lambda result: (result.repeat, result.fold))
    first = ordered[0]
    if len({(result.protocol, result.recipe, result.plan) for result in ordered}) > 1:
        raise ValueError("folds of different evaluations cannot be put together")
    of_row: dict[tuple[str, RowKind], list[FoldScores]] = {}
    for result in ordered:
        for row in result.rows:
            of_row.setdefault((row.name, row.kind), []).append(row.scores)
    model = of_row[MODEL_ROW, RowKind.MODEL]
    # Figures of unseen scans are omitted where there are none.
    unseen = [] if first.protocol is EvaluationProtocol.SEED else ordered
    return EvaluationReport(
        protocol=first.protocol,
        recipe=first.recipe,
        plan=first.plan,
        n_files=first.n_files,
        n_folded_away=first.n_folded_away,
        n_contradictory=first.n_contradictory,
        rows=_evaluated(of_row, resamples),
        rival=_rival(of_row, resamples),
        roc=roc_band(model),
        sigmas=_sigmas(model),
        folds=tuple(ordered),
        pictures=tuple(picture for result in ordered for picture in result.pictures),
        seconds=sum(result.seconds for result in ordered),
        versus_asymmetry=_versus_asymmetry(of_row, resamples),
        lesions=lesion_metrics([result.lesions for result in ordered], model),
        strata=_strata(ordered, model),
        extremes=tuple(picture for result in ordered for picture in result.extremes),
        verdicts=verdict_shares(
            [each.verdicts for each in unseen], model if unseen else [], resamples
        ),
        n_patients=first.n_patients,
        promised=promised_rate([result.promised for result in unseen]),
    )


def _versus_asymmetry(
    of_row: Mapping[tuple[str, RowKind], Sequence[FoldScores]], resamples: int
) -> Advantage | None:
    """By how much the model's AUROC is larger than that of comparing left with right.

    The baseline, which needs nothing of healthy slices, not a detector of that name.
    """
    for (name, kind), folds in of_row.items():
        if (name, kind) == ("asymmetry", RowKind.BASELINE):
            return auroc_advantage(of_row[MODEL_ROW, RowKind.MODEL], folds, resamples)
    return None


def _strata(results: Sequence[FoldResult], model: Sequence[FoldScores]) -> dict[str, Figure]:
    values: dict[str, dict[int, float]] = {}
    for result in results:
        for name, of_scans in result.strata.items():
            values.setdefault(name, {}).update(of_scans)
    found = {name: stratified_auroc(model, of_scans) for name, of_scans in values.items()}
    return {name: figure for name, figure in found.items() if figure is not None}


def _evaluated(
    of_row: Mapping[tuple[str, RowKind], Sequence[FoldScores]], resamples: int
) -> tuple[EvaluatedRow, ...]:
    directed = {}
    for (name, kind), folds in of_row.items():
        if kind is RowKind.DIRECTION:
            auroc = measure(folds, resamples=1).values["auroc"]
            directed[name] = None if auroc is None else max(auroc, 1.0 - auroc)
    return tuple(
        EvaluatedRow(name, kind, measure(folds, resamples), directed.get(name))
        for (name, kind), folds in of_row.items()
        if kind is not RowKind.DIRECTION
    )


def _rival(
    of_row: Mapping[tuple[str, RowKind], Sequence[FoldScores]], resamples: int
) -> Rival | None:
    """The strongest of the baselines, with and without their sign by the labels.

    Asymmetry among them, which needs nothing of healthy slices; no detector of that name.
    """
    best: tuple[float, str, bool, Sequence[FoldScores]] | None = None
    for (name, kind), folds in of_row.items():
        if kind not in {RowKind.BASELINE, RowKind.DIRECTION}:
            continue
        auroc = measure(folds, resamples=1).values["auroc"]
        if auroc is None:
            return None
        directed = kind is RowKind.DIRECTION
        leaning = [_negated(fold) for fold in folds] if directed and auroc < 0.5 else folds
        auroc = max(auroc, 1.0 - auroc) if directed else auroc
        if best is None or auroc > best[0]:
            best = auroc, name, directed, leaning
    if best is None:
        return None
    auroc, name, directed, rivals = best
    lead = auroc_advantage(of_row[MODEL_ROW, RowKind.MODEL], rivals, resamples)
    return None if lead is None else Rival(name, directed, auroc, lead)


def _negated(fold: FoldScores) -> FoldScores:
    return replace(
        fold,
        healthy_scores=tuple(-score for score in fold.healthy_scores),
        abnormal_scores=tuple(-score for score in fold.abnormal_scores),
    )


def _sigmas(folds: Sequence[FoldScores]) -> Sigmas:
    healthy: list[float] = []
    abnormal: list[float] = []
    for fold, mine in zip(folds, dealt(folds), strict=True):
        decided = np.asarray(fold.abnormal_scores)[mine]
        healthy += ((np.asarray(fold.healthy_scores) - fold.mean) / fold.sd).tolist()
        abnormal += ((decided - fold.mean) / fold.sd).tolist()
    lines = [(fold.threshold_value - fold.mean) / fold.sd for fold in folds]
    return Sigmas(tuple(healthy), tuple(abnormal), float(np.median(lines)))

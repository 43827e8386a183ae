"""One fold: fit on its training images, draw the threshold, score what it never saw."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mriad_model.datasets.roles import fold_parts
from mriad_model.detection.decisions.gate import Gate
from mriad_model.detection.decisions.head_gate import HeadGate
from mriad_model.detection.decisions.thresholds import ThresholdFit, fit_threshold
from mriad_model.detection.decisions.verdicts import Evidence, judge, threshold_band
from mriad_model.detection.finding_limits import FindingCounts
from mriad_model.detection.findings import FindingLimits
from mriad_model.detection.learned_gate import learned_gate
from mriad_model.detection.model import FittedModel, fit, fit_folds
from mriad_model.detection.scan_scores import ScanScores, largest_of_scans, scans_of_slices
from mriad_model.detection.training.fit_progress import Epoch, FitProgress
from mriad_model.enums import Verdict
from mriad_model.evaluation.baselines.metadata import baseline_scores, signed_scores
from mriad_model.evaluation.baselines.untrained import UNTRAINED
from mriad_model.evaluation.dataset import EvaluationData
from mriad_model.evaluation.lesion_maps import FoldLesions, lesion_slice, measure_lesions
from mriad_model.evaluation.metrics.roc import FoldScores
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
    EvaluationProtocol,
    Split,
    select,
    split,
)
from mriad_model.evaluation.results import MODEL_ROW, FoldResult, Picture, RowKind, ScoreRow
from mriad_model.preprocessing.slices import SliceBatch, joined
from mriad_model.recipes.recipe import CrossFitting, Plane, Recipe

Scores = NDArray[np.float64]
TOGETHER = 256  # slices that a model scores at a time
Paint = Callable[[NDArray[np.float32], NDArray[np.float32], tuple[float, float], str], bytes]
"""(prepared slice (S, S), its map (S, S), the model, a caption) -> a picture file's bytes."""


def run_fold(
    data: EvaluationData,
    plan: EvaluationPlan,
    at: tuple[int, int],
    recipe: Recipe,
    device: str = "auto",
    *,
    progress: Callable[[FitProgress], None] | None = None,
    fit: Callable[..., FittedModel] = fit,
    paint: Paint | None = None,
) -> FoldResult:
    """Train, calibrate and test in one fold `at` = (repeat, fold) of a plan.

    With the `seed` protocol all three are the same images, every epoch is run and the last weights
    count, as in the published notebook: its figures measure memory.
    """
    started = time.perf_counter()
    chosen = select(data, plan.protocol)
    parts = split(data, chosen, plan, at, recipe.cross_fitting)
    epochs: list[Epoch] = []

    def record(step: FitProgress) -> None:
        if isinstance(step, Epoch):
            epochs.append(step)
        if progress is not None:
            progress(step)

    seeded = recipe.with_training(seed=recipe.training.seed + plan.seed + at[0])
    if parts.folds:
        model = fit_folds(_fold_slices(data, parts, seeded), seeded, device, record)
    else:
        model = fit(
            data.training_slices(parts.train, recipe),
            data.training_slices(parts.validation, recipe) if parts.validation else None,
            seeded,
            device,
            record,
        )
    if recipe.gate is not None:
        model = replace(model, gate=_gate(model, data, parts))
    astray = _misplaced(model, data, parts, recipe)
    if astray:  # none of them calibrates
        kept = tuple(i for i in parts.calibration if i not in astray)
        parts = replace(parts, calibration=kept)
    table = _Table(plan, at, parts, data.groups, by_group=recipe.calibrate_by_group)
    found, detectors = _scored(model, data, table, recipe)
    rows = _rows(data, table, [each.score for each in found], detectors)
    verdicts = _verdicts(table, found, recipe, astray)
    pictures: tuple[Picture, ...] = ()
    extremes: tuple[Picture, ...] = ()
    if paint is not None:
        painting = (model, recipe.scans.plane, paint)
        pictures, extremes = _pictures(data, table, found, rows[0], painting)
    return FoldResult(
        plan.protocol,
        *at,
        recipe=recipe.to_json(),
        plan=json.dumps(asdict(plan), sort_keys=True),
        n_files=len(data),
        n_folded_away=chosen.n_folded_away,
        n_contradictory=chosen.n_contradictory,
        n_train=len(parts.train),
        n_validation=len(parts.validation),
        n_calibration=len(parts.calibration),
        rows=rows,
        training=model.training,
        epochs=tuple(epochs),
        pictures=pictures,
        seconds=time.perf_counter() - started,
        lesions=_lesions(
            data, table, found, model, recipe, (rows[0].scores.threshold_value, verdicts)
        ),
        strata=_strata(data, table),
        extremes=extremes,
        verdicts=verdicts,
        n_patients=data.n_patients,
        promised=table.promised([each.score for each in found]),
        n_calibration_groups=table.n_calibration_groups,
    )


def _fold_slices(
    data: EvaluationData, parts: Split, recipe: Recipe
) -> list[tuple[SliceBatch, SliceBatch]]:
    """What each member of a cross-fitted model learns from, and what is held out from it."""
    how, items = recipe.cross_fitting or CrossFitting(), parts.train
    groups, names = [data.groups[i] for i in items], [data.names[i] for i in items]
    folds = [parts.folds[i] for i in items]
    found = []
    for fold in range(how.folds):
        train, held_out = (
            data.training_slices([items[place] for place in places], recipe)
            for places in fold_parts(groups, folds, fold, recipe, names)
        )
        found.append((train, held_out))
    return found


def _gate(model: FittedModel, data: EvaluationData, parts: Split) -> Gate | HeadGate | None:
    """The gate that a training on these scans would give."""
    items = [*parts.train, *parts.validation]
    return learned_gate(
        model,
        [data.scans[i].batch for i in items],
        [data.groups[i] for i in items],
        [parts.folds.get(i, -1) for i in items],
    )


def _misplaced(
    model: FittedModel, data: EvaluationData, parts: Split, recipe: Recipe
) -> frozenset[int]:
    """Scans that cannot be laid upon the model's mean head, by position."""
    if not recipe.in_frame:
        return frozenset()
    items = {*parts.calibration, *parts.test, *parts.abnormal}
    return frozenset(i for i in items if model.misplaced(data.scans[i].batch) is not None)


def _scored(
    model: FittedModel, data: EvaluationData, table: "_Table", recipe: Recipe
) -> tuple[list[ScanScores], dict[str, Scores]]:
    """The scores of a table's scans, and those by each detector; calibration's out of fold.

    Of abnormal scans that another fold decides the maps are not kept: nobody looks at them.
    """
    items, folds = table.items, table.parts.folds
    looked_at = {*table.parts.calibration, *table.parts.test, *table.parts.decided}
    found: dict[int, ScanScores] = {}
    by_detector: dict[str, dict[int, float]] = {}
    for fold in [None, *sorted(set(folds.values()))]:
        for mine in _few(data, [i for i in items if folds.get(i) == fold]):
            scans = [data.scans[i] for i in mine]
            batch = joined([scan.batch for scan in scans])
            scored = model.score(batch) if fold is None else model.score(batch, fold)
            of_scans = scans_of_slices(scored, scans, recipe.scans)
            if recipe.gate is not None and model.gate is not None:
                gates = largest_of_scans(model.gate_values(batch, fold), scans).tolist()
                pairs = zip(of_scans, gates, strict=True)
                of_scans = [replace(each, gate=value) for each, value in pairs]
            for i, each in zip(mine, of_scans, strict=True):
                # A copy: a view would keep the maps of all that were scored with it.
                maps = each.maps.copy() if i in looked_at else each.maps[:0].copy()
                found[i] = replace(each, maps=maps)
            for name, part in scored.parts.items():
                largest = largest_of_scans(part, scans).tolist()
                by_detector.setdefault(name, {}).update(zip(mine, largest, strict=True))
    detectors = {
        name: np.array([of_item[i] for i in items]) for name, of_item in by_detector.items()
    }
    return [found[i] for i in items], detectors


def _few(data: EvaluationData, items: Sequence[int]) -> Iterator[list[int]]:
    """Positions of scans, about `TOGETHER` slices at a time: maps of all would fill memory."""
    few: list[int] = []
    for item in items:
        few.append(item)
        if sum(len(data.scans[i]) for i in few) >= TOGETHER:
            yield few
            few = []
    if few:
        yield few


@dataclass(frozen=True, slots=True)
class _Table:
    """Where in the list of scored images each one of a fold stands."""

    plan: EvaluationPlan
    at: tuple[int, int]
    parts: Split
    groups: Sequence[int]  # of all images, by position
    by_group: bool  # whether the model's calibration counts groups

    @property
    def items(self) -> list[int]:
        """Positions of the images to score, each once."""
        return sorted({*self.parts.calibration, *self.parts.test, *self.parts.abnormal})

    def fold_scores(self, scores: Mapping[int, float], threshold: ThresholdFit) -> FoldScores:
        """The test images' scores, by position, under a threshold."""
        test, abnormal = self.parts.test, self.parts.abnormal
        return FoldScores(
            *self.at,
            healthy_ids=test,
            healthy_scores=tuple(scores[i] for i in test),
            abnormal_ids=abnormal,
            abnormal_scores=tuple(scores[i] for i in abnormal),
            threshold_value=threshold.value,
            mean=threshold.mean,
            sd=threshold.sd,
            n_calibration=threshold.n,
            healthy_groups=tuple(self.groups[i] for i in test),
            abnormal_groups=tuple(self.groups[i] for i in abnormal),
        )

    def fit(self, calibration: Sequence[float]) -> ThresholdFit:
        """The plan's threshold of values of the calibration scans."""
        return fit_threshold(calibration, self.plan.policy, self.plan.k, self.calibration_groups)

    @property
    def calibration_groups(self) -> list[int] | None:
        """Those of the calibration scans; None where each scan counts."""
        return [self.groups[i] for i in self.parts.calibration] if self.by_group else None

    @property
    def n_calibration_groups(self) -> int | None:
        """How many groups; None where each scan counts."""
        groups = self.calibration_groups
        return None if groups is None else len(set(groups))

    def promised(self, scores: Sequence[float]) -> tuple[float, float, float] | None:
        """The rate of healthy scans that the threshold flags, as it says, and its interval."""
        of_item = dict(zip(self.items, scores, strict=True))
        fit = self.fit([of_item[i] for i in self.parts.calibration])
        if fit.rate is None or fit.rate_low is None or fit.rate_high is None:
            return None
        return fit.rate, fit.rate_low, fit.rate_high

    def row(self, name: str, kind: RowKind, scores: Sequence[float] | Scores) -> ScoreRow:
        """A method's row, its threshold drawn from its own calibration scores."""
        of_item = {i: float(score) for i, score in zip(self.items, scores, strict=True)}
        calibration = [of_item[i] for i in self.parts.calibration]
        constant = kind is not RowKind.MODEL and len(set(calibration)) == 1
        if constant:  # say, one file extension: a fact about the images, not a broken model
            value, n = calibration[0], len(calibration)
            threshold = ThresholdFit(self.plan.policy, value, 0.0, n, self.plan.k, value)
        else:
            threshold = self.fit(calibration)
        return ScoreRow(name, kind, self.fold_scores(of_item, threshold))


def _rows(
    data: EvaluationData, table: _Table, of_model: Sequence[float], detectors: Mapping[str, Scores]
) -> tuple[ScoreRow, ...]:
    """The model, its detectors where it has several, and every baseline."""
    items = table.items
    training = [data.features[i] for i in table.parts.train]
    images = [data.features[i] for i in items]
    rows = [table.row(MODEL_ROW, RowKind.MODEL, of_model)]
    if len(detectors) > 1:
        rows += [table.row(name, RowKind.DETECTOR, part) for name, part in detectors.items()]
    for name in UNTRAINED:  # beside a detector of the same name, which healthy slices have scaled
        untrained = [getattr(data.untrained[i], name) for i in items]
        rows.append(table.row(name, RowKind.BASELINE, untrained))
    for kind, of in ((RowKind.BASELINE, baseline_scores), (RowKind.DIRECTION, signed_scores)):
        rows += [table.row(name, kind, scores) for name, scores in of(training, images).items()]
    return tuple(rows)


def _lesions(
    data: EvaluationData,
    table: _Table,
    scored: Sequence[ScanScores],
    model: FittedModel,
    recipe: Recipe,
    decided: tuple[float, Mapping[int, str]],
) -> FoldLesions | None:
    """Maps and findings beside masks, by the threshold and the verdicts, where there are masks."""
    if table.plan.protocol is EvaluationProtocol.SEED:
        return None  # a map of what it was trained on
    parts = table.parts
    threshold, verdicts = decided
    by_item = dict(zip(table.items, scored, strict=True))

    def limits() -> FindingLimits:
        counted = FindingCounts(recipe, (model.colour_low, model.colour_high))
        items = sorted(parts.calibration)
        counted.add(items, [data.scans[i] for i in items], [by_item[i] for i in items])
        return counted.drawn([data.groups[i] for i in items]).limits

    return measure_lesions(
        data,
        by_item,
        recipe.scans.plane,
        (parts.test, parts.abnormal, parts.decided),
        threshold,
        limits,
        {i for i, verdict in verdicts.items() if verdict == Verdict.NOT_SCORABLE.value},
    )


def _verdicts(
    table: _Table, scored: Sequence[ScanScores], recipe: Recipe, astray: frozenset[int]
) -> dict[int, str]:
    """The verdict on each scan that the fold decides, by position, as a scoring would give it."""
    by_item = dict(zip(table.items, scored, strict=True))
    values = [by_item[i].score for i in table.parts.calibration]
    drawn, groups = table.fit(values), table.calibration_groups
    threshold = threshold_band(drawn.value, drawn.policy, drawn.k, values, groups, recipe.uncertain)
    found = {}
    for i in (*table.parts.test, *table.parts.decided):
        each = by_item[i]
        result = judge(Evidence(each.score, each.gate, each.spread), threshold, recipe.uncertain)
        found[i] = (Verdict.NOT_SCORABLE if i in astray else result.verdict).value
    return found


def _strata(data: EvaluationData, table: _Table) -> dict[str, dict[int, float]]:
    """What could pass for disease, by name and position; levels where all scans have one."""
    items = [*table.parts.test, *table.parts.abnormal]
    levels = {i: level for i in items if (level := data.levels[i]) is not None}
    strata = {"sharpness": {i: data.features[i].sharpness for i in items}}
    return strata | ({"level": levels} if len(levels) == len(set(items)) else {})


def _pictures(
    data: EvaluationData,
    table: _Table,
    scored: Sequence[ScanScores],
    row: ScoreRow,
    painting: tuple[FittedModel, Plane, Paint],
) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """Heatmaps of the worst slices of scans that this fold decides, of the first repeat alone.

    Of a scan that is missed, where a mask is known, the slice of its largest lesion instead.

    First those of the first scans, half of them healthy, chosen before any score is known. Then
    the extremes: the healthy scans that score highest, the abnormal ones lowest, in the middle and
    highest.
    """
    if table.at[0] > 0:
        return (), ()
    scores, (model, plane, paint) = row.scores, painting
    of_item = dict(
        zip(
            (*scores.healthy_ids, *scores.abnormal_ids),
            (*scores.healthy_scores, *scores.abnormal_scores),
            strict=True,
        )
    )
    n_folds = len(table.plan.folds) // table.plan.repeats
    each = -(-table.plan.n_pictures // (2 * n_folds))
    healthy = sorted(table.parts.test, key=lambda i: -of_item[i])
    abnormal = sorted(table.parts.decided, key=lambda i: of_item[i])
    middle = len(abnormal) // 2
    extremes = [*healthy[:2], *abnormal[:2], *abnormal[middle : middle + 1], *abnormal[-1:]]

    def painted(i: int) -> Picture:
        scan, colours = scored[table.items.index(i)], (model.colour_low, model.colour_high)
        suspicious = scan.score > scores.threshold_value
        missed = None if suspicious else lesion_slice(data, i, plane)
        shown = int(scan.slice_scores.argmax()) if missed is None else missed
        sigmas = (scan.score - scores.mean) / scores.sd
        image, caption = data.scans[i].batch.images[shown], f"{sigmas:+.1f} sigma"
        picture = paint(image, scan.maps[shown], colours, caption)
        return Picture(data.names[i], data.labels[i].value, sigmas, suspicious, picture)

    chosen = [*table.parts.test[:each], *table.parts.decided[:each]]
    return tuple(map(painted, chosen)), tuple(map(painted, dict.fromkeys(extremes)))

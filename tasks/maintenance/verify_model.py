"""Replay of the model's file and the threshold's calibration, on which decisions depend."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from db.entities import Model, Threshold
from db.repository.intake.sightings import ScanFiles, scan_files
from db.repository.reports.scan_details import ScoreDetails, recorded_scores
from db.repository.scoring.scores import StoredScore
from db.repository.training.models import model_folds
from mriad_model.detection.decisions.thresholds import fit_threshold
from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_scores import ScanScores, score_scans
from mriad_model.errors import ModelFileError, RejectedFile, SettingsError, ThresholdUndefined
from mriad_model.promotion.power import METRIC
from mriad_model.recipes.recipe import Recipe
from tasks.maintenance.verify_power import Pairs, implants_again, power_faults
from tasks.maintenance.verify_report import Alike, Fault, ReplayReport, alike, all_alike
from tasks.runtime.batching import in_chunks
from tasks.runtime.connections import database
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import tell
from tasks.runtime.source_files import LocatedScan, read_again
from tasks.runtime.workspace import Workspace
from tasks.scoring.calibration_scores import Calibration, calibration_of
from tasks.scoring.preprocess import prepare_outcomes

CHUNK = 256  # slices
QUICK, GONE = "--quick leaves them out", "the files of the scans are gone or changed"
UNPREPARED = "the scans hold nothing to judge any more"
NOT_IMPLANTED = "taken from the record, for no decision depends on it; --power implants again"
FROM_FILE = "taken from the model's file, for training is not repeated"


@dataclass(slots=True)
class Foundations:
    """Models and thresholds, each looked at once, when a decision first stands on it."""

    home: str
    device: str
    folder: Path  # scratch
    quick: bool  # calibration scores are taken from the record
    report: ReplayReport
    power: bool = False  # what models find of implants is replayed too
    runs: Counter[int] = field(default_factory=Counter)  # run -> scores with other last bits
    _models: dict[int, bool] = field(default_factory=dict)
    _thresholds: dict[int, bool] = field(default_factory=dict)
    _calibrations: dict[tuple[int, int], Calibration] = field(default_factory=dict)
    _again: dict[int, dict[int, float | None]] = field(default_factory=dict)  # model -> scan
    _implants: dict[int, Pairs] = field(default_factory=dict)  # of models, drawn again

    def weak(self, threshold: Threshold, model: Model) -> list[str]:
        """Which of the two does not come out as recorded: "threshold 2", "model 1"."""
        threshold_id, model_id = threshold.id or 0, model.id or 0
        if model_id not in self._models:
            self._models[model_id] = self._model_holds(model_id, model)
        if threshold_id not in self._thresholds:
            self._thresholds[threshold_id] = self._threshold_holds(threshold)
        holds = {
            f"threshold {threshold_id}": self._thresholds[threshold_id],
            f"model {model_id}": self._models[model_id],
        }
        return [name for name, well in holds.items() if not well]

    def calibration(self, model_id: int, dataset_id: int) -> Calibration:
        """The recorded scores that a threshold is drawn through; none where the recipe is broken.

        `_model_faults` reports that.
        """
        key = (model_id, dataset_id)
        if key not in self._calibrations:
            try:
                self._calibrations[key] = calibration_of(database(self.home), *key)
            except SettingsError:
                self._calibrations[key] = Calibration((), None)
        return self._calibrations[key]

    def _model_holds(self, model_id: int, model: Model) -> bool:
        faults = self._model_faults(model_id, model)
        self.report.faults += [Fault(f"model {model_id}", each) for each in faults]
        return not faults

    def _model_faults(self, model_id: int, model: Model) -> list[str]:
        """Where the record and the model's own file part."""
        try:
            fitted = loaded_model(self.home, model_id, self.device)
        except ModelFileError as error:
            return [str(error)]
        self.report.leave("weights, standards and colour limits of models", FROM_FILE)
        faults: list[str] = []
        if METRIC in json.loads(model.metrics) and not self.power:
            self.report.leave("power of models", NOT_IMPLANTED)
        elif METRIC in json.loads(model.metrics):
            again = implants_again(self.home, model, fitted, self.folder, self.report)
            self._implants[model_id], faults = again
        try:
            if Recipe.from_json(model.recipe) != fitted.recipe:
                faults.append("the recipe in the record is not that of the model's file")
        except SettingsError as error:
            faults.append(f"the recipe in the record: {error}")
        folds = set(model_folds(database(self.home), model_id).values())
        if not folds <= set(range(len(fitted.members))):
            faults.append("the record has scans in a fold that the model's file has no member of")
        if not _same_training(model.metrics, fitted):
            faults.append("the record's training metrics are not those of the model's file")
        return faults

    def _threshold_holds(self, threshold: Threshold) -> bool:
        faults = self._threshold_faults(threshold)
        name = f"threshold {threshold.id}"
        self.report.faults += [Fault(name, each) for each in faults]
        return not faults

    def _threshold_faults(self, threshold: Threshold) -> list[str]:
        healthy = self.calibration(threshold.model_id, threshold.dataset_id)
        rows, groups = healthy.scores, healthy.groups
        faults = _fit_faults(threshold, healthy.values, groups, Alike.IDENTICAL)
        faults += power_faults(threshold, self._implants.get(threshold.model_id, []))
        if self.quick:
            self.report.leave("calibration scores", QUICK, len(rows))
            return faults
        before = self._again.setdefault(threshold.model_id, {})
        try:
            faults += self._score_again(threshold.model_id, rows, before)
        except ModelFileError:
            return faults  # reported of the model
        values = [each.value if (v := before[each.scan_id]) is None else v for each in rows]
        if not faults:
            faults += _fit_faults(threshold, values, groups, Alike.CLOSE)
        return faults

    def _score_again(
        self,
        model_id: int,
        rows: Sequence[StoredScore],
        again: dict[int, float | None],
    ) -> list[str]:
        """Score calibration scans anew, those that `again` has not yet, and compare."""
        fitted = loaded_model(self.home, model_id, self.device)
        folds = model_folds(database(self.home), model_id)
        engine, faults, done = database(self.home), list[str](), 0
        todo = [each for each in rows if each.scan_id not in again]
        recorded = recorded_scores(engine, [each.score_id for each in todo])
        sighted = {s.id: s for s in scan_files(engine, [r.scan_id for r in todo])}
        pieces = in_chunks(todo, CHUNK, lambda each: sighted[each.scan_id].scan.n_slices)
        for number, piece in pieces:
            workspace = Workspace(self.folder / f"calibration-{model_id}-{number}")
            scans = [sighted[each.scan_id] for each in piece]
            found = self._found(scans, fitted, folds, workspace)
            for row in piece:
                again[row.scan_id] = found[row.scan_id].score if row.scan_id in found else None
                if row.scan_id in found:
                    faults += self._compared(recorded[row.score_id], found[row.scan_id])
            workspace.discard()
            done += len(piece)
            tell("scoring calibration scans again", done, len(todo))
        return faults

    def _found(
        self,
        scans: Sequence[ScanFiles],
        fitted: FittedModel,
        folds: Mapping[int, int],
        workspace: Workspace,
    ) -> dict[int, ScanScores]:
        """Scores computed now; what cannot be read or prepared is excluded, and reported."""
        read = read_again(Path(self.home), scans, workspace)
        self.report_gone(len(scans) - len(read))
        located = [LocatedScan(i, each) for i, each in read.items()]
        outcomes = prepare_outcomes(located, fitted.recipe)
        prepared = [each for each in outcomes if not isinstance(each, RejectedFile)]
        if len(prepared) < len(outcomes):
            n = len(outcomes) - len(prepared)
            self.report.leave("calibration scores", UNPREPARED, n)
        of_scans = [folds.get(each.scan_id) for each in prepared]
        scored = score_scans(fitted, [each.slices for each in prepared], of_scans)
        return {each.scan_id: found for each, found in zip(prepared, scored, strict=True)}

    def report_gone(self, n: int) -> None:
        """Report how many calibration scans have no files any more."""
        if n:
            self.report.leave("calibration scores", GONE, n)

    def _compared(self, recorded: ScoreDetails, found: ScanScores) -> list[str]:
        row = recorded.score
        slice_values = found.slice_scores.tolist()
        how = max(alike(found.score, row.value), all_alike(slice_values, recorded.slice_values))
        if found.positions != recorded.positions:
            how = Alike.OTHER
        self.report.calibration = self.report.calibration.plus(how)
        if how is Alike.CLOSE:
            self.runs[row.run_id] += 1
        if how is not Alike.OTHER:
            return []
        what = f"score of calibration scan {row.scan_id}"
        if alike(found.score, row.value) is Alike.OTHER:
            return [f"{what} is {found.score!r}, recorded {row.value!r}"]
        return [f"slice scores, the {what} being as recorded, are not"]


def _fit_faults(
    threshold: Threshold, scores: Sequence[float], groups: Sequence[int] | None, allowed: Alike
) -> list[str]:
    """What of a threshold does not follow from calibration scores."""
    try:
        drawn = fit_threshold(scores, threshold.policy, threshold.k, groups)
    except (ThresholdUndefined, SettingsError) as error:
        return [f"its calibration scores draw none: {error}"]
    names = ("mean", "sd", "n", "value")
    faults = []
    for name in names:
        found, recorded = getattr(drawn, name), getattr(threshold, name)
        if alike(found, recorded) > allowed:
            of = "recorded" if allowed is Alike.IDENTICAL else "recomputed"
            faults.append(f"its {name} by the {of} scores is {found!r}, recorded {recorded!r}")
    for name in ("n_groups", "rate", "rate_low", "rate_high"):
        found, recorded = getattr(drawn, name), getattr(threshold, name)
        if recorded is not None and alike(found, recorded) is Alike.OTHER:
            faults.append(f"its {name} is {found!r}, recorded {recorded!r}")
    return faults


def _same_training(metrics: str, fitted: FittedModel) -> bool:
    try:
        recorded = json.loads(metrics)
    except ValueError:
        return False
    own = asdict(fitted.training)
    return isinstance(recorded, dict) and all(
        recorded.get(name) == value for name, value in own.items() if name != "seconds"
    )

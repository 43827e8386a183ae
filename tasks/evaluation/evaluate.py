"""Evaluation: gathers labelled scans into one file, runs folds over it, writes a report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from mriad_model.datasets.labels import Labelling
from mriad_model.detection.decisions.compatibility import (
    KINDS,
    incompatibility,
    require_one_contrast,
)
from mriad_model.detection.training.fit_progress import FitProgress
from mriad_model.enums import PICTURES, VOLUMES, LabelValue, RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.evaluation.baselines.padim import PADIM, fit_padim
from mriad_model.evaluation.dataset import (
    EvaluationData,
    EvaluationScan,
    ScanSource,
    evaluation_scan,
    gather,
    put_aside,
)
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.listing import Listing, require_both_labels
from mriad_model.evaluation.protocol import EvaluationPlan
from mriad_model.evaluation.results import FoldResult
from mriad_model.evaluation.summary import EvaluationReport, summarise
from mriad_model.files import write_atomically
from mriad_model.heatmaps.overlay import paint
from mriad_model.paths import escape_path, unescape_path
from mriad_model.readers.contents import group_files
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.masks import (
    GridValues,
    laid_on,
    read_mask,
    read_values,
    with_difference,
)
from mriad_model.readers.scan_types import ReadScan, StoredScan
from mriad_model.recipes.recipe import Recipe
from mriad_model.rejections import RejectedItem, group_by_folder
from mriad_model.reports.contact_sheet import SUFFIX, contact_sheet
from mriad_model.reports.evaluation_report import render_evaluation
from mriad_model.reports.report_index import EVALUATION_NAME
from tasks.evaluation.labelled_scans import LabelledSource, labelled_files, name_of
from tasks.intake.find_files import ScanSources
from tasks.intake.read_sources import read_sources
from tasks.intake.rejections import rejected_unopened
from tasks.reports.run_report import provenance, write_page
from tasks.runtime.connections import reader_pool
from tasks.runtime.progress import tell
from tasks.runtime.workspace import Workspace
from tasks.training.train import tell_training

OTHER_KIND = "not of the kind that the recipe {!r} is for ({})"


@dataclass(frozen=True, slots=True)
class Gathered:
    """Scans of a folder for an evaluation, counted by label."""

    healthy: int
    abnormal: int
    unlabelled: int
    rejected: list[RejectedItem]


@task(name="preprocess", cache_policy=NO_CACHE)
def gather_labelled(
    folder: str,
    glob: str,
    labelling: Labelling,
    recipe: str,
    path: str,
    listing: Listing | None = None,
) -> Gathered:
    """Read and prepare the labelled scans of a folder into the file `path`.

    Raises:
        NoScans: there is no healthy scan, or no abnormal one.
        SettingsError: a CSV cannot be read; or the healthy scans are of several contrasts.
    """
    root, how = Path(unescape_path(folder)), Recipe.from_json(recipe)
    wanted = labelled_files(root, glob, labelling, listing or Listing())
    rejected_files: dict[FoundFile, RejectedFile] = {}
    found: list[EvaluationScan] = []
    contrasts: list[str | None] = []
    rejected = list(wanted.rejected)
    done = 0
    tell("reading", done, len(wanted.scans))
    for files, outcome in _read(list(wanted.scans), how, Path(path).parent / "scans"):
        done += len(files)
        if isinstance(outcome, RejectedFile):
            rejected_files |= dict.fromkeys(files, outcome)
            continue
        of_files = wanted.scans[files[0]]
        for labelled in of_files:
            if labelled.label is LabelValue.HEALTHY:
                contrasts.append(outcome.origin.contrast)
            made = _prepared(files, labelled, outcome, how)
            if not isinstance(made, RejectedFile):
                found.append(put_aside(made, Path(f"{path}.{len(found)}")))
            elif len(of_files) == 1:
                rejected_files |= dict.fromkeys(files, made)
            else:
                rejected.append(RejectedItem(labelled.name, made.reason, made.detail))
        outcome.discard()  # a volume takes tens of megabytes, and a folder may hold hundreds
        tell("reading", done, len(wanted.scans))
    require_one_contrast(contrasts, how)
    healthy = sum(each.source.label is LabelValue.HEALTHY for each in found)
    by_masks = listing is not None and listing.labels_from_masks
    require_both_labels(
        healthy, len(found) - healthy, wanted.unlabelled, wanted.masks, by_masks=by_masks
    )
    gather(found).write(Path(path))
    rejected += [
        RejectedItem(name_of(file, root), rejected_files[file].reason, rejected_files[file].detail)
        for file in wanted.scans
        if file in rejected_files
    ]
    return Gathered(healthy, len(found) - healthy, wanted.unlabelled, rejected)


@task(name="fold", task_run_name="repeat {repeat} fold {fold}", cache_policy=NO_CACHE)
def evaluate_fold(
    data: str, plan: EvaluationPlan, recipe: str, repeat: int, fold: int, device: str, path: str
) -> None:
    """Train and test one fold; its result goes into the file `path`."""
    result = run_fold(
        _data(data),
        plan,
        (repeat, fold),
        Recipe.from_json(recipe),
        device,
        progress=_teller(plan, Recipe.from_json(recipe).name, repeat, fold),
        paint=paint,
        **_fitted_otherwise(recipe),
    )
    write_atomically(Path(path), result.to_json().encode())


@task(name="report", cache_policy=NO_CACHE)
def write_evaluation_report(
    home: str,
    run_id: int,
    folder: str,
    paths: Sequence[str],
    rejected: Sequence[RejectedItem],
    number: int = 0,
) -> tuple[EvaluationReport, str]:
    """Put the folds together and write the page; its path, relative to the home, comes second.

    `number` counts the recipes of one evaluation, from 0.
    """
    results = [FoldResult.from_json(Path(path).read_text()) for path in paths]
    report = summarise(results)
    page = render_evaluation(report, provenance(home, run_id, folder), group_by_folder(rejected))
    name = EVALUATION_NAME.format(run=run_id) + (f"-{report.recipe_name}" if number else "")
    written = write_page(Path(home), name, page)
    if report.extremes:
        write_atomically((Path(home) / written).with_suffix(SUFFIX), contact_sheet(report.extremes))
    return report, written


def _fitted_otherwise(recipe: str) -> dict[str, Any]:
    """Of a comparator that is no recipe of ours, how it is fitted."""
    return {"fit": fit_padim} if Recipe.from_json(recipe).name == PADIM.name else {}


def _read(
    files: Sequence[FoundFile], recipe: Recipe, scratch: Path
) -> Iterator[tuple[tuple[FoundFile, ...], StoredScan | RejectedFile]]:
    """The scans in files, each read in a child; or why they are none that the recipe is for."""
    yield from (
        ((each,), rejected_unopened(each.rejection)) for each in files if each.rejection is not None
    )
    contents = group_files(reader_pool(), [each for each in files if each.rejection is None])
    for file, error in contents.rejections:
        yield (file,), error
    of_kinds = {
        PICTURES: ScanSources(pictures=contents.pictures),
        VOLUMES: ScanSources(volumes=contents.volumes),
    }
    yield from read_sources(of_kinds.pop(recipe.kinds), Workspace(scratch))
    other = RejectedFile(
        RejectionReason.UNSUPPORTED, OTHER_KIND.format(recipe.name, KINDS[recipe.kinds])
    )
    yield from ((of_scan, other) for left in of_kinds.values() for of_scan in left.files)


def _prepared(
    files: tuple[FoundFile, ...], labelled: LabelledSource, stored: StoredScan, recipe: Recipe
) -> EvaluationScan | RejectedFile:
    origin = stored.origin
    why = incompatibility(recipe, origin.kind, origin.contrast, stored.geometry(len(files)))
    if why is not None:
        return RejectedFile(RejectionReason.OTHER_KIND, why)
    source = ScanSource(
        labelled.name,
        labelled.label,
        size_bytes=sum(each.size for each in files),
        patient=labelled.patient or origin.patient,
        level=labelled.level,
    )
    try:
        scan = stored.load()
        if labelled.difference is not None:
            if isinstance(scan, ImageScan):
                detail = "a difference can be added to a volume only"
                return RejectedFile(RejectionReason.UNSUPPORTED, detail)
            scan = with_difference(scan, _beside(read_values, labelled.difference))
        return evaluation_scan(source, scan, recipe, _lesion(labelled.mask, scan))
    except RejectedFile as rejection:
        return rejection


def _lesion(mask: Path | None, scan: ReadScan) -> NDArray[np.bool_] | None:
    """Where the lesions are, on the scan's grid. Raises RejectedFile."""
    if mask is None:
        return None
    found = _beside(read_mask, mask)
    return found.values if isinstance(scan, ImageScan) else laid_on(found, scan)


def _beside(read: Callable[[Path], GridValues], path: Path) -> GridValues:
    """What a file beside a scan holds, read in a child. Raises RejectedFile, which says so."""
    (outcome,) = reader_pool().map(read, [path])
    if isinstance(outcome, RejectedFile):
        detail = f"the file {escape_path(path.name)} beside it: {outcome.detail}"
        raise RejectedFile(outcome.reason, detail)
    return outcome


def _data(path: str) -> EvaluationData:
    """The scans, once for folds that run side by side."""
    with _MAPPING:
        return _mapped(path)


_MAPPING = Lock()


@lru_cache(maxsize=1)
def _mapped(path: str) -> EvaluationData:
    return EvaluationData.from_file(Path(path))


def _teller(
    plan: EvaluationPlan, recipe: str, repeat: int, fold: int
) -> Callable[[FitProgress], None]:
    name = f"{recipe}, fold {plan.folds.index((repeat, fold)) + 1} of {len(plan.folds)}"
    return lambda step: tell_training(step, name)

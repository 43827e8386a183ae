"""Evaluation: gathers labelled scans into one file, runs folds over it, writes a report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from mriad_model.detection.compatibility import KINDS, incompatibility, require_one_contrast
from mriad_model.detection.training import Epoch
from mriad_model.enums import PICTURES, VOLUMES, LabelValue, RejectionReason
from mriad_model.errors import NoScans, RejectedFile
from mriad_model.evaluation.dataset import (
    EvaluationData,
    EvaluationScan,
    evaluation_scan,
    gather,
)
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.protocol import EvaluationPlan
from mriad_model.evaluation.results import FoldResult
from mriad_model.evaluation.summary import EvaluationReport, summarise
from mriad_model.files import write_atomically
from mriad_model.heatmaps.overlay import paint
from mriad_model.paths import escape_path, unescape_path
from mriad_model.readers.contents import group_files
from mriad_model.readers.folders import FoundFile, list_files
from mriad_model.readers.scan_types import StoredScan
from mriad_model.recipes import Recipe
from mriad_model.rejections import RejectedItem, group_by_folder
from mriad_model.reports.evaluation_report import render_evaluation
from tasks.intake.find_files import ScanSources
from tasks.intake.ingest import Labelling, labeller
from tasks.intake.read_sources import read_sources
from tasks.intake.rejections import refusal
from tasks.reports.run_report import provenance, write_page
from tasks.runtime.connections import reader_pool
from tasks.runtime.progress import tell
from tasks.runtime.workspace import Workspace

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
    folder: str, glob: str, labelling: Labelling, recipe: str, path: str
) -> Gathered:
    """Read and prepare the labelled scans of a folder into the file `path`.

    Raises:
        NoScans: there is no healthy scan, or no abnormal one.
        SettingsError: the label CSV cannot be read; or the healthy scans are of several contrasts.
    """
    root, how = Path(unescape_path(folder)), Recipe.from_json(recipe)
    label_of = labeller(root, labelling)
    labels = {file: label_of(file.path) for file in list_files(root, glob)}
    wanted = {file: label for file, label in labels.items() if label is not None}
    refused: dict[FoundFile, RejectedFile] = {}
    found: list[EvaluationScan] = []
    contrasts: list[str | None] = []
    for files, outcome in _read(list(wanted), how, Path(path).parent / "scans"):
        label = wanted[files[0]]
        made: EvaluationScan | RejectedFile
        if isinstance(outcome, RejectedFile):
            made = outcome
        else:
            contrasts += [outcome.origin.contrast] if label is LabelValue.HEALTHY else []
            made = _prepared(files, _name(files[0], root), label, outcome, how)
            outcome.discard()  # a volume takes tens of megabytes, and a folder may hold hundreds
        if isinstance(made, RejectedFile):
            refused |= dict.fromkeys(files, made)
        else:
            found.append(made)
        tell("reading", len(found) + len(refused), len(wanted))
    require_one_contrast(contrasts, how)
    healthy = sum(each.label is LabelValue.HEALTHY for each in found)
    unlabelled = len(labels) - len(wanted)
    _require_both(healthy, len(found) - healthy, unlabelled)
    write_atomically(Path(path), gather(found).to_bytes())
    rejected = [
        RejectedItem(_name(file, root), refused[file].reason, refused[file].detail)
        for file in wanted
        if file in refused
    ]
    return Gathered(healthy, len(found) - healthy, unlabelled, rejected)


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
        progress=_teller(plan, repeat, fold),
        paint=paint,
    )
    write_atomically(Path(path), result.to_json().encode())


@task(name="report", cache_policy=NO_CACHE)
def write_evaluation_report(
    home: str, run_id: int, folder: str, paths: Sequence[str], rejected: Sequence[RejectedItem]
) -> tuple[EvaluationReport, str]:
    """Put the folds together and write the page; its path, relative to the home, comes second."""
    results = [FoldResult.from_json(Path(path).read_text()) for path in paths]
    report = summarise(results)
    page = render_evaluation(report, provenance(home, run_id, folder), group_by_folder(rejected))
    return report, write_page(Path(home), f"evaluation-run-{run_id}", page)


def _read(
    files: Sequence[FoundFile], recipe: Recipe, scratch: Path
) -> Iterator[tuple[tuple[FoundFile, ...], StoredScan | RejectedFile]]:
    """The scans in files, each read in a child; or why they are none that the recipe is for."""
    yield from (((each,), refusal(each.refused)) for each in files if each.refused is not None)
    contents = group_files(reader_pool(), [each for each in files if each.refused is None])
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
    files: tuple[FoundFile, ...], name: str, label: LabelValue, stored: StoredScan, recipe: Recipe
) -> EvaluationScan | RejectedFile:
    origin = stored.origin
    why = incompatibility(recipe, origin.kind, origin.contrast, stored.geometry(len(files)))
    if why is not None:
        return RejectedFile(RejectionReason.OTHER_KIND, why)
    size = sum(each.size for each in files)
    try:
        return evaluation_scan(name, label, size, stored.load(), recipe, origin.patient)
    except RejectedFile as rejection:
        return rejection


def _name(file: FoundFile, root: Path) -> str:
    return escape_path(file.path.relative_to(root) if file.path != root else file.path.name)


def _require_both(healthy: int, abnormal: int, unlabelled: int) -> None:
    if healthy and abnormal:
        return
    raise NoScans(
        f"{healthy} healthy and {abnormal} abnormal scans there ({unlabelled} without a label); "
        "an evaluation needs both: put them in folders no/ and yes/ (or healthy/ and abnormal/), "
        "or name a CSV with --labels"
    )


@lru_cache(maxsize=1)
def _data(path: str) -> EvaluationData:
    return EvaluationData.from_file(Path(path))


def _teller(plan: EvaluationPlan, repeat: int, fold: int) -> Callable[[Epoch], None]:
    name = f"fold {plan.folds.index((repeat, fold)) + 1} of {len(plan.folds)}"
    return lambda epoch: tell(name, epoch.number, epoch.max_epochs, "epochs")

"""Evaluation: labelled images gathered into one file, folds run over it, a report at the end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from mriad_model.datasets.duplicates import Fingerprint, fingerprint, twin_groups
from mriad_model.detection.training import Epoch
from mriad_model.enums import LabelValue, RejectionReason
from mriad_model.errors import NoScans, RejectedFile
from mriad_model.evaluation.dataset import EvaluationData, EvaluationImage, gather
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.protocol import EvaluationPlan
from mriad_model.evaluation.results import FoldResult
from mriad_model.evaluation.summary import EvaluationReport, summarise
from mriad_model.files import make_folder, write_atomically
from mriad_model.heatmaps.overlay import paint
from mriad_model.paths import escape_path, unescape_path
from mriad_model.readers.contents import group_files
from mriad_model.readers.folders import FoundFile, list_files
from mriad_model.readers.images.reading import StoredImage, store_image
from mriad_model.recipes import Recipe
from mriad_model.rejections import RejectedItem
from mriad_model.reports.evaluation_report import render_evaluation
from tasks.intake.ingest import TOGETHER, Labelling, labeller
from tasks.intake.rejections import refusal
from tasks.reports.run_report import provenance, refusal_lines, write_page
from tasks.runtime.connections import reader_pool
from tasks.runtime.progress import tell

_VOLUME = RejectedFile(
    RejectionReason.UNSUPPORTED, "a DICOM file or NIfTI volume; an evaluation takes pictures"
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a folder held for an evaluation."""

    healthy: int
    abnormal: int
    unlabelled: int
    rejected: list[RejectedItem]


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A picture that reads, with its label and fingerprint."""

    file: FoundFile
    label: LabelValue
    picture: StoredImage
    fingerprint: Fingerprint


@task(name="preprocess", cache_policy=NO_CACHE)
def gather_labelled(
    folder: str, glob: str, labelling: Labelling, recipe: str, path: str
) -> Gathered:
    """Read and prepare the labelled images of a folder into the file `path`.

    Raises:
        NoScans: there is no healthy image, or no abnormal one.
        SettingsError: the label CSV cannot be read.
    """
    root = Path(unescape_path(folder))
    say = labeller(root, labelling)
    files = list(list_files(root, glob))
    labels = [say(file.path) for file in files]
    rejected: list[RejectedItem] = []
    found: list[LabelledImage] = []
    wanted = [(f, label) for f, label in zip(files, labels, strict=True) if label is not None]
    scratch = Path(path).parent / "pictures"
    make_folder(scratch)
    outcomes = _read([file for file, _ in wanted], scratch)
    for (file, label), outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, RejectedFile):
            name = _name(file, root)
            rejected.append(RejectedItem(name, outcome.reason.value, outcome.detail))
        else:
            found.append(LabelledImage(file, label, outcome, fingerprint(outcome.load().pixels)))
        tell("reading", len(found) + len(rejected), len(wanted))
    healthy = sum(each.label is LabelValue.HEALTHY for each in found)
    _require_both(healthy, len(found) - healthy, labels.count(None))
    data = gather(_images(found, root), Recipe.from_json(recipe).preprocessing)
    write_atomically(Path(path), data.to_bytes())
    return Gathered(healthy, len(found) - healthy, labels.count(None), rejected)


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
    page = render_evaluation(report, provenance(home, run_id, folder), refusal_lines(rejected))
    return report, write_page(Path(home), f"evaluation-run-{run_id}", page)


def _read(files: Sequence[FoundFile], scratch: Path) -> Iterator[StoredImage | RejectedFile]:
    """Each file as a picture, read in a child; or why it is none."""
    contents = group_files(reader_pool(), [each for each in files if each.refused is None])
    pictures = set(contents.pictures)
    refused = {each.found: RejectedFile(each.reason, each.detail) for each in contents.refusals}
    jobs = [(each.path, scratch) for each in files if each in pictures]
    stored = reader_pool().map(store_image, jobs, together=TOGETHER)
    for each in files:
        if each.refused is not None:
            yield refusal(each.refused)
        else:
            yield next(stored) if each in pictures else refused.get(each, _VOLUME)


def _images(found: Sequence[LabelledImage], root: Path) -> Iterator[EvaluationImage]:
    """The images, one at a time: fingerprints and groups need all, preparing does not."""
    groups = twin_groups([each.fingerprint for each in found])
    for each, group in zip(found, groups, strict=True):
        pixels = each.picture.load().pixels
        yield EvaluationImage(_name(each.file, root), each.label, group, each.file.size, pixels)


def _name(file: FoundFile, root: Path) -> str:
    return escape_path(file.path.relative_to(root) if file.path != root else file.path.name)


def _require_both(healthy: int, abnormal: int, unlabelled: int) -> None:
    if healthy and abnormal:
        return
    raise NoScans(
        f"{healthy} healthy and {abnormal} abnormal images there ({unlabelled} without a label); "
        "an evaluation needs both: put them in folders no/ and yes/ (or healthy/ and abnormal/), "
        "or name a CSV with --labels"
    )


@lru_cache(maxsize=1)
def _data(path: str) -> EvaluationData:
    return EvaluationData.from_file(Path(path))


def _teller(plan: EvaluationPlan, repeat: int, fold: int) -> Callable[[Epoch], None]:
    name = f"fold {plan.folds.index((repeat, fold)) + 1} of {len(plan.folds)}"
    return lambda epoch: tell(name, epoch.number, epoch.max_epochs, "epochs")

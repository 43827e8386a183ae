"""Small phantom volumes, a small model of them, and the tasks of a night as one call."""

from dataclasses import dataclass
from pathlib import Path

from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue, Policy, Role
from mriad_model.paths import escape_path
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import write_dicom_series, write_nifti
from mriad_model.recipes.built_in_recipes import VOLUME_AUTOENCODER
from mriad_model.recipes.recipe import Recipe
from tasks.calibration.recalibrate import activate
from tasks.intake.find_files import FoundScans, ScanSources, find_files
from tasks.intake.ingest import Ingested, ingest_chunk
from tasks.scoring.preprocess import preprocess_chunk
from tasks.scoring.score import ScoredChunk, score_chunk
from tasks.scoring.selection import PendingScans, find_model, find_undecided, wanted_scans
from tasks.training.train import calibrate, train
from tests.tasks.conftest import Bench

CONTRAST = Contrast.T1
SHAPE = (24, 64, 56)
N_HEALTHY = 6
QUICK = VOLUME_AUTOENCODER.with_training(max_epochs=2)


def write_head(
    path: Path, number: int, lesion: Lesion | None = None, contrast: Contrast = CONTRAST
) -> None:
    """One head as NIfTI where the name says so, else as a series in a folder of that name."""
    volume = phantom_volume(number, contrast, lesion, SHAPE)
    if path.name.endswith(".nii.gz"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(path, volume.voxels, volume)
    else:
        write_dicom_series(path, volume, patient=f"patient {number}", contrast=contrast)


def teach(bench: Bench, folder: Path, recipe: Recipe = QUICK) -> int:
    """Train on a folder of healthy heads and activate the model; its threshold's id."""
    seen = bench.ingest(folder).seen
    bench.label(folder, Labelling("me", LabelValue.HEALTHY), seen)
    home, run_id = str(bench.home), bench.run_id
    dataset = bench.freeze(recipe)
    text = recipe.with_contrast(dataset.contrasts).to_json()
    folders = {}
    for role in Role:
        work, wanted = str(bench.home / "work" / role.value), wanted_scans(dataset.scans[role])
        folders[role] = [work] if preprocess_chunk.fn(home, run_id, text, wanted, work) else []
    trained = train.fn(
        home, run_id, dataset.id, text, folders[Role.TRAIN], folders[Role.VALIDATION], "cpu"
    )
    threshold_id = calibrate.fn(
        home,
        run_id,
        trained.model_id,
        dataset.id,
        folders[Role.TRAIN if dataset.folds else Role.CALIBRATION],
        Policy.SIGMAS,
        1.0,
        "cpu",
    )
    activate.fn(home, threshold_id, "taught", "me")
    return threshold_id


@dataclass(frozen=True)
class Night:
    """What the tasks of a scoring run came to."""

    bench: Bench  # under the run's id
    found: FoundScans
    read: Ingested
    known: PendingScans
    new: PendingScans
    scored: tuple[ScoredChunk, ScoredChunk]  # of known scans, of new ones

    @property
    def decided(self) -> int:
        return sum(each.decided for each in self.scored)


def score(bench: Bench, folder: Path) -> Night:
    """What the scoring flow does, as one chunk of known scans and one of new ones."""
    tonight = bench.next_night()
    home, run_id = str(tonight.home), tonight.run_id
    model = find_model.fn(home)
    found = find_files.fn(home, run_id, escape_path(folder), "*")
    known = find_undecided.fn(home, run_id, model, Ingested(found.known))
    at_new, at_known = (
        str(tonight.home / "work" / f"{run_id}-{name}") for name in ("new", "known")
    )
    read = ingest_chunk.fn(home, run_id, ScanSources.of(found.unread), at_new, keep=True)
    new = find_undecided.fn(home, run_id, model, read)
    scored = []
    for wanted, workspace in ((known, at_known), (new, at_new)):
        preprocess_chunk.fn(home, run_id, model.recipe, wanted, workspace)
        scored.append(score_chunk.fn(home, run_id, model, "cpu", workspace, wanted))
    return Night(tonight, found, read, known, new, (scored[0], scored[1]))

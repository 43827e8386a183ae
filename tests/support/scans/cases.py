"""Small hard series and NIfTI files of drawn heads, and a model that tells ill heads by them.

The archive is no part of the project: what it holds is also drawn by tests that need none.
"""

import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path

from mriad_model.detection.decisions.thresholds import ThresholdFit, fit_threshold
from mriad_model.detection.model import FittedModel, fit
from mriad_model.detection.scan_scores import ScanScores, score_scans
from mriad_model.enums import ScanKind, Verdict
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import SHAPE, phantom_affine
from mriad_model.preprocessing.scan_slices import prepare_scan, training_slices
from mriad_model.preprocessing.slices import joined
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.volume.volumes import Origin, Volume, volume_of
from mriad_model.recipes.built_in_recipes import VOLUME_AUTOENCODER
from tests.support.places import SHARED
from tests.support.scans.survey import survey

ARCHIVE = SHARED / "cases/cases.tar.xz"
WHY_NOT = "shared/data/cases is absent"

RECIPE = VOLUME_AUTOENCODER.with_training(max_epochs=6)
N_TRAIN, N_VALIDATION, N_CALIBRATION = 6, 2, 8  # heads
MODEL, THRESHOLD = "model.safetensors", "threshold"  # files of a judge that is kept
FIRST = 1000  # number of the first head drawn


@dataclass(frozen=True)
class Judge:
    """A small model of healthy FLAIR heads, and its threshold."""

    model: FittedModel
    threshold: ThresholdFit

    def scored(self, volume: Volume) -> ScanScores:
        (found,) = score_scans(self.model, [prepare_scan(volume, RECIPE)])
        return found

    def verdict(self, volume: Volume) -> Verdict:
        suspicious = self.scored(volume).score > self.threshold.value
        return Verdict.SUSPICIOUS if suspicious else Verdict.NORMAL

    def keep(self, folder: Path) -> None:
        """Write it, to the last bit, for `kept_judge` to read."""
        (folder / MODEL).write_bytes(self.model.to_bytes())
        (folder / THRESHOLD).write_bytes(pickle.dumps(self.threshold))


def kept_judge(folder: Path) -> Judge:
    model = FittedModel.from_bytes((folder / MODEL).read_bytes(), "cpu")
    return Judge(model, pickle.loads((folder / THRESHOLD).read_bytes()))


def unpack(folder: Path) -> Path:
    """The archive's cases as folders in `folder`."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def series_in(folder: Path) -> list[Volume]:
    """The volumes of all series in a folder, as they are surveyed."""
    return [read_series(each) for each in survey(list_files(folder)).series]


def rejected_in(folder: Path) -> set[str]:
    """The reasons for which files of a folder are in no series."""
    return {error.reason.value for _, error in survey(list_files(folder)).rejections}


def flair_head(number: int, lesion: Lesion | None = None) -> Volume:
    """A drawn head of a shape as in the archive."""
    drawn = phantom_volume(number, Contrast.FLAIR, lesion, SHAPE)
    origin = Origin(ScanKind.NIFTI, contrast="FLAIR")
    return volume_of(drawn.voxels, phantom_affine(drawn), origin)


def trained_judge() -> Judge:
    """Train and calibrate: half a minute."""
    heads = range(FIRST, FIRST + N_TRAIN + N_VALIDATION)
    slices = [training_slices(prepare_scan(flair_head(number), RECIPE), RECIPE) for number in heads]
    model = fit(joined(slices[:N_TRAIN]), joined(slices[N_TRAIN:]), RECIPE, "cpu")
    others = range(heads.stop, heads.stop + N_CALIBRATION)
    prepared = [prepare_scan(flair_head(number), RECIPE) for number in others]
    return Judge(model, fit_threshold([each.score for each in score_scans(model, prepared)]))

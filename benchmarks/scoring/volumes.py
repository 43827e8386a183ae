"""How long a volume of 256 x 256 x 180 takes, step by step, on one thread.

python -m benchmarks.scoring.volumes

How well lesions are found is measured by `mriad evaluate --recipe volume`, on volumes that
`mriad draw` makes or on those of a clinic.
"""

import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import torch

from benchmarks.__main__ import say
from benchmarks.scoring.reading import series_in
from mriad_model.detection.model import fit
from mriad_model.detection.scan_scores import score_scans
from mriad_model.enums import ScanKind
from mriad_model.heatmaps.scan_maps import draw_maps
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import (
    LARGE_SHAPE,
    SHAPE,
    phantom_affine,
    write_dicom_series,
    write_nifti,
)
from mriad_model.preprocessing.scan_slices import prepare_scan, training_slices
from mriad_model.preprocessing.slices import joined
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.volume.volumes import Origin, Volume, volume_of
from mriad_model.recipes.built_in_recipes import VOLUME_AUTOENCODER

RECIPE = VOLUME_AUTOENCODER.with_training(max_epochs=1)
T = TypeVar("T")


def main() -> None:
    """One large volume as NIfTI and as a DICOM series."""
    torch.set_num_threads(1)
    slices = [training_slices(prepare_scan(_head(n), RECIPE), RECIPE) for n in range(4)]
    model = fit(joined(slices[:2]), joined(slices[2:]), RECIPE, "cpu")
    drawn = _timed("draw", lambda: phantom_volume(1, Contrast.T1, Lesion.MASS, LARGE_SHAPE))
    with tempfile.TemporaryDirectory(prefix="mriad-bench-") as scratch:
        path, folder = Path(scratch) / "volume.nii.gz", Path(scratch) / "series"
        write_nifti(path, drawn.voxels, drawn)
        write_dicom_series(folder, drawn, patient="P-1")

        def from_series() -> Volume:
            (series,) = series_in(folder)
            return read_series(series)

        _timed("read DICOM series", from_series)
        volume = _timed("read NIfTI", lambda: read_nifti(path))
    prepared = _timed("cut and prepare", lambda: prepare_scan(volume, RECIPE))
    (scored,) = _timed("score", lambda: score_scans(model, [prepared]))
    _timed("montage and NIfTI map", lambda: draw_maps(volume, prepared, scored, model, 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{'peak memory':<24}{peak:8.0f} MiB, {len(prepared)} slices")


def _head(number: int) -> Volume:
    drawn = phantom_volume(number, Contrast.T1, None, SHAPE)
    return volume_of(drawn.voxels, phantom_affine(drawn), Origin(ScanKind.NIFTI))


def _timed(step: str, work: Callable[[], T]) -> T:
    started = perf_counter()
    done = work()
    say(f"{step:<24}{perf_counter() - started:8.2f} s")
    return done


if __name__ == "__main__":
    main()

"""Reading in children over reading in process, as ratios of scans a second.

    python -m benchmarks.reading [--rounds 5]

In process is one thread that reads one scan after the other: pydicom allows no more. A child has
a pipe to cross, and a volume's voxels go through a scratch file; two children have two cores.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import CLOCK_PROCESS_CPUTIME_ID, clock_gettime, perf_counter, process_time

import cv2
import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from mriad_model.folders import list_files
from mriad_model.images import read_image
from mriad_model.isolation import Readers
from mriad_model.volumes.contents import VolumeSource, survey_in
from mriad_model.volumes.dicom import read_series, survey
from mriad_model.volumes.nifti import read_nifti
from mriad_model.volumes.stored import StoredVolume, store_volume

SEED = 7
PICTURES = 400
TOGETHER = 32  # pictures in a message
SHAPE = (180, 256, 256)
GOAL = 0.85


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of scan, read both ways. Each call reads all there are and says how many."""

    name: str
    in_process: Callable[[], int]
    in_children: Callable[[Readers], int]


def measure(rounds: int) -> dict[str, float]:
    """Print a table; the ratios by name. Ways take turns, and the best round of each counts."""
    ratios: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory(prefix="mriad-bench-") as scratch,
        Readers(1) as one,
        Readers(2) as two,
    ):
        print(f"{'':28} {'in process':>12} {'one child':>10} {'two':>6} {'CPU, one child':>15}")
        for way in _ways(Path(scratch)):
            runs: tuple[Callable[[], int], ...] = (
                way.in_process,
                lambda way=way: way.in_children(one),  # type: ignore[misc]
                lambda way=way: way.in_children(two),  # type: ignore[misc]
            )
            n, *_ = [run() for run in runs]  # children start, files come into the cache
            timed = [[_seconds(run, one) for run in runs] for _ in range(rounds)]
            plain, single, double = (
                min(wall for wall, _ in each) for each in zip(*timed, strict=True)
            )
            cpu, child_cpu, _ = (min(cpu for _, cpu in each) for each in zip(*timed, strict=True))
            ratios[way.name] = plain / single
            print(
                f"{way.name:28} {n / plain:10.1f}/s {plain / single:10.2f} {plain / double:6.2f}"
                f" {cpu / child_cpu:15.2f}"
            )
        with Readers(1) as fresh:
            started, _ = _seconds(lambda: len(list(fresh.map(abs, [0]))), one)
    print(f"a first child, where the fork server stands, answers after {1000 * started:.0f} ms")
    return ratios


def _seconds(run: Callable[[], int], child: Readers) -> tuple[float, float]:
    """By the clock on the wall, and of CPU in this process and one child."""
    cpu, started = _cpu(child), perf_counter()
    run()
    wall = perf_counter() - started
    return wall, _cpu(child) - cpu


def _cpu(child: Readers) -> float:
    (theirs,) = child.map(clock_gettime, [CLOCK_PROCESS_CPUTIME_ID])
    assert isinstance(theirs, float)
    return process_time() + theirs


def _ways(work: Path) -> list[Way]:
    volume = _head()
    png, jpeg = _pictures(work / "png", ".png"), _pictures(work / "jpeg", ".jpg")
    plain, zipped = work / "plain.nii", work / "zipped.nii.gz"
    for path in (plain, zipped):
        nibabel.save(nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.eye(4)), path)
    folder = work / "series"
    _write_series(folder, volume)

    def pictures(name: str, paths: list[Path]) -> Way:
        return Way(
            name,
            lambda: len([read_image(path) for path in paths]),
            lambda readers: len(list(readers.map(read_image, paths, together=TOGETHER))),
        )

    def nifti(name: str, path: Path) -> Way:
        return Way(
            name,
            lambda: len([read_nifti(path) for _ in range(4)]),
            lambda readers: _store_all(readers, path, 4, work),
        )

    return [
        pictures(f"{PICTURES} PNG 256x256", png),
        pictures(f"{PICTURES} JPEG 256x256", jpeg),
        Way(
            "DICOM series 256x256x180",
            lambda: len([read_series(each) for each in survey(list_files(folder)).series]),
            lambda readers: _store_all(readers, folder, 1, work),
        ),
        nifti("NIfTI 256x256x180", plain),
        nifti("NIfTI 256x256x180, gzip", zipped),
    ]


def _store_all(readers: Readers, path: Path, times: int, work: Path) -> int:
    """Survey, decode to scratch and map it: what a flow does before it computes."""
    sources: list[VolumeSource] = []
    for _ in range(times):
        sources.extend(survey_in(readers, list_files(path)).volumes)
    jobs = [(source, work / f"scratch-{i}.npy") for i, source in enumerate(sources)]
    volumes = [
        each.load() for each in readers.map(store_volume, jobs) if isinstance(each, StoredVolume)
    ]
    assert len(volumes) == len(jobs)
    return len(volumes)


def _head() -> NDArray[np.int16]:
    """An ellipsoid with noise, (Z, Y, X): compresses about as a scan does."""
    z, y, x = np.ogrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    noise = np.random.default_rng(SEED).normal(0, 12, SHAPE)
    return np.asarray((x**2 + y**2 + z**2 < 0.7) * (400 + 100 * x) + np.abs(noise), np.int16)


def _pictures(folder: Path, suffix: str) -> list[Path]:
    folder.mkdir()
    slices = (_head()[60:120] / 3).astype(np.uint8)
    paths = [folder / f"{i:03}{suffix}" for i in range(PICTURES)]
    for i, path in enumerate(paths):
        path.write_bytes(cv2.imencode(suffix, slices[i % len(slices)])[1].tobytes())
    return paths


def _write_series(folder: Path, volume: NDArray[np.int16]) -> None:
    """A classic MR series of one file a slice, uncompressed."""
    folder.mkdir()
    series, study = generate_uid(), generate_uid()
    for place, plane in enumerate(volume):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, generate_uid()
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, study
        dataset.Modality, dataset.ImageType = "MR", ["ORIGINAL", "PRIMARY"]
        dataset.ImagePositionPatient = [0, 0, place]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [1, 1]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = plane.shape
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 1
        dataset.add_new("PixelData", "OW", plane.astype("<i2").tobytes())
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{place:03}.dcm", enforce_file_format=True)


def main() -> None:
    """Measure; say whether the goal is met."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    worst = min(measure(options.parse_args().rounds).values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"slowest with one child: {worst:.2f} of in process; the goal is {GOAL:.2f}")
    print(f"peak memory of the parent {peak:.0f} MiB")


if __name__ == "__main__":
    main()

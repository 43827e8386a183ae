"""Folders of phantom slices, for the demo and the benchmarks."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.errors import SettingsError
from mriad_model.phantom.contrast import Contrast
from mriad_model.phantom.draw import phantom_slice, slice_at
from mriad_model.phantom.head import draw_head
from mriad_model.phantom.lesions import Lesion

PLANES_A_HEAD = 8
# Small white-matter lesions hardly show on T1, so they are the smallest part.
DEMO_LESIONS = (
    Lesion.INFARCT,
    Lesion.MASS,
    Lesion.INFARCT,
    Lesion.MASS,
    Lesion.WHITE_MATTER,
)


def write_folder(
    folder: Path,
    n_healthy: int,
    n_abnormal: int,
    seed: int,
    size: int = 256,
    *,
    contrast: Contrast = Contrast.T1,
    masks: Path | None = None,
) -> None:
    """Write PNG slices of distinct heads: healthy in `no`, with a lesion in `yes`.

    The lesions' masks (0 and 255) go to the folder `masks`, if one is named, under the names of
    `yes`: apart, for whoever reads `folder` would take them for scans.
    """
    for place in (folder / "no", folder / "yes", masks):
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
    first = seed * 1_000_003
    for number in range(n_healthy):
        drawn = phantom_slice(first + number, contrast, None, size)
        _write(folder / "no" / f"healthy-{number:04d}.png", drawn.pixels)
    for number in range(n_abnormal):
        lesion = DEMO_LESIONS[number % len(DEMO_LESIONS)]
        drawn = phantom_slice(first + n_healthy + number, contrast, lesion, size)
        name = f"{lesion.value}-{number:04d}.png"
        _write(folder / "yes" / name, drawn.pixels)
        if masks is not None:
            _write(masks / name, drawn.lesion_mask.astype(np.uint8) * np.uint8(255))


def many_slices(
    folder: Path, n: int, seed: int, size: int = 256, *, suffix: str = ".jpg", workers: int = 2
) -> None:
    """Write n distinct healthy slices, several planes a head, with `workers` processes.

    Raises SettingsError for a suffix other than .png and .jpg; OSError passes through.
    """
    if suffix not in {".png", ".jpg"}:
        raise SettingsError(f"slices cannot be written as {suffix!r}; use '.png' or '.jpg'")
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"slice-{number:06d}{suffix}" for number in range(n)]
    jobs = [names[start : start + PLANES_A_HEAD] for start in range(0, n, PLANES_A_HEAD)]
    seeds = [seed * 1_000_003 + number for number in range(len(jobs))]
    write = partial(_write_head, folder, size)
    if workers == 1:
        for names_of_head, head_seed in zip(jobs, seeds, strict=True):
            write(names_of_head, head_seed)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for _ in pool.map(write, jobs, seeds, chunksize=8):
            pass


def _write_head(folder: Path, size: int, names: list[str], seed: int) -> None:
    """Write the planes of one head."""
    head = draw_head(seed)
    for number, name in enumerate(names):
        drawn = slice_at(head, Contrast.T1, None, -6.0 + 7.0 * number, size)
        _write(folder / name, drawn.pixels)


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Encode by suffix and write."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else []
    _, data = cv2.imencode(path.suffix, pixels, parameters)
    path.write_bytes(data.tobytes())

"""Slices: the scoring flow over folders of them, with its server; for each recipe a curve."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.growth_curves.points import Kept, Point, module, used_by
from benchmarks.service.up import trained_home
from mriad_model.phantom.write import many_slices
from mriad_model.recipes.built_in_recipes import DEFAULT

PART: Final = "slices"
CURVE: Final = "the scoring flow"
SIZES: Final = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
DRAWN: Final = 1_000
SIDE: Final = 256  # pixels
SEED: Final = 7
LEAST_SCORED: Final = 0.95  # a few drawn slices are not scorable, as in `make bench`


def curve_of(recipe: str) -> str:
    """The curve of a recipe, by its name."""
    return CURVE if recipe == DEFAULT.name else f"{CURVE}, {recipe}"


def measure(sizes: Sequence[int], kept: Kept, recipe: str = DEFAULT.name) -> None:
    """Add the points of a recipe, by its name, that are not there yet."""
    curve = curve_of(recipe)
    missing = [size for size in sizes if kept.lacks(PART, [curve], size)]
    if not missing:
        return
    with tempfile.TemporaryDirectory(prefix="mriad-growth-") as scratch:
        work = Path(scratch)
        many_slices(work / "reused", min(DRAWN, max(missing)), SEED, SIDE, suffix=".png")
        home = trained_home(work, SEED + 1, SIDE, recipe)
        for size in missing:
            folder, own = work / f"slices-{size}", work / f"home-{size}"
            reuse(work / "reused", folder, size)
            shutil.copytree(home, own)
            used, said = used_by(module("benchmarks.scoring.flow", own, folder))
            scored = json.loads(said.splitlines()[-1])["images"]
            if scored < LEAST_SCORED * size:
                raise SystemExit(f"of {size} slices only {scored} were scored")
            kept.add(Point(PART, curve, size, used))
            shutil.rmtree(folder)
            shutil.rmtree(own)


def reuse(drawn: Path, folder: Path, n: int) -> None:
    """Write n slices of distinct content into a new folder: drawn ones, under other names.

    What is used again differs by 1 in some of the first pixels, which are background.
    """
    folder.mkdir()
    files = sorted(drawn.iterdir())
    for number in range(n):
        source = files[number % len(files)]
        path = folder / f"slice-{number:06d}{source.suffix}"
        if number < len(files):
            shutil.copy(source, path)
            continue
        pixels = np.asarray(cv2.imread(str(source), cv2.IMREAD_GRAYSCALE), np.uint8)
        _, data = cv2.imencode(path.suffix, renumbered(pixels, number // len(files)))
        path.write_bytes(data.tobytes())


def renumbered(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], copy: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A slice (H, W) with the bits of a number flipped into the first pixels of its first row."""
    bits = np.array([copy >> place & 1 for place in range(copy.bit_length())], np.uint8)
    marked = pixels.copy()
    marked[0, : len(bits)] ^= bits
    return marked

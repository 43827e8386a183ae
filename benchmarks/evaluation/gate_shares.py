"""Shares of pictures that the gate finds not scorable.

    python -m benchmarks.evaluation.gate_shares [--data ../shared/data]

A gate by the recipe `default` learns 80 % of the healthy groups of a set: near-duplicates, or
patients. The rest, the abnormal pictures, photographs, noise and other sets are new to it. A table
in Markdown, means over draws. Sets lie below DATA as `figures` beside this has them; photographs
are those that come with the libraries.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.evaluation.figures import lgg55
from mriad_model.datasets.duplicates import fingerprint, twin_groups
from mriad_model.datasets.roles import joined_groups
from mriad_model.detection.decisions.gate import Gate, fit_gate
from mriad_model.preprocessing.slices import Pixels, SliceBatch, prepare, stack
from mriad_model.readers.images.reading import read_image
from mriad_model.recipes.built_in_recipes import DEFAULT
from mriad_model.recipes.decision_recipes import GateRecipe

PHOTOGRAPHS: Final = (
    ("sklearn.datasets", "images/china.jpg"),
    ("sklearn.datasets", "images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)
CROPS, NOISE, SIDE = 35, 60, 256  # crops of a photograph; noise pictures; pixels
LEARNED = 0.8  # of the groups
HEAD_CT, ABDOMEN = "no/N1.JPG", "yes/Y248.JPG"  # of kaggle253
Gray = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PictureSet:
    """A set's pictures, prepared, with label and group."""

    slices: SliceBatch
    abnormal: NDArray[np.bool_]  # (N,)
    groups: NDArray[np.intp]  # (N,)


def main() -> None:
    """Measure, and print the table."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation.gate_shares", description=__doc__
    )
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--draws", type=int, default=5)
    given = options.parse_args()
    torch.set_num_threads(1)
    sets = {name: picture_set(rows(given.data)) for name, rows in ROWS.items()}
    kaggle = given.data / "kaggle253"
    others = {
        f"photographs ({CROPS * len(PHOTOGRAPHS)} crops of {len(PHOTOGRAPHS)})": _stack(
            photographs()
        ),
        f"noise, white and smooth ({NOISE})": _stack(noise()),
        "a head CT": _stack([read_image(kaggle / HEAD_CT).pixels]),
        "an abdominal CT": _stack([read_image(kaggle / ABDOMEN).pixels]),
    }
    table: dict[str, dict[str, str]] = {}
    for name, own in sets.items():
        shares = not_scorable_shares(own, others, given.draws)
        for other, theirs in sets.items():
            if other != name:
                healthy = theirs.slices.take(np.flatnonzero(~theirs.abnormal))
                found = not_scorable_shares(own, {"": healthy}, 1)[""]
                shares[f"healthy pictures of {other}"] = found
        for what, share in shares.items():
            table.setdefault(what, {})[name] = f"{share:.3f}"
        print(f"{name}: {len(set(own.groups.tolist()))} groups", flush=True)
    print(f"| not scorable | {' | '.join(sets)} |\n| --- |{' --- |' * len(sets)}")
    for what, of_sets in table.items():
        print(f"| {what} | {' | '.join(of_sets.get(name, '') for name in sets)} |")


def not_scorable_shares(
    own: PictureSet, others: dict[str, SliceBatch], draws: int
) -> dict[str, float]:
    """Of what is new to a gate, the share that is not scorable, by name; means over draws."""
    healthy = np.flatnonzero(~own.abnormal)
    names = np.unique(own.groups[healthy])
    found: dict[str, list[float]] = {}
    for draw in range(draws):
        chosen = np.random.default_rng(draw).permutation(names)[: round(LEARNED * len(names))]
        learned = healthy[np.isin(own.groups[healthy], chosen)]
        gate = fit_gate(
            own.slices.take(learned),
            own.groups[learned].tolist(),
            (DEFAULT.gate or GateRecipe()).limit,
        )
        assert gate is not None
        fresh = ~np.isin(own.groups, chosen)
        parts = {
            "own healthy pictures": own.slices.take(np.flatnonzero(fresh & ~own.abnormal)),
            "own abnormal pictures": own.slices.take(np.flatnonzero(fresh & own.abnormal)),
            **others,
        }
        for name, slices in parts.items():
            found.setdefault(name, []).append(_not_scorable(gate, slices))
    return {name: float(np.mean(shares)) for name, shares in found.items()}


def picture_set(rows: list[tuple[Path, bool, str | None]]) -> PictureSet:
    """Pictures with their label and patient, prepared, near-duplicates and patients grouped."""
    pixels = [read_image(path).pixels for path, _, _ in rows]
    twins = twin_groups([fingerprint(each) for each in pixels])
    groups = joined_groups(twins, [patient for _, _, patient in rows])
    return PictureSet(
        _stack(pixels), np.array([abnormal for _, abnormal, _ in rows], np.bool_), np.array(groups)
    )


def photographs() -> Iterator[Gray]:
    """Square crops of photographs, in grey."""
    rng = np.random.default_rng(0)
    for package, name in PHOTOGRAPHS:
        data = np.frombuffer(files(package).joinpath(name).read_bytes(), np.uint8)
        grey = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        assert grey is not None, name
        for _ in range(CROPS):
            side = int(rng.integers(min(grey.shape) // 3, min(grey.shape) + 1))
            top, left = (int(rng.integers(0, whole - side + 1)) for whole in grey.shape)
            yield np.asarray(grey[top : top + side, left : left + side], np.uint8)


def noise() -> Iterator[Gray]:
    """Noise, half of it white, half smooth."""
    rng = np.random.default_rng(1)
    for number in range(NOISE):
        picture: Floats = rng.normal(size=(SIDE, SIDE))
        if number % 2:
            smooth = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(2, 20)))
            picture = np.asarray(smooth, np.float64)
        low, high = picture.min(), picture.max()
        yield np.asarray((picture - low) / (high - low) * 255, np.uint8)


def _no_and_yes(name: str) -> Callable[[Path], list[tuple[Path, bool, str | None]]]:
    return lambda data: [
        (path, word == "yes", None)
        for word in ("no", "yes")
        for path in sorted((data / name / word).iterdir())
        if f"{word}/{path.name}" not in (HEAD_CT, ABDOMEN)  # neither is learned
    ]


def _lgg55(data: Path) -> list[tuple[Path, bool, str | None]]:
    return [
        (data / "lgg55" / str(row["path"]), row["label"] == "yes", str(row["patient"]))
        for row in lgg55(data)
    ]


ROWS: Final = {
    "kaggle253": _no_and_yes("kaggle253"),
    "lgg55": _lgg55,
    "soop": _no_and_yes("soop"),
}


def _stack(pixels: Iterable[Pixels]) -> SliceBatch:
    return stack([prepare(each, DEFAULT.preprocessing) for each in pixels])


def _not_scorable(gate: Gate, slices: SliceBatch) -> float:
    return float((gate.values(slices) > 1).mean())


if __name__ == "__main__":
    main()

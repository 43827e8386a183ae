"""Shares of pictures that the gate finds not scorable.

    python -m benchmarks.evaluation.gate_shares [--data ../shared/data] [--photographs FOLDER]

A gate by the recipe `default` learns 80 % of the healthy groups of a set: near-duplicates, or
patients. The rest, the abnormal pictures, photographs, noise and other sets are new to it. Of a
set's own pictures the groups count that nothing was chosen on. A table in Markdown, means over
draws. Sets lie below DATA as `figures` beside this has them; photographs are those that come with
the libraries, and those of FOLDER.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
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

CHOSEN_ON: Final = (
    ("sklearn.datasets", "images/china.jpg"),
    ("sklearn.datasets", "images/flower.jpg"),
)
OTHER: Final = (("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),)
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
    chosen_on: NDArray[np.bool_]  # (N,) pictures that the gate's constants were chosen on


def main() -> None:
    """Measure, and print the table."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation.gate_shares", description=__doc__
    )
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--draws", type=int, default=5)
    options.add_argument("--photographs", type=Path, help="a folder of other photographs")
    given = options.parse_args()
    torch.set_num_threads(1)
    sets = {name: picture_set(name, rows(given.data)) for name, rows in ROWS.items()}
    kaggle = given.data / "kaggle253"
    more = [] if given.photographs is None else sorted(given.photographs.iterdir())
    files_of = {
        "photographs that it was chosen on": _shipped(CHOSEN_ON),
        "other photographs": _shipped(OTHER),
        **({f"photographs in {given.photographs.name}": map(_read, more)} if more else {}),
    }
    others = {
        **{name: _stack(photographs(data)) for name, data in files_of.items()},
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
    names, how = np.unique(own.groups[healthy]), DEFAULT.gate or GateRecipe()
    found: dict[str, list[float]] = {}
    for draw in range(draws):
        chosen = np.random.default_rng(draw).permutation(names)[: round(LEARNED * len(names))]
        learned = healthy[np.isin(own.groups[healthy], chosen)]
        gate = fit_gate(
            own.slices.take(learned),
            own.groups[learned].tolist(),
            how.limit,
            strangers=how.strangers,
        )
        assert gate is not None
        fresh = ~np.isin(own.groups, chosen) & ~own.chosen_on
        parts = {
            "own healthy pictures": own.slices.take(np.flatnonzero(fresh & ~own.abnormal)),
            "own abnormal pictures": own.slices.take(np.flatnonzero(fresh & own.abnormal)),
            **others,
        }
        for name, slices in parts.items():
            found.setdefault(name, []).append(_not_scorable(gate, slices))
    return {name: float(np.mean(shares)) for name, shares in found.items()}


def picture_set(name: str, rows: list[tuple[Path, bool, str | None]]) -> PictureSet:
    """Pictures with their label and patient, prepared, near-duplicates and patients grouped."""
    pixels = [read_image(path).pixels for path, _, _ in rows]
    twins = twin_groups([fingerprint(each) for each in pixels])
    groups = joined_groups(twins, [patient for _, _, patient in rows])
    abnormal = np.array([each for _, each, _ in rows], np.bool_)
    half = np.array([_chosen_on(name, group) for group in groups], np.bool_)
    return PictureSet(_stack(pixels), abnormal, np.array(groups), half)


def _chosen_on(name: str, group: int) -> bool:
    """Whether a set's group is of the half on which the gate's constants were chosen."""
    return int(sha256(f"{name}{group}".encode()).hexdigest(), 16) % 2 == 0


def photographs(pictures: Iterable[bytes]) -> Iterator[Gray]:
    """Square crops of photographs, given as files' bytes, in grey."""
    rng = np.random.default_rng(0)
    for data in pictures:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert grey is not None, "no picture"
        for _ in range(CROPS):
            side = int(rng.integers(min(grey.shape) // 3, min(grey.shape) + 1))
            top, left = (int(rng.integers(0, whole - side + 1)) for whole in grey.shape)
            yield np.asarray(grey[top : top + side, left : left + side], np.uint8)


def _shipped(names: tuple[tuple[str, str], ...]) -> Iterator[bytes]:
    return (files(package).joinpath(name).read_bytes() for package, name in names)


def _read(path: Path) -> bytes:
    return path.read_bytes()


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

"""What is known to be no MR of a head: drawn pictures and head CT, told from the healthy slices.

Where healthy slices differ much among themselves, distances to them say little. So for each kind of
stranger a line is learned between the healthy slices and drawn strangers, by logistic regression
with a ridge, on the numbers of `close_descriptions` that matter for it (outlier exposure: Hendrycks
et al. 2019). The healthy slices are always right: the limit lies above nearly all of them, and
where there is room, a third of the way to the strangers.

    python -m mriad_model.detection.decisions.strangers FILE

draws the strangers and writes their numbers; the file in the repository is
`drawn_strangers.safetensors`, beside this module.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from mriad_model.detection.decisions.close_descriptions import (
    CLOSE_WIDTHS,
    OUTLINE,
    RING,
    described_closely,
)
from mriad_model.detection.decisions.descriptions import Floats
from mriad_model.files import write_atomically
from mriad_model.normative.shipped_file import shipped
from mriad_model.phantom.strange_pictures import head_ct, strange_picture
from mriad_model.preprocessing.slices import prepare, stack
from mriad_model.recipes.recipe import Framing, Intensity, Preprocessing

PATH: Final = Path(__file__).parent / "drawn_strangers.safetensors"
SHA256: Final = "f023c73491fddae1fc4a7c52ecbe20489814d4f8f376b184b5e4c1bc9a488713"  # of that file
BLOCKS: Final[Mapping[str, tuple[str, ...]]] = {
    "pictures": ("shape", "texture", "depth", OUTLINE),
    "head_ct": (RING, "grey"),
}
DRAWN: Final = {"pictures": (strange_picture, 400), "head_ct": (head_ct, 60)}
PREPARED: Final = Preprocessing(128, Framing.FOREGROUND, Intensity.PERCENTILES)
RIDGE: Final = 0.01  # on weights of standardised numbers, beside the mean loss
STEPS: Final = 25  # of Newton's method, at most
CLOSE: Final = 1e-8  # a step so small is the last
LEAST_SCALE: Final = 1e-3
RIGHT: Final = 0.99  # of the healthy slices lie below the limit
STRANGE: Final = 0.95  # of the strangers lie above what the limit moves towards
ON_THE_WAY: Final = 0.35  # to there
PARTS: Final = 3  # of the groups: each is judged by lines learned from the others


@dataclass(frozen=True, slots=True, eq=False)
class Stranger:
    """The line between the healthy slices and one kind of stranger."""

    weights: NDArray[np.float32]  # (F,) of a slice's numbers
    usual: float  # median of the healthy slices' weighted sums
    limit: float  # a stranger lies above

    @classmethod
    def fit(cls, healthy: Floats, strange: Floats) -> Self:
        """Learn from numbers (N, F) of healthy slices, and those (M, F) of strangers."""
        weights = _weights(healthy, strange).astype(np.float32)
        bare = cls(weights, 0.0, 1.0)
        own, others = bare.values(healthy), bare.values(strange)
        # So many lie below, not between two: of a hundred the one that is oddest widens nothing.
        highest = float(np.quantile(own, RIGHT, method="lower"))
        room = max(float(np.quantile(others, 1 - STRANGE)) - highest, 0.0)
        usual = float(np.median(own))
        limit = highest + ON_THE_WAY * room
        return cls(weights, usual, max(limit, usual + LEAST_SCALE))

    def values(self, numbers: Floats) -> Floats:
        """How strange slices of these numbers (N, F) are, (N,): 0 for a usual one, 1 at the limit.

        Each by itself: its bits do not depend on its company.
        """
        weights = self.weights.astype(np.float64)
        sums = np.array([(row * weights).sum() for row in numbers], np.float64)
        return np.asarray((sums - self.usual) / (self.limit - self.usual))


def learned_strangers(described: Mapping[str, Floats]) -> dict[str, Stranger]:
    """The line between healthy slices and strangers, by kind. `described` closely, (N, width)."""
    return {
        kind: Stranger.fit(_of(kind, described), strange)
        for kind, strange in drawn_strangers().items()
    }


def strangeness(strangers: Mapping[str, Stranger], described: Mapping[str, Floats]) -> Floats:
    """How strange slices are, (N,), by the kind that says most; 1 at the limit."""
    found = [each.values(_of(kind, described)) for kind, each in strangers.items()]
    return np.asarray(np.max(found, axis=0))


def strangeness_among(described: Mapping[str, Floats], groups: NDArray[np.int64]) -> Floats:
    """The same of healthy slices of these groups, (N,), each by lines learned without its group."""
    part = np.unique(groups, return_inverse=True)[1] % PARTS
    found = np.empty(len(groups))
    for number in range(PARTS):
        mine, others = (
            {name: values[chosen] for name, values in described.items()}
            for chosen in (part == number, part != number)
        )
        found[part == number] = strangeness(learned_strangers(others), mine)
    return found


def restored(
    about: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]
) -> dict[str, Stranger]:
    """What was stored, usual value and limit by kind. Raises ValueError where it is none."""
    if set(about) != set(BLOCKS) or set(weights) != set(BLOCKS):
        raise ValueError("its strangers are none")
    found = {}
    for kind, (usual, limit) in about.items():
        width = sum(CLOSE_WIDTHS[name] for name in BLOCKS[kind])
        fits = weights[kind].shape == (width,) and np.isfinite(weights[kind]).all()
        if not fits or not np.isfinite([usual, limit]).all() or not usual < limit:
            raise ValueError("its strangers are none")
        found[kind] = Stranger(weights[kind], float(usual), float(limit))
    return found


@cache
def drawn_strangers() -> dict[str, Floats]:
    """The numbers of the drawn strangers, (M, F) by kind.

    Raises ModelFileError where the file that is shipped is another.
    """
    return {kind: each.astype(np.float64) for kind, each in load(shipped(PATH, SHA256)).items()}


def draw_strangers(counts: Mapping[str, int]) -> dict[str, NDArray[np.float32]]:
    """The same, drawn: the first so many of each kind."""
    found = {}
    for kind, count in counts.items():
        draw, _ = DRAWN[kind]
        slices = stack([prepare(draw(seed), PREPARED) for seed in range(count)])
        found[kind] = _of(kind, described_closely(slices)).astype(np.float32)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the strangers and write their numbers."""
    parser = argparse.ArgumentParser(description="Draw what is no MR of a head, in numbers.")
    parser.add_argument("file", type=Path, help="where to write the numbers (safetensors)")
    path = parser.parse_args(arguments).file
    data = save(draw_strangers({kind: count for kind, (_, count) in DRAWN.items()}))
    write_atomically(path, data)
    print(f"sha256 {sha256(data).hexdigest()}")  # noqa: T201


def _of(kind: str, described: Mapping[str, Floats]) -> Floats:
    return np.concatenate([described[name] for name in BLOCKS[kind]], axis=1)


def _weights(healthy: Floats, strange: Floats) -> Floats:
    """Of the logistic regression, both sides counting as much, (F,); Newton's method."""
    rows = np.concatenate([healthy, strange])
    counts = len(healthy), len(strange)
    side = np.repeat([-1.0, 1.0], counts)
    share = np.repeat([0.5 / each for each in counts], counts)
    mean = share @ rows
    scale = np.sqrt(share @ (rows - mean) ** 2) + LEAST_SCALE
    rows = np.concatenate([(rows - mean) / scale, np.ones((len(rows), 1))], axis=1)
    ridge = np.diag([RIDGE] * (rows.shape[1] - 1) + [1e-9])  # none on the constant
    weights = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        wrong = 1 / (1 + np.exp(np.clip(side * (rows @ weights), -50, 50)))
        slope = ridge @ weights - (share * side * wrong) @ rows
        curve = (rows * (share * wrong * (1 - wrong))[:, None]).T @ rows + ridge
        step = np.linalg.solve(curve, slope)
        weights = weights - step
        if np.abs(step).max() < CLOSE:
            break
    return np.asarray(weights[:-1] / scale)


if __name__ == "__main__":
    main()

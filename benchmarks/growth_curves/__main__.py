"""CPU time and memory against size, as one picture.

    python -m benchmarks.growth_curves [--only slices|folders|decisions] [--most N] [--recipe NAME]

Each point is kept in build/growth/points.jsonl: a run that was broken off goes on behind them
(remove the file to measure anew), and the picture is drawn from all that are there. CPU time is
drawn, for a busy machine moves it little. Set TMPDIR where the temporary folder is small. Slices
are scored by the recipe `default`; --recipe adds the curve of another, such as `autoencoder`,
whose network is small, so that what is not the network shows.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.growth_curves import decisions, folders, slices
from benchmarks.growth_curves.picture import draw, save
from benchmarks.growth_curves.points import Kept, exponent
from mriad_model.recipes.built_in_recipes import BUILT_IN, DEFAULT

REPOSITORY: Final = Path(__file__).parents[2]
POINTS: Final = REPOSITORY / "build/growth/points.jsonl"
PICTURE: Final = REPOSITORY / "docs/images/growth-curves.png"
RECIPES: Final = [each.name for each in BUILT_IN if each.volumes is None]  # of pictures
PARTS: Final = {each.PART: each for each in (slices, folders, decisions)}


def main() -> None:
    """Measure what is missing, then draw what there is."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.growth_curves",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    options.add_argument("--only", choices=PARTS)
    options.add_argument("--most", type=int, help="the largest size")
    options.add_argument("--recipe", default=DEFAULT.name, choices=RECIPES, help="of slices")
    options.add_argument("--points", type=Path, default=POINTS, help="the file of the points")
    options.add_argument("--picture", type=Path, default=PICTURE)
    given = options.parse_args()
    kept = Kept.of(given.points)
    for name, part in PARTS.items():
        if given.only in (None, name):
            sizes = [n for n in part.SIZES if given.most is None or n <= given.most]
            if part is slices:
                slices.measure(sizes, kept, given.recipe)
            else:
                part.measure(sizes, kept)
    parts = {name: found for name in PARTS if (found := kept.curves(name))}
    if not parts:
        options.error("no size is that small")
    print_slopes(kept)
    save(draw(parts), given.picture)
    print(f"drawn: {given.picture}")


def print_slopes(kept: Kept) -> None:
    """Print how each curve grows from point to point: 1 is linear."""
    print("growth from size to size (1: as the size), CPU time and memory")
    for part in PARTS:
        for curve, points in kept.curves(part).items():
            for less, more in pairwise(points):
                sizes = less.size, more.size
                cpu = exponent(less.used.cpu_s, more.used.cpu_s, sizes)
                memory = exponent(less.used.peak_mib, more.used.peak_mib, sizes)
                between = f"{less.size:,} to {more.size:,}"
                print(f"{part:10} {curve:44} {between:26} {cpu:6.2f} {memory:6.2f}")


if __name__ == "__main__":
    main()

"""Sources in a healthy pool that may not belong together, by what the record holds of its scans.

A model of two kinds of healthy scans finds each of them odd, or neither. No picture is compared:
silence does not show that two sources are alike.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MANY: Final = 8  # scans of a source, below which its sizes are no evidence


@dataclass(frozen=True, slots=True)
class PoolScan:
    """Where a scan of the pool comes from, and what the record holds of it."""

    source: str  # the folder that its data set lies in
    drawn: bool  # a phantom head
    size: str | None  # of a picture, in words: "240 x 240, 8 bit"; None for volumes
    contrast: str | None  # of a volume


def mixtures(origins: Sequence[PoolScan]) -> list[str]:
    """Warnings about a pool of one kind of scan, a sentence each."""
    return [*_drawn_and_real(origins), *_sizes(origins), *_contrasts(origins)]


def _drawn_and_real(origins: Sequence[PoolScan]) -> Iterable[str]:
    drawn = sum(each.drawn for each in origins)
    if 0 < drawn < len(origins):
        yield (
            f"the healthy pool mixes drawn heads ({drawn}) and other scans "
            f"({len(origins) - drawn}): one model of both fits neither; keep a home for each"
        )


def _sizes(origins: Sequence[PoolScan]) -> Iterable[str]:
    """Sources of pictures that share no size, where one has but a single one: different sets."""
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for each in origins:
        if each.size is not None and not each.drawn:
            sizes[each.source][each.size] += 1
    large = {source: found for source, found in sizes.items() if found.total() >= MANY}
    for source, found in sorted(large.items()):
        others = [name for name in sorted(large) if name != source]
        apart = [name for name in others if large[name].keys().isdisjoint(found)]
        if len(found) == 1 and apart:
            yield (
                f"the healthy pictures of {source} are all {next(iter(found))}, those of "
                f"{apart[0]} of other sizes: they may be of different data sets; if so, keep a "
                "home for each"
            )
            return


def _contrasts(origins: Sequence[PoolScan]) -> Iterable[str]:
    volumes = [each for each in origins if each.size is None]
    unknown = sum(each.contrast is None for each in volumes)
    if 0 < unknown < len(volumes):
        known = ", ".join(sorted({each.contrast for each in volumes if each.contrast}))
        yield (
            f"{unknown} of {len(volumes)} healthy volumes do not say their contrast, the others "
            f"are {known}: look at them, or choose the contrast with --contrast"
        )

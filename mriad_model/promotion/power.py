"""Power: of lesions implanted in healthy scans, the share that a model finds at a threshold.

A detector that flags nobody keeps every false-positive rate. So each model is measured when it is
made, on lesions of known kind and size implanted in healthy scans that it did not learn from. Their
scores are kept with the model; the share above any threshold follows from them without inference.
An implant whose scan cannot be scored counts as not found.

Implants are no patients: they tell whether a detector still sees, by how large a thing, and not
how well it does in a clinic. Standard library and thresholds alone: queries use it.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any, Final

from mriad_model.detection.decisions.thresholds import CONFIDENCE, verdict
from mriad_model.enums import Verdict
from mriad_model.shares import in_percent, with_interval

METRIC: Final = "implants"  # the key of a model's metrics
REASON: Final = "refused"  # the key of an implant's `why_not_scorable`
WANTED: Final = 144  # implants of a model of pictures
MOST_SCANS: Final = 48  # that they are put in, one a group
RADII: Final = ((4.0, 7.0), (7.0, 12.0), (12.0, 22.0))  # mm, drawn evenly from each
EDGES: Final = (12.0, 24.0)  # mm of diameter, between small, middling and large ones
SIZES: Final = ("small", "medium", "large")
IN_WORDS: Final = {"small": "under 12 mm", "medium": "12 to 24 mm", "large": "over 24 mm"}
SILENT: Final = 0.1  # share found of the large ones, below which a detector is called silent
UNMOVED: Final = 0.6  # share of them that raise their scan's score; a coin gives 0.5
FEWEST: Final = 8  # large implants, below which silence is not judged


class ImplantKind(StrEnum):
    """What is implanted to measure power."""

    INFARCT = "infarct"  # dark, as fluid
    MASS = "mass"  # a bright rim about a dark core
    WHITE_MATTER = "white_matter"  # several small spots, bright or dark
    OEDEMA = "oedema"  # bright


@dataclass(frozen=True, slots=True)
class PlannedImplant:
    """One implant to be drawn: what, and between which radii (mm)."""

    kind: ImplantKind
    radii: tuple[float, float]

    def name(self, sha256: str) -> str:
        """What its drawing is seeded by in a scan; no training or comparison uses these."""
        return f"power:{sha256}:{self.radii[0]:g}"


PLANS: Final = tuple(PlannedImplant(kind, radii) for radii in RADII for kind in ImplantKind)


def planned(scan: int, n_scans: int, wanted: int = WANTED) -> list[PlannedImplant]:
    """The implants for a scan, the number of n: every kind and size equally often."""
    each = min(len(PLANS), -(-wanted // n_scans))
    return [PLANS[(scan * each + i) % len(PLANS)] for i in range(each)]


@dataclass(frozen=True, slots=True)
class ImplantScore:
    """A healthy scan's score with a lesion in it, and without."""

    group: int  # of the scan
    kind: str
    millimetres: float  # diameter of a disc, or a ball, as large as what was changed
    score: float | None  # None: not scorable, so not found
    healthy: float | None  # of the scan as it is; None: not scorable
    why_not_scorable: str | None = None

    @property
    def size(self) -> str:
        """Its bin of `SIZES`."""
        return SIZES[sum(self.millimetres >= edge for edge in EDGES)]

    def found(self, value: float) -> bool:
        """Whether a threshold of this value flags it."""
        return self.score is not None and verdict(self.score, value) is Verdict.SUSPICIOUS


def to_metric(scores: Sequence[ImplantScore]) -> list[dict[str, Any]]:
    """As a model's metrics keep them; the reason stays under the key of the first version."""
    rows = [asdict(each) for each in scores]
    for row in rows:
        row[REASON] = row.pop("why_not_scorable")
    return rows


def from_metrics(metrics: str) -> list[ImplantScore]:
    """The implants of a model by its metrics (JSON); none of a model of before."""
    rows = json.loads(metrics).get(METRIC, ())
    return [ImplantScore(why_not_scorable=row.pop(REASON, None), **row) for row in rows]


@dataclass(frozen=True, slots=True)
class ShareFound:
    """A share of implants, with its 95 % interval over groups."""

    n: int
    share: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """In words."""
        return with_interval(self.share, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Power:
    """What a model finds at a threshold."""

    n_groups: int
    found: ShareFound
    by_size: dict[str, ShareFound]
    by_kind: dict[str, ShareFound]
    not_scorable: float  # share of the implants
    moved: float | None  # share of the large implants that raise their scan's score; None: no such
    flagged: float  # share of the same scans, without implants, that the threshold flags

    @property
    def text(self) -> str:
        """In words: one sentence without its end."""
        sizes = ", ".join(
            f"{in_percent(each.share)} {IN_WORDS[name]}" for name, each in self.by_size.items()
        )
        kinds = ", ".join(
            f"{in_percent(each.share)} {name.replace('_', ' ')}"
            for name, each in self.by_kind.items()
        )
        lost = ""
        if self.not_scorable:
            lost = f"; {in_percent(self.not_scorable)} not scorable, counted as not found"
        return (
            f"finds {self.found.text} of {self.found.n} lesions implanted in {self.n_groups} "
            f"healthy scans that were held out ({sizes}; {kinds}{lost})"
        )

    @property
    def silence(self) -> str | None:
        """Why the detector is to be called silent; None where it is not, or too few tell."""
        large = self.by_size.get(SIZES[-1])
        if large is None or self.moved is None or large.n < FEWEST:
            return None
        if large.share < SILENT:
            return (
                f"of {large.n} implanted lesions {IN_WORDS[SIZES[-1]]} across it finds "
                f"{large.text}, and {in_percent(SILENT)} is the least"
            )
        if self.moved < UNMOVED:
            return (
                f"a large lesion implanted in a scan raises its score in {in_percent(self.moved)} "
                f"of {large.n} cases, and chance does in half of them"
            )
        return None


def power(scores: Sequence[ImplantScore], value: float) -> Power | None:
    """What is found by a threshold of this value; None where nothing was implanted."""
    if not scores:
        return None
    sizes, kinds = (
        {name: [each for each in scores if getattr(each, what) == name] for name in names}
        for what, names in (("size", SIZES), ("kind", sorted({each.kind for each in scores})))
    )
    large = [each for each in scores if each.size == SIZES[-1]]
    plain = {each.group: each.healthy for each in scores}.values()
    return Power(
        n_groups=len({each.group for each in scores}),
        found=share_found(scores, value),
        by_size={name: share_found(some, value) for name, some in sizes.items() if some},
        by_kind={name: share_found(some, value) for name, some in kinds.items() if some},
        not_scorable=sum(each.score is None for each in scores) / len(scores),
        moved=sum(_raised(each) for each in large) / len(large) if large else None,
        flagged=sum(score is not None and score > value for score in plain) / len(plain),
    )


def power_of(metrics: str, value: float) -> Power | None:
    """The power of a model, by its metrics (JSON), at a threshold; None of a model of before."""
    return power(from_metrics(metrics), value)


def share_found(scores: Sequence[ImplantScore], value: float) -> ShareFound:
    """The share found, and its 95 % interval, in which implants of one group are not independent.

    Wilson's interval (1927) for as many independent implants as tell as much: the variance of a
    ratio over groups against that of independent ones (Korn and Graubard 1998, Survey Methodology
    24:193); where all or none are found, and never fewer than that, as many as there are groups.
    """
    groups = Counter(each.group for each in scores)
    hits: defaultdict[int, int] = defaultdict(int)
    for each in scores:
        hits[each.group] += each.found(value)
    n, m = len(scores), len(groups)
    share = sum(hits.values()) / n
    effective = float(m)
    if 0 < share < 1 and m > 1:
        squares = math.fsum((hits[g] - share * size) ** 2 for g, size in groups.items())
        variance = m / (m - 1) * squares / n**2
        least = share * (1 - share) / n
        effective = max(float(m), share * (1 - share) / max(variance, least))
    low, high = _wilson(share, effective)
    return ShareFound(n, share, low, high)


def _wilson(share: float, n: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach) if share > 0 else 0.0, min(1.0, middle + reach)


def _raised(each: ImplantScore) -> bool:
    return each.score is not None and each.healthy is not None and each.score > each.healthy

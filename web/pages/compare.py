"""Two thresholds and their models beside each other: recipe, data, figures, the same scans."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine

from db.entities import Comparison
from db.repository.reports.worklist import marks
from db.repository.training.comparisons import comparisons, paired_verdicts
from db.repository.training.models import dataset_roles
from mriad_model.detection.decisions.thresholds import promised_rate
from mriad_model.enums import Role, Verdict
from mriad_model.errors import SettingsError
from mriad_model.promotion.power import IN_WORDS, ShareFound
from mriad_model.reports.changes import (
    ComparedFigure,
    compared_figures,
    comparison_scans_text,
    why_in_words,
)
from web.pages.models import NO_SUCH, ListedThreshold, listed_thresholds
from web.rendering import figure, interval, minute, page, percent
from web.site import MaybeId, site_of

SAME: Final = "Choose two different thresholds."
NONE: Final = "–"  # noqa: RUF001 - nothing to say
KIND_WORDS: Final = {"white_matter": "white matter"}
SHOWN_METRICS: Final = {  # of the training; of members the most epochs, and the mean loss
    "epochs": "epochs",
    "best_epoch": "best epoch",
    "validation_loss": "held-out loss of the weights kept, mean of the members",
    "seconds": "seconds",
}
router = APIRouter()


@dataclass(frozen=True, slots=True)
class ComparedValue:
    """One value of each of the two thresholds."""

    what: str
    one: str
    other: str

    @property
    def differs(self) -> bool:
        """Whether the two values differ."""
        return self.one != self.other


@dataclass(frozen=True, slots=True)
class Paired:
    """A retraining's comparison of the two."""

    comparison: Comparison
    scans: str
    why: str
    figures: list[ComparedFigure]


@router.get("/models/compare")
def compare(request: Request, one: MaybeId = None, other: MaybeId = None) -> HTMLResponse:
    """Two thresholds beside each other."""
    site = site_of(request)
    lines = listed_thresholds(site.engine)
    first, second = (_line(lines, each) for each in (one, other))
    if first is second:
        raise SettingsError(SAME)
    ids = (first.threshold.id or 0, second.threshold.id or 0)
    recipe = _recipe(first, second)
    return page(
        request,
        "compare.html.j2",
        one=first,
        other=second,
        sections=[
            ("Threshold", _threshold(first, second)),
            ("Data", _data(site.engine, first, second)),
            ("Figures", _figures(first, second)),
        ],
        recipe=[each for each in recipe if each.differs],
        n_same=sum(not each.differs for each in recipe),
        paired=_paired(site.engine, *ids),
        both=_both(site.engine, *ids, marks(site.engine).decision),
        verdicts=list(Verdict),
    )


def _line(lines: list[ListedThreshold], threshold_id: int | None) -> ListedThreshold:
    if threshold_id is None:
        raise SettingsError(SAME)
    for each in lines:
        if each.threshold.id == threshold_id:
            return each
    raise SettingsError(NO_SUCH.format(id=threshold_id))


def _threshold(one: ListedThreshold, other: ListedThreshold) -> list[ComparedValue]:
    def rows(line: ListedThreshold) -> Iterator[tuple[str, str]]:
        t = line.threshold
        yield "made (UTC)", minute(t.created_at)
        yield "active", "yes" if line.active else "no"
        yield "model", f"{t.model_id}, {line.learned}"
        yield "policy", f"{t.policy} {figure(t.k)}"
        yield "value", figure(t.value, 4)
        yield "healthy scores", f"mean {figure(t.mean, 4)}, sd {figure(t.sd, 3)}"
        groups = f", {t.n_groups:,} groups" if t.n_groups else ""
        yield "calibration scans", f"{t.n:,}{groups}"
        rate = NONE if t.rate is None else percent(t.rate)
        if t.rate is not None and t.rate_low is not None and t.rate_high is not None:
            rate += f" ({interval(t.rate_low, t.rate_high)})"
        yield "healthy scans flagged, by calibration", rate

    return _beside(rows(one), rows(other))


def _data(engine: Engine, one: ListedThreshold, other: ListedThreshold) -> list[ComparedValue]:
    first, second = (dataset_roles(engine, each.model.dataset_id) for each in (one, other))

    def rows(line: ListedThreshold, roles: Mapping[int, Role]) -> Iterator[tuple[str, str]]:
        yield "model made (UTC)", minute(line.model.created_at)
        yield "adapted from model", str(line.metrics.get("from_model_id") or NONE)
        yield "dataset", str(line.model.dataset_id)
        counts = Counter(roles.values())
        for role in Role:
            yield f"scans, {role.value.replace('_', ' ')}", f"{counts[role]:,}"

    lines = _beside(rows(one, first), rows(other, second))
    lines = [each for each in lines if (each.one, each.other) != ("0", "0")]
    shared = f"{len(first.keys() & second.keys()):,}"
    return [*lines, ComparedValue("scans in both datasets", shared, shared)]


def _figures(one: ListedThreshold, other: ListedThreshold) -> list[ComparedValue]:
    sizes = [each for line in (one, other) for each in (line.power.by_size if line.power else ())]
    kinds = [each for line in (one, other) for each in (line.power.by_kind if line.power else ())]

    def found(share: ShareFound | None) -> str:
        if share is None:
            return NONE
        return f"{percent(share.share)} ({interval(share.low, share.high)}), n {share.n}"

    def rows(line: ListedThreshold) -> Iterator[tuple[str, str]]:
        power = line.power
        yield "implanted lesions found", found(power.found if power else None)
        for size in dict.fromkeys(sizes):
            yield f"of them {IN_WORDS[size]}", found(power.by_size.get(size) if power else None)
        for kind in dict.fromkeys(kinds):
            share = found(power.by_kind.get(kind) if power else None)
            yield f"of them {KIND_WORDS.get(kind, kind)}", share
        yield "silent", (power.silence or "no") if power else NONE
        yield from _compared(line)
        for name, what in SHOWN_METRICS.items():
            yield what, _short(line.metrics.get(name))

    return _beside(rows(one), rows(other))


def _compared(line: ListedThreshold) -> Iterator[tuple[str, str]]:
    """How it did when it was compared last, on scans of that comparison."""
    found = line.compared
    yield "compared", line.not_compared or "yes"
    if found is None or found.flagged is None:
        yield "healthy comparison scans flagged", NONE
    else:
        flags = np.arange(found.n_healthy) < found.flagged
        rate, low, high = promised_rate(flags.astype(float), 0.5, conformal=False)
        text = f"{found.flagged} of {found.n_healthy}: {percent(rate)}"
        yield "healthy comparison scans flagged", f"{text} ({interval(low, high)})"
    for what, value, n in (
        ("AUROC on implanted lesions", found and found.auroc_implanted, found and found.n_healthy),
        ("AUROC on abnormal scans", found and found.auroc_abnormal, found and found.n_abnormal),
    ):
        yield what, NONE if value is None else f"{value:.3f}, n {n}"


def _recipe(one: ListedThreshold, other: ListedThreshold) -> list[ComparedValue]:
    first, second = (dict(_flat(each.recipe)) for each in (one, other))
    names = dict.fromkeys((*first, *second))
    return [ComparedValue(name, first.get(name, NONE), second.get(name, NONE)) for name in names]


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """A JSON object's leaves, by their dotted names."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for place, each in enumerate(value, 1):
            yield from _flat(each, f"{name} {place}")
    else:
        yield name, _short(value)


def _short(value: object) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool | str):
        return str(value)
    return figure(value, 4) if isinstance(value, float) else json.dumps(value)


def _beside(
    one: Iterator[tuple[str, str]], other: Iterator[tuple[str, str]]
) -> list[ComparedValue]:
    first, second = dict(one), dict(other)
    names = dict.fromkeys((*first, *second))
    return [ComparedValue(name, first.get(name, NONE), second.get(name, NONE)) for name in names]


def _paired(engine: Engine, one: int, other: int) -> Paired | None:
    """The last comparison of the two that the record has."""
    for each in reversed(comparisons(engine)):
        ids = (each.current_threshold_id, each.candidate_threshold_id)
        if ids in ((one, other), (other, one)):
            figures: dict[str, Any] = json.loads(each.figures)
            shown = compared_figures(figures)
            return Paired(
                each,
                scans=comparison_scans_text(figures),
                why=why_in_words(each.reason, promoted=bool(each.promoted), compared=bool(shown)),
                figures=shown,
            )
    return None


@lru_cache(maxsize=4)
def _both(
    engine: Engine,
    one: int,
    other: int,
    last_decision: int,  # noqa: ARG001 - what was counted is kept until there are more
) -> dict[tuple[Verdict, Verdict], int]:
    """Scans that both have decided, by their verdicts."""
    return paired_verdicts(engine, one, other)

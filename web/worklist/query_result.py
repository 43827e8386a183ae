"""A query answered from the index: scans in order, and counts beside each filter's values."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from db.repository.reports.worklist import scans_with_words
from web.worklist.decision_index import KINDS, DecisionIndex, Ints, Mask
from web.worklist.query import ANY, NO, YES, WorklistQuery
from web.worklist.review_index import NOT_REVIEWED, VERDICTS, ReviewColumns

MANY = 50_000  # scans
MOST_VALUES = 12  # of a filter that are listed, most frequent first


@dataclass(frozen=True, slots=True)
class Facet:
    """A value of a filter, and how many scans it would show beside the other filters."""

    value: str
    n: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query admits."""

    scans: Ints  # ids, in the query's order
    decisions: Ints  # the standing decision of each
    facets: dict[str, list[Facet]]

    def after(self, scan_id: int) -> int | None:
        """The scan that comes next: of one that is not in the list, the first; None at the end."""
        if len(self.scans) == 0:
            return None
        places = np.flatnonzero(self.scans == scan_id)
        place = int(places[0]) + 1 if len(places) else 0
        return int(self.scans[place]) if place < len(self.scans) else None

    def before(self, scan_id: int) -> int | None:
        """The scan that comes before; None for the first, and for one that is not in the list."""
        places = np.flatnonzero(self.scans == scan_id)
        return int(self.scans[places[0] - 1]) if len(places) and places[0] > 0 else None

    def place(self, scan_id: int) -> int | None:
        """Its place in the list, from 1."""
        places = np.flatnonzero(self.scans == scan_id)
        return int(places[0]) + 1 if len(places) else None


# Counts the values of a filter among the scans that all other filters admit.
Count = Callable[[DecisionIndex, Mask, WorklistQuery, ReviewColumns], list[Facet]]


def select_scans(
    index: DecisionIndex,
    engine: Engine,
    query: WorklistQuery,
    reader: str | None = None,
    *,
    counted: bool = False,
) -> QueryResult:
    """The scans that a query admits, in its order; `counted` with counts beside filters' values.

    `reader` is who reads unaware of others: reviewed is then what this reader has reviewed.

    Raises:
        SettingsError: a date is invalid.
    """
    index.refresh()
    named = None if not query.words else scans_with_words(engine, query.words.split())
    with index.lock:
        decided = index.decided
        reviews = index.reviews.columns(reader)
        masks = _masks(index, query, reviews)
        common = decided & _common(index, query, named)
        # Where a filter's values are counted, all others hold.
        facets = {
            name: count(index, _all(common, masks, but=name), query, reviews)
            for name, count in (_COUNTED.items() if counted else ())
        }
        scans = _sorted(index, _all(common, masks), query.sort)
        return QueryResult(scans, index.standing["decision"][scans], facets)


def _sorted(index: DecisionIndex, fits: Mask, sort: str) -> Ints:
    """The scans that fit, in order; of many, by an order of all that is kept until decisions come.

    Over 400,000 scans a sort takes 100 to 300 ms, and passing over a kept order 5.
    """
    scans = np.flatnonzero(fits)
    if sort == "scan":
        return scans
    if len(scans) < MANY:
        return scans[_order(index, scans, sort)]
    if sort not in index.orders:
        every = np.flatnonzero(index.decided)
        index.orders[sort] = every[_order(index, every, sort)].astype(np.int32)
    order = index.orders[sort]
    return order[fits[order]].astype(np.int64)


def _common(index: DecisionIndex, query: WorklistQuery, named: list[int] | None) -> Mask:
    """Scans that pass the filters without counted values: dates, run, p, sigmas, patient."""
    standing = index.standing
    fits: Mask = np.ones(index.size, bool)
    first, last = query.bounds
    if first is not None:
        fits &= standing["moment"] >= first
    if last is not None:
        fits &= standing["moment"] < last
    if query.run is not None:
        fits &= standing["run"] == query.run
    if query.p is not None:
        fits &= standing["p"] <= query.p
    if query.above is not None or query.below is not None:
        sigmas = index.sigmas(np.arange(len(fits)))
        fits &= sigmas >= (-np.inf if query.above is None else query.above)
        fits &= sigmas <= (np.inf if query.below is None else query.below)
    if query.patient:
        of_patient = np.zeros(len(fits), bool)
        of_patient[index.of_patient(query.patient)] = True
        fits &= of_patient
    if named is not None:
        listed = np.zeros(len(fits), bool)
        listed[[each for each in named if each < len(fits)]] = True
        fits &= listed
    return fits


def _masks(index: DecisionIndex, query: WorklistQuery, reviews: ReviewColumns) -> dict[str, Mask]:
    """For each set filter with counted values, the scans that pass it."""
    found: dict[str, Mask] = {}
    if query.verdict:
        wanted = [VERDICTS.index(each) for each in query.verdict]
        found["verdict"] = _is_in(index.standing["verdict"], wanted, len(VERDICTS))
    if query.reviewed != ANY:
        reviewed = reviews.verdicts != NOT_REVIEWED
        found["reviewed"] = reviewed == (query.reviewed == YES)
    if query.kind:
        wanted = [KINDS.index(each) for each in query.kind]
        found["kind"] = _is_in(index.scan["kind"], wanted, len(KINDS))
    for name, words in (("scanner", index.scanners), ("contrast", index.contrasts)):
        values: tuple[str, ...] = getattr(query, name)
        if values:
            wanted = [words.numbers[each] for each in values if each in words.numbers]
            found[name] = _is_in(index.scan[name], wanted, len(words.texts))
    if query.tag:
        found["tag"] = np.zeros(index.size, bool)
        for tag in query.tag:
            found["tag"][reviews.tagged(tag)] = True
    return found


def _is_in(column: Ints, wanted: list[int], n: int) -> Mask:
    table = np.zeros(max(n, 1), bool)
    table[wanted] = True
    found: Mask = table[column]
    return found


def _all(common: Mask, masks: dict[str, Mask], but: str | None = None) -> Mask:
    fits = common
    for name, mask in masks.items():
        if name != but:
            fits = fits & mask
    return fits


def _count_words(name: str) -> Count:
    def count(
        index: DecisionIndex, fits: Mask, query: WorklistQuery, _: ReviewColumns
    ) -> list[Facet]:
        texts = {
            "verdict": VERDICTS,
            "kind": KINDS,
            "scanner": index.scanners.texts,
            "contrast": index.contrasts.texts,
        }[name]
        column = index.standing["verdict"] if name == "verdict" else index.scan[name]
        counts = np.bincount(column[fits], minlength=len(texts))
        chosen: tuple[str, ...] = getattr(query, name)
        found = [Facet(text, int(n), text in chosen) for text, n in zip(texts, counts, strict=True)]
        if name == "verdict":
            return [each for each in found if each.n or each.chosen]
        found = [each for each in found if each.n or each.chosen]
        return sorted(found, key=lambda each: (not each.chosen, -each.n, each.value))[:MOST_VALUES]

    return count


def _count_reviewed(
    _: DecisionIndex, fits: Mask, query: WorklistQuery, reviews: ReviewColumns
) -> list[Facet]:
    n = int(np.count_nonzero(fits))
    reviewed = int(np.count_nonzero(fits & (reviews.verdicts != NOT_REVIEWED)))
    counts = {NO: n - reviewed, YES: reviewed, ANY: n}
    return [Facet(value, count, value == query.reviewed) for value, count in counts.items()]


def _count_tags(
    _: DecisionIndex, fits: Mask, query: WorklistQuery, reviews: ReviewColumns
) -> list[Facet]:
    counted = {
        tag: int(np.count_nonzero(fits[reviews.tagged(tag)])) for tag in (*query.tag, *reviews.tags)
    }
    found = [Facet(tag, n, tag in query.tag) for tag, n in counted.items()]
    found = [each for each in found if each.n or each.chosen]
    return sorted(found, key=lambda each: (not each.chosen, -each.n, each.value))[:MOST_VALUES]


_COUNTED: dict[str, Count] = {
    "verdict": _count_words("verdict"),
    "reviewed": _count_reviewed,
    "scanner": _count_words("scanner"),
    "contrast": _count_words("contrast"),
    "kind": _count_words("kind"),
    "tag": _count_tags,
}
# Worse verdicts come first.
_RANKS = np.array(
    [{"suspicious": 0, "uncertain": 1, "not_scorable": 2}.get(each, 3) for each in VERDICTS]
)


def _order(index: DecisionIndex, scans: Ints, sort: str) -> Ints:
    """Where each of these scans, in order of their ids, comes in the list.

    Sorts are stable: ties stay in order of ids, so that an order is always the same. NaN is last.
    """
    standing = index.standing
    if sort in ("newest", "oldest"):
        moments = standing["moment"][scans]
        return np.argsort(-moments if sort == "newest" else moments, kind="stable")
    sigmas = -index.sigmas(scans)
    if sort == "p":
        return np.lexsort((sigmas, standing["p"][scans]))
    if sort == "score":
        return np.argsort(sigmas, kind="stable")
    return np.lexsort((sigmas, _RANKS[standing["verdict"][scans]]))

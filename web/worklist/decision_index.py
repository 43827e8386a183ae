"""Each scan's standing decision as columns in memory, so that any filter and any count is quick.

The record only grows: what came since the last request is read and put beside what is there. At
1,000,000 decisions on 400,000 scans one SQL query with counts beside its filters takes seconds;
here it takes milliseconds, and the columns take about 100 bytes a scan.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from db.repository.reports.worklist import (
    Marks,
    ScoredDecision,
    decisions_after,
    marks,
    reviews_after,
    scans_after,
    thresholds_after,
)
from mriad_model.enums import ScanKind, Verdict
from tasks.runtime.garbage import without_collection
from web.worklist.review_index import VERDICTS, ReviewIndex

KINDS: Final = tuple(kind.value for kind in ScanKind)
UNKNOWN: Final = "unknown"  # a scanner or contrast that the source does not state
FIRST_ROWS: Final = 1024
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_DECISION = {
    "decision": np.int64,  # 0: none
    "threshold": np.int32,
    "run": np.int32,
    "verdict": np.int8,
    "score": np.float64,
    "p": np.float64,
    "moment": np.int64,  # microseconds since 1970, UTC
}


@dataclass(slots=True)
class Words:
    """Repeating texts, each as a small number."""

    texts: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        """The number of a text, a new one where it is new."""
        if text not in self.numbers:
            self.numbers[text] = len(self.texts)
            self.texts.append(text)
        return self.numbers[text]


class DecisionIndex:
    """Columns by scan id. `refresh` brings them up to date; readers hold `lock` meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self.lock = threading.RLock()
        self.scanners, self.contrasts, self.patients = Words(), Words(), Words()
        self.orders: dict[str, NDArray[np.int32]] = {}  # of all decided scans, by what sorts them
        self._engine = engine
        self._read = Marks()
        self._newest = _empty(_DECISION, FIRST_ROWS)  # of each scan
        self.standing: dict[str, NDArray[Any]] = self._newest
        # The active threshold's, of scans that another has decided since; empty for none.
        self._active: dict[str, NDArray[Any]] = {}
        scan = {"kind": np.int8, "scanner": np.int32, "contrast": np.int32, "patient": np.int32}
        self.scan = _empty(scan, FIRST_ROWS)  # patient: 0 where the source names none
        self.reviews = ReviewIndex(FIRST_ROWS)
        self._means = np.zeros(1)
        self._sds = np.full(1, np.nan)
        self._grid_contrasts: dict[str, int] = {}

    def refresh(self) -> None:
        """Read what the record has got since the last time."""
        with self.lock, without_collection():
            now = marks(self._engine)
            if now == self._read:
                return
            before = self._read
            self._grow(now.scan + 1)
            self._read_thresholds(before)
            self._read_scans(before, now)
            for page in decisions_after(self._engine, before.decision, now.decision):
                self._take(page, before.active)
            if now.active != before.active:
                self._active = {}
                for page in decisions_after(self._engine, 0, now.decision, now.active):
                    self._keep(page)
            for scan_id, reviews in reviews_after(self._engine, before.review).items():
                self.reviews.put(scan_id, reviews)
            if (before.decision, before.active) != (now.decision, now.active):
                self.orders.clear()
            self.standing = self._newest
            if self._active:
                held = self._active["decision"] > 0
                self.standing = {
                    name: np.where(held, self._active[name], column)
                    for name, column in self._newest.items()
                }
            self._read = now

    @property
    def size(self) -> int:
        """The length of all columns."""
        return len(self.scan["kind"])

    @property
    def decided(self) -> Mask:
        """Scans that have a decision."""
        decided: Mask = self.standing["decision"] > 0
        return decided

    def sigmas(self, scans: Ints) -> NDArray[np.float64]:
        """Scores of these scans in standard deviations above the mean of healthy ones.

        NaN where the threshold has no spread.
        """
        thresholds = self.standing["threshold"][scans]
        with np.errstate(invalid="ignore", divide="ignore"):
            found: NDArray[np.float64] = (
                self.standing["score"][scans] - self._means[thresholds]
            ) / self._sds[thresholds]
        found[~np.isfinite(found)] = np.nan
        return found

    def of_patient(self, pseudonym: str) -> Ints:
        """Scans of a patient, by id."""
        number = self.patients.numbers.get(pseudonym)
        if number is None:
            return _NONE
        return np.flatnonzero(self.scan["patient"] == number + 1)

    def _take(self, page: list[ScoredDecision], active: int) -> None:
        """Put decisions at the places of their scans; what `active` said before them is kept."""
        last = {each.scan_id: each for each in page}
        others = [each.scan_id for each in last.values() if each.threshold_id != active]
        if active and others:
            ids = np.array(others)
            ids = ids[self._newest["threshold"][ids] == active]
            if len(ids):
                self._make_room()
                for name, column in self._newest.items():
                    self._active[name][ids] = column[ids]
        self._keep([each for each in page if each.threshold_id == active and active], last)
        _put(self._newest, page)

    def _keep(
        self, page: list[ScoredDecision], last: Mapping[int, ScoredDecision] | None = None
    ) -> None:
        """Keep the active threshold's decisions that are not the last of their scans."""
        if last is None:
            newest = self._newest["decision"]
            kept = [each for each in page if newest[each.scan_id] != each.decision_id]
        else:
            kept = [each for each in page if last[each.scan_id] != each]
        if kept:
            self._make_room()
            _put(self._active, kept)

    def _make_room(self) -> None:
        self._active = self._active or _empty(_DECISION, self.size)

    def _grow(self, size: int) -> None:
        """Room for scans of ids below `size`."""
        have = self.size
        if size <= have:
            return
        more = max(size, have * 3 // 2) - have
        for columns in (self._newest, self._active, self.scan):
            for name, column in columns.items():
                columns[name] = np.concatenate((column, np.zeros(more, column.dtype)))
        self.reviews.grow(have + more)

    def _read_thresholds(self, before: Marks) -> None:
        new = thresholds_after(self._engine, before.threshold)
        if not new:
            return
        more = max(each.id or 0 for each in new) + 1 - len(self._means)
        self._means = np.concatenate((self._means, np.zeros(max(more, 0))))
        self._sds = np.concatenate((self._sds, np.full(max(more, 0), np.nan)))
        for each in new:
            if each.id is not None and each.sd > 0:
                self._means[each.id], self._sds[each.id] = each.mean, each.sd

    def _read_scans(self, before: Marks, now: Marks) -> None:
        for page in scans_after(self._engine, before.scan, now.scan):
            ids = [each.scan_id for each in page]
            self.scan["kind"][ids] = [KINDS.index(each.kind) for each in page]
            numbers = [self.scanners.number(each.scanner or UNKNOWN) for each in page]
            self.scan["scanner"][ids] = numbers
            self.scan["contrast"][ids] = [self._contrast(each.geometry) for each in page]
            self.scan["patient"][ids] = [
                0 if each.patient is None else 1 + self.patients.number(each.patient)
                for each in page
            ]

    def _contrast(self, geometry: str) -> int:
        """The number of a contrast, from a scan's geometry (JSON); many scans have one grid."""
        if geometry not in self._grid_contrasts:
            if len(self._grid_contrasts) > FIRST_ROWS:
                self._grid_contrasts.clear()
            stated = json.loads(geometry).get("contrast")
            self._grid_contrasts[geometry] = self.contrasts.number(stated or UNKNOWN)
        return self._grid_contrasts[geometry]


_NONE: Final = np.zeros(0, np.int64)


def _empty(kinds: Mapping[str, type], size: int) -> dict[str, NDArray[Any]]:
    return {name: np.zeros(size, kind) for name, kind in kinds.items()}


def _put(columns: dict[str, NDArray[Any]], page: list[ScoredDecision]) -> None:
    """Put decisions, oldest first, at the places of their scans; the later one stays."""
    if not page:
        return
    last = {each.scan_id: each for each in page}  # numpy does not say which of two would stand
    ids, rows = list(last), list(last.values())
    columns["decision"][ids] = [each.decision_id for each in rows]
    columns["threshold"][ids] = [each.threshold_id for each in rows]
    columns["run"][ids] = [each.run_id for each in rows]
    columns["verdict"][ids] = [VERDICTS.index(each.verdict) for each in rows]
    # A score of a scan that is not scorable means nothing: it is filtered and sorted as none.
    columns["score"][ids] = [np.nan if _is_not_scorable(each) else each.score for each in rows]
    columns["p"][ids] = [np.nan if _is_not_scorable(each) else each.p_value for each in rows]
    columns["moment"][ids] = moments(each.created_at for each in rows)


def _is_not_scorable(decision: ScoredDecision) -> bool:
    return decision.verdict == Verdict.NOT_SCORABLE


def moments(texts: Iterable[str]) -> Ints:
    """Recorded moments as microseconds since 1970."""
    plain = [text[:26] for text in texts]  # all are UTC and of one width
    return np.array(plain, "datetime64[us]").astype(np.int64)

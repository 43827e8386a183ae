"""Which scans a list shows: a query that lives in the page's address, so that it can be kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from db.timestamps import since, until
from mriad_model.enums import ScanKind, Verdict
from mriad_model.errors import SettingsError

PAGE_SIZE: Final = 50
NO, YES, ANY = "no", "yes", "any"
FLAGGED: Final = tuple(each.value for each in Verdict if each is not Verdict.NORMAL)
SORTS: Final = {
    "worst": "worst first",
    "newest": "newest first",
    "oldest": "oldest first",
    "p": "smallest p first",
    "score": "highest score first",
    "scan": "by scan",
}
MOST_PAGES: Final = 10**6


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """A list of scans by their standing decisions. An empty filter admits all."""

    verdict: tuple[str, ...] = FLAGGED  # () admits all, as `any` in an address
    reviewed: str = NO
    since: str = ""  # day or moment, UTC, as `mriad history` takes it
    until: str = ""
    run: int | None = None
    above: float | None = None  # score in standard deviations above healthy ones, at least
    below: float | None = None  # the same, at most
    p: float | None = None  # at most
    scanner: tuple[str, ...] = ()
    contrast: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()  # of reviews that hold
    patient: str = ""  # pseudonym
    words: str = ""  # of the path
    sort: str = "worst"
    page: int = 1

    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of the address: what differs from the first page's list."""
        plain = WorklistQuery()
        found: list[tuple[str, str]] = []
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value == getattr(plain, name):
                continue
            if isinstance(value, tuple):
                found += [(name, each) for each in value or (ANY,)]
            else:
                found.append((name, f"{value:g}" if isinstance(value, float) else str(value)))
        return found

    def address(self) -> str:
        """The query string, with its question mark; empty for the first page's list."""
        text = urlencode(self.parameters())
        return f"?{text}" if text else ""

    def toggled(self, name: str, value: str) -> "WorklistQuery":
        """The query with a filter's value added, or removed where it is set."""
        chosen: tuple[str, ...] = getattr(self, name)
        kept = tuple(each for each in chosen if each != value)
        return self.changed(**{name: kept if value in chosen else (*chosen, value)})

    def changed(self, **values: object) -> "WorklistQuery":
        """The query with other values, from its first page on."""
        return replace(self, **{"page": 1, **values})  # type: ignore[arg-type]

    @property
    def bounds(self) -> tuple[int | None, int | None]:
        """The first moment within, and the first after; microseconds since 1970."""
        first = _microseconds(since(self.since)) if self.since else None
        last = _microseconds(until(self.until)) if self.until else None
        return first, last


def query_from(parameters: Iterable[tuple[str, str]]) -> WorklistQuery:
    """The query that an address states. Blank values and unknown parameters are ignored.

    Raises:
        SettingsError: a value that cannot be used.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name in WorklistQuery.__dataclass_fields__ and value.strip():
            given.setdefault(name, []).append(value.strip())
    found: dict[str, object] = {}
    for name in ("since", "until", "patient", "words"):
        if name in given:
            found[name] = given[name][-1]
    for name, allowed in _CHOICES.items():
        if name in given:
            found[name] = _chosen(name, given[name], allowed)
    for name in ("above", "below", "p"):
        if name in given:
            found[name] = _number(name, given[name][-1])
    for name in ("run", "page"):
        if name in given:
            found[name] = _whole(name, given[name][-1])
    for name, words in (("reviewed", (NO, YES, ANY)), ("sort", tuple(SORTS))):
        if name in given:
            found[name] = _chosen(name, given[name][-1:], words)[0]
    query = WorklistQuery(**found)  # type: ignore[arg-type]
    _ = query.bounds  # raises for an invalid date
    return query


_CHOICES: Mapping[str, tuple[str, ...] | None] = {
    "verdict": tuple(each.value for each in Verdict),
    "kind": tuple(each.value for each in ScanKind),
    "scanner": None,  # whatever files state
    "contrast": None,
    "tag": None,
}


def _chosen(name: str, values: list[str], allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    if ANY in values and name in _CHOICES:
        return ()
    for value in values:
        if allowed is not None and value not in allowed:
            raise SettingsError(f"{name}={value!r}: choose one of {', '.join(allowed)}")
    return tuple(dict.fromkeys(values))


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise SettingsError(f"{name}={text!r} is not a number")
    return value


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:18]) <= MOST_PAGES**3):
        raise SettingsError(f"{name}={text!r} is no whole number above 0")
    return int(text[:18])


def _microseconds(moment: str) -> int:
    whole = datetime.fromisoformat(moment)
    return round(whole.timestamp() * 1_000_000)

"""Whether the rows of the record are those that its links were made over.

The chain is walked once, a window of links at a time; beside it each table is read once, in
the order of its ids. All is read in one state of the record, whoever writes meanwhile.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from json import loads
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, select
from sqlalchemy.exc import SQLAlchemyError

from db import schema
from db.engine.chain import (
    NOTHING_BEFORE,
    PAGE,
    Covered,
    Digest,
    Shape,
    quoted,
    sha256_of_link,
    shapes,
    streamed,
)
from db.engine.connect import reading

WINDOW: Final = 10_000  # links in memory


@dataclass(frozen=True, slots=True)
class _Entry:
    """The rows of a table that a link covers."""

    link: int
    covered: Covered


@dataclass(slots=True)
class _Table:
    """How far a table has been read, and the rows met that no link covers."""

    shape: Shape
    done: int | None = None  # all rows up to this key were read
    strays: int = 0
    first_stray: int | None = None

    def stray(self, key: int) -> None:
        """Count a row that no link covers."""
        self.strays += 1
        if self.first_stray is None:
            self.first_stray = key

    def rows(self, connection: Connection, last: int | None) -> Iterator[Any]:
        """The rows that come next, up to a key."""
        key = quoted(self.shape.key)
        bounds = {"done": self.done, "last": last}
        given = {name: value for name, value in bounds.items() if value is not None}
        above = [f"{key} > :done"] if "done" in given else []
        below = [f"{key} <= :last"] if "last" in given else []
        where = " AND ".join(above + below) or "1 = 1"
        return streamed(connection, self.shape.query(where), given)


@dataclass(slots=True)
class _Walk:
    """The chain so far."""

    previous: str = NOTHING_BEFORE
    number: int = 0
    tables: dict[str, _Table] = field(
        default_factory=lambda: {each.table: _Table(each) for each in shapes()}
    )


def broken_links(engine: Engine) -> Iterator[str]:
    """Where the chain does not hold, first link first; then rows that no link covers."""
    walk = _Walk()
    with reading(engine) as connection:
        links = _links(connection)
        while window := list(islice(links, WINDOW)):
            entries: dict[str, list[_Entry]] = {name: [] for name in walk.tables}
            for link in window:
                yield from _follow(walk, link, entries)
            for name, table in walk.tables.items():
                yield from _compare(connection, table, entries[name])
        for table in walk.tables.values():
            for row in table.rows(connection, None):
                table.stray(row[table.shape.place])
            if table.strays:
                yield _strays_text(table)


def _links(connection: Connection) -> Iterator[RowMapping]:
    """All links, oldest first, a page of them at a time."""
    table, last = schema.link, None
    query = select(table).order_by(table.c.id).limit(PAGE)
    while True:
        after = query if last is None else query.where(table.c.id > last)
        rows = connection.execute(after).mappings().all()
        yield from rows
        if not rows:
            return
        last = rows[-1]["id"]


def _follow(walk: _Walk, link: RowMapping, entries: Mapping[str, list[_Entry]]) -> Iterator[str]:
    """Take one link after the other, and note what it covers."""
    number = link["id"]
    if number != walk.number + 1:
        missing = f"links {walk.number + 1} to {number - 1}"
        yield f"{missing} are gone" if number > walk.number else f"link {number} is none of ours"
    elif link["previous"] != walk.previous:
        yield f"link {number} does not follow on link {walk.number}"
    if sha256_of_link(dict(link)) != link["sha256"]:
        yield f"link {number} ({link['created_at']}) was changed after it was made"
    walk.number, walk.previous = number, link["sha256"]
    try:
        covered = {name: Covered(*each) for name, each in loads(link["rows"]).items()}
        for name, each in covered.items():
            int(each.first), int(each.last)
            entries[name].append(_Entry(number, each))
    except (AttributeError, KeyError, TypeError, ValueError):
        yield f"link {number} does not say what it covers"


def _compare(connection: Connection, table: _Table, entries: list[_Entry]) -> Iterator[str]:
    """Read a table up to where these entries end; what differs from them."""
    if not entries:
        return
    shape, place, last = table.shape, table.shape.place, max(e.covered.last for e in entries)
    waiting: Iterator[_Entry] = iter(entries)
    entry, digest = next(waiting, None), Digest(shape.columns)
    try:
        for row in table.rows(connection, last):
            key = row[place]
            while entry is not None and key > entry.covered.last:
                yield from _judged(shape, entry, digest)
                entry, digest = next(waiting, None), Digest(shape.columns)
            if entry is None or key < entry.covered.first:
                table.stray(key)
            else:
                digest.add(row)
    except SQLAlchemyError:
        yield f"{shape.table} cannot be read: it holds what is no text or number"
        entry = None
    while entry is not None:
        yield from _judged(shape, entry, digest)
        entry, digest = next(waiting, None), Digest(shape.columns)
    table.done = max(last, table.done or last)


def _judged(shape: Shape, entry: _Entry, digest: Digest) -> Iterator[str]:
    was = entry.covered
    now = digest.covered(was.first, was.last)
    if now == was:
        return
    own = "" if shape.parent == shape.table else f" of {shape.parent}"
    rows = f"{was.first}" if was.first == was.last else f"{was.first} to {was.last}"
    how = "changed" if now.n == was.n else f"{was.n} rows then, {now.n} now"
    what = f"its rows of {shape.table} ({shape.key} {rows}{own})"
    yield f"link {entry.link} does not hold: {what}: {how}"


def _strays_text(table: _Table) -> str:
    n, shape = table.strays, table.shape
    rows = "1 row" if n == 1 else f"{n} rows"
    return (
        f"{rows} of {shape.table} ({shape.key} {table.first_stray}{' and others' * (n > 1)}) "
        f"{'is' if n == 1 else 'are'} in no link: written by another program, or the link was "
        "taken away"
    )


def first_lines(lines: Iterable[str], most: int) -> list[str]:
    """The first of many lines, and that there are more."""
    found = list(islice(lines, most + 1))
    return found if len(found) <= most else [*found[:most], "and more of the chain does not hold"]

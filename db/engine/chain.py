"""The chain of links: each transaction that appends leaves one, over its rows and the link before.

A link holds, for each table that the transaction appended to, the first and last id, the number of
rows and the SHA-256 of their canonical form; and its own SHA-256, over that and the link before. So
the last link, the head, shows whether any row before it was changed, removed or inserted since
(`db.engine.chain_check`). Rows of a table without ids are written with the row that their first key
names, and covered with it.

The canonical form of rows is a JSON array without blanks, in the order of their keys: each an
object of its columns by name, without empty ones, so that a column added later changes no old link.
Numbers keep all bits, text is ASCII; SQLite and PostgreSQL give the same array.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from json import JSONEncoder
from typing import Any, Final

from sqlalchemy import Connection, Table, select, text

from db import schema
from mriad_model.errors import RecordError

NOTHING_BEFORE: Final = "0" * 64
TOO_HIGH: Final = 2**53  # from here on a double no longer tells one whole number from the next
PAGE: Final = 5_000

_encode: Final = JSONEncoder(separators=(",", ":")).encode

Marks = Mapping[str, int]  # table -> its highest id


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as links cover it."""

    table: str
    columns: tuple[str, ...]  # sorted
    key: str  # the column that says which link covers a row
    parent: str  # the table whose ids the key holds: this one, or the one it goes with
    order: tuple[str, ...]

    @property
    def place(self) -> int:
        """The key's position among the columns."""
        return self.columns.index(self.key)

    def query(self, where: str) -> str:
        """The rows where something holds of the key, in the order in which they are hashed."""
        names, order = (", ".join(map(quoted, each)) for each in (self.columns, self.order))
        return f"SELECT {names} FROM {quoted(self.table)} WHERE {where} ORDER BY {order}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Covered:
    """The rows of a table that a link covers."""

    first: int  # ids of the table, or of the rows that these go with
    last: int
    n: int
    sha256: str

    def as_list(self) -> list[int | str]:
        """As a link holds it."""
        return [self.first, self.last, self.n, self.sha256]


def quoted(name: str) -> str:
    """A name as both databases take it, whatever word it is."""
    return f'"{name}"'


@cache
def shapes() -> tuple[Shape, ...]:
    """All tables that links cover, by name."""
    return tuple(
        _shape(name, table)
        for name, table in sorted(schema.metadata.tables.items())
        if name != "link"
    )


def _shape(name: str, table: Table) -> Shape:
    keys = tuple(column.name for column in table.primary_key.columns)
    (reference,) = table.c[keys[0]].foreign_keys or (None,)
    parent = name if reference is None else reference.column.table.name
    return Shape(name, tuple(sorted(table.columns.keys())), keys[0], parent, keys)


class Digest:
    """The SHA-256 of rows as they come, and how many they were."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._sha256 = sha256(b"[")
        self._waiting: list[Sequence[Any]] = []
        self._n = 0

    def add(self, row: Sequence[Any]) -> None:
        """Take one more row."""
        self._waiting.append(row)
        if len(self._waiting) >= PAGE:
            self._take()

    def _take(self) -> None:
        """Hash the rows that wait, which is quicker for many at once."""
        if self._waiting:
            rows = _encode([values_of(self._columns, row) for row in self._waiting])
            self._sha256.update((b"," if self._n else b"") + rows[1:-1].encode())
            self._n += len(self._waiting)
            self._waiting.clear()

    def covered(self, first: int, last: int) -> Covered:
        """All that came, as a link holds it."""
        self._take()
        whole = self._sha256.copy()
        whole.update(b"]")
        return Covered(first, last, self._n, whole.hexdigest())


def values_of(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """A row's columns and values, without those that are null."""
    values = zip(columns, row, strict=True)
    if None in row:
        return {name: value for name, value in values if value is not None}
    return dict(values)


def streamed(
    connection: Connection, query: str, values: Mapping[str, int]
) -> Iterator[Sequence[Any]]:
    """Rows, a page in memory at a time."""
    found = connection.execute(text(query), values, execution_options={"yield_per": PAGE})
    for page in found.partitions(PAGE):
        yield from page


def marks(connection: Connection) -> dict[str, int]:
    """The highest id of each table that has ids, `link` too; 0 where there is no row.

    Raises:
        RecordError: an id is one that mriad does not give out. A row could come after none that
            is too high, and SQLite takes a row of -1 for one that brings no id.
    """
    asked = [each.table for each in shapes() if each.parent == each.table] + ["link"]
    ends = (f"SELECT '{t}', min(id), max(id) FROM {quoted(t)}" for t in asked)  # noqa: S608
    found = {}
    for table, low, top in connection.execute(text(" UNION ALL ".join(ends))).tuples():
        if low is not None and (low < 1 or top >= TOO_HIGH):
            raise RecordError(
                f"The record holds row {low if low < 1 else top} of {table}, which mriad did not "
                "write, and takes no more rows: mriad check says what else is wrong; restore a "
                "backup"
            )
        found[table] = top or 0
    return found


def append_link(connection: Connection, before: Marks, moment: str) -> None:
    """Append a link over all rows that came since; none for none."""
    rows, after = {}, marks(connection)
    for shape in shapes():
        first, last = before.get(shape.parent, 0) + 1, after[shape.parent]
        if first <= last:
            digest = Digest(shape.columns)
            query = shape.query(f"{quoted(shape.key)} BETWEEN :first AND :last")
            for row in streamed(connection, query, {"first": first, "last": last}):
                digest.add(row)
            covered = digest.covered(first, last)
            if covered.n:
                rows[shape.table] = covered.as_list()
    if rows:
        table = schema.link
        newest = select(table.c.id, table.c.sha256).order_by(table.c.id.desc()).limit(1)
        last_id, previous = connection.execute(newest).first() or (0, NOTHING_BEFORE)
        link = {
            "id": last_id + 1,
            "previous": previous,
            "rows": _encode(rows),
            "created_at": moment,
        }
        connection.execute(table.insert(), {**link, "sha256": sha256_of_link(link)})


def sha256_of_link(link: Mapping[str, object]) -> str:
    """What a link's own hash has to be."""
    own = {name: link[name] for name in ("created_at", "id", "previous", "rows")}
    return sha256(_encode(own).encode()).hexdigest()

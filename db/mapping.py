"""Between rows and nouns: a noun as a row's values, a row as a noun, long lists in pieces."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Final, Protocol, TypeVar, get_type_hints

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Table, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite

from mriad_model.plain_text import printable

# Well under the 32,766 variables of a statement in SQLite, and the 65,535 in PostgreSQL.
PIECE: Final = 10_000


class Noun(Protocol):
    """A dataclass of `db.entities`, or of values that a query returns."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


N = TypeVar("N", bound=Noun)
T = TypeVar("T")


def values_of(noun: Noun) -> dict[str, object]:
    """A noun's columns and their values, without an id, which the row is given.

    Every append comes by here, so that no text enters the record that would not print as itself.
    """
    values = ((name, getattr(noun, name)) for name in _enums(type(noun)) if name != "id")
    return {
        name: printable(str(value)) if isinstance(value, str) else value for name, value in values
    }


def noun_of(kind: type[N], row: RowMapping | Mapping[str, Any], prefix: str = "") -> N:
    """The noun that a row holds, its words made enums; `prefix` stands before the columns."""
    return kind(
        **{
            name: row[prefix + name] if enum is None else enum(row[prefix + name])
            for name, enum in _enums(kind).items()
        }
    )


@cache
def _enums(kind: type[Noun]) -> dict[str, type[StrEnum] | None]:
    """The fields of a dataclass, each with its enum if it holds one."""
    hints = get_type_hints(kind)
    enums = {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and issubclass(hint, StrEnum)
    }
    return {field.name: enums.get(field.name) for field in fields(kind)}


def columns_of(table: Table, prefix: str) -> list[Any]:
    """A table's columns, each named with a prefix, for a query that joins several."""
    return [column.label(prefix + column.name) for column in table.columns]


def pieces(items: Iterable[T], size: int = PIECE) -> Iterator[list[T]]:
    """A long list in pieces that fit one statement."""
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece


def lies_in(path: ColumnElement[str], folder: str) -> ColumnElement[bool]:
    """Whether a recorded path is of a file right in a folder: `name/`, or nothing for the home.

    Letter by letter: LIKE takes `a` for `A` on SQLite. A slash is never part of an escape.
    """
    name = func.substr(path, len(folder) + 1)
    return and_(func.substr(path, 1, len(folder)) == folder, name.not_like("%/%"))


def by_id(connection: Connection, kind: type[N], table: Table, ids: Iterable[int]) -> dict[int, N]:
    """The rows of these ids, by id; an id without a row is left out."""
    found: dict[int, N] = {}
    for piece in pieces(ids):
        query = select(table).where(table.c.id.in_(piece))
        for row in connection.execute(query).mappings():
            found[row["id"]] = noun_of(kind, row)
    return found


def grouped(
    connection: Connection,
    kind: type[N],
    key: Column[int],
    keys: Iterable[int],
    order: ColumnElement[Any],
) -> dict[int, list[N]]:
    """The rows that name these keys in a column, by key, in an order."""
    found: dict[int, list[N]] = {}
    for piece in pieces(keys):
        query = select(key.table).where(key.in_(piece)).order_by(order)
        for row in connection.execute(query).mappings():
            found.setdefault(row[key.name], []).append(noun_of(kind, row))
    return found


def insert_new(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *returning: Column[Any],
) -> Sequence[Any]:
    """Insert the rows that are not there yet, and return what was asked of those alone.

    A row that meets another in a unique key is passed over: whoever came first stands.
    """
    if not rows:
        return []
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).on_conflict_do_nothing()
    return connection.execute(statement.returning(*returning), list(rows)).all()


def append_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows that are not there yet; how many. Quicker than to ask for them back."""
    if not rows:
        return 0
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).on_conflict_do_nothing()
    done = connection.execute(statement, list(rows), execution_options={"preserve_rowcount": True})
    return done.rowcount

"""Between the tables' rows and dataclasses: rows read, values to append, long lists in pieces."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Final, Protocol, TypeVar, get_args, get_type_hints

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    UniqueConstraint,
    and_,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from mriad_model.errors import NotInRecord
from mriad_model.plain_text import printable

# Well under the 32,766 variables of a statement in SQLite, and the 65,535 in PostgreSQL.
PIECE: Final = 10_000


class Entity(Protocol):
    """A dataclass of `db.entities`, or of the values that a query returns."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=Entity)
T = TypeVar("T")


def values_of(row: Entity) -> dict[str, object]:
    """A row's columns and their values, without an id, which the database gives.

    Every append comes by here, so that no text enters the record that would not print as itself.
    """
    values = ((name, getattr(row, name)) for name in _enums(type(row)) if name != "id")
    return {
        name: printable(str(value)) if isinstance(value, str) else value for name, value in values
    }


def row_of(kind: type[R], row: RowMapping | Mapping[str, Any], prefix: str = "") -> R:
    """A found row as its dataclass, words made enums; `prefix` comes before the columns."""
    return kind(
        **{
            name: value if enum is None or value is None else enum(value)
            for name, enum in _enums(kind).items()
            for value in (row[prefix + name],)
        }
    )


@cache
def _enums(kind: type[Entity]) -> dict[str, type[StrEnum] | None]:
    """The fields of a dataclass, each with its enum if it holds one."""
    enums = {
        name: each
        for name, hint in get_type_hints(kind).items()
        for each in (hint, *get_args(hint))  # an optional one too
        if isinstance(each, type) and issubclass(each, StrEnum)
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


def rows_of(connection: Connection, kind: type[R], query: Select[Any]) -> list[R]:
    """What a query finds, in its order."""
    return [row_of(kind, row) for row in connection.execute(query).mappings()]


def row_by_id(
    connection: Connection, kind: type[R], table: Table, row_id: int, listed_by: str = ""
) -> R:
    """The row of this id. NotInRecord if there is none; a command that lists them is named."""
    for row in rows_of(connection, kind, select(table).where(table.c.id == row_id)):
        return row
    which = f"; those there are: {listed_by}" if listed_by else ""
    raise NotInRecord(f"There is no {table.name} {row_id} in the record{which}")


def select_in(
    connection: Connection, query: Select[Any], column: ColumnElement[Any], values: Iterable[Any]
) -> Iterator[Any]:
    """What a query finds where a column holds one of these values, however many they are."""
    for piece in pieces(values):
        yield from connection.execute(query.where(column.in_(piece)))


def rows_by_id(
    connection: Connection, kind: type[R], table: Table, ids: Iterable[int]
) -> dict[int, R]:
    """The rows of these ids, by id; an id without a row is skipped."""
    found = select_in(connection, select(table), table.c.id, ids)
    return {row.id: row_of(kind, row._mapping) for row in found}


def rows_by_key(
    connection: Connection,
    kind: type[R],
    key: Column[int],
    keys: Iterable[int],
    order: ColumnElement[Any],
) -> dict[int, list[R]]:
    """The rows that name these keys in a column, by key, in an order."""
    found: dict[int, list[R]] = {}
    for row in select_in(connection, select(key.table).order_by(order), key, keys):
        found.setdefault(row._mapping[key.name], []).append(row_of(kind, row._mapping))
    return found


def insert_new(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *returning: Column[Any],
) -> Sequence[Any]:
    """Insert the rows that are not there yet, and return what was asked of those alone.

    A row that meets another in a unique key is skipped: the first one stays.
    """
    if not rows:
        return []
    statement = _insert(connection, table).returning(*returning)
    return connection.execute(statement, list(rows)).all()


def append_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows that are not there yet; how many. Quicker than to ask for them back."""
    if not rows:
        return 0
    counted = {"preserve_rowcount": True}
    statement = _insert(connection, table)
    return connection.execute(statement, list(rows), execution_options=counted).rowcount


def append_row(connection: Connection, table: Table, row: Entity) -> tuple[int, bool]:
    """The id of the row that has this one's unique key, and whether it is new."""
    values = values_of(row)
    new = append_new(connection, table, [values]) > 0
    (key,) = (each for each in table.constraints if isinstance(each, UniqueConstraint))
    same = (column == values[column.name] for column in key.columns)
    return connection.execute(select(table.c.id).where(*same)).scalar_one(), new


def _insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert(table).on_conflict_do_nothing()

"""The head of the chain: the newest link, in a form short enough to be kept elsewhere.

`1234:9f86d081884c7d659a2feaa0c55ad015:2026-11-28T15:00:00Z` is the link's number, the first
half of its SHA-256 and when it was made. 128 bits are enough: nobody can make another record
whose link of that number begins with them.
"""

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, select

from db import schema
from db.engine.connect import reading
from mriad_model.errors import SettingsError

SHORT: Final = 32  # hexadecimal digits of a head as it is written
FORM: Final = re.compile(r"(\d{1,16}):([0-9a-f]{32,64})(?::(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ))?")


@dataclass(frozen=True, slots=True)
class ChainHead:
    """A link by which all before it is known."""

    sequence: int
    sha256: str  # of the link; of one that was kept elsewhere, how it begins
    created_at: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.sha256[:SHORT]}:{self.created_at[:19]}Z"


def head(engine: Engine) -> ChainHead | None:
    """The newest link; None where nothing was ever recorded."""
    with reading(engine) as connection:
        return head_of(connection)


def head_of(connection: Connection) -> ChainHead | None:
    """The newest link, in a transaction that is open."""
    link = schema.link.c
    newest = select(link.id, link.sha256, link.created_at).order_by(link.id.desc()).limit(1)
    row = connection.execute(newest).first()
    return None if row is None else ChainHead(*row)


def kept_head(text: str) -> ChainHead:
    """A head as somebody kept it.

    Raises:
        SettingsError: it is none.
    """
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise SettingsError(
            f"{text!r} is no head of a record: write it as mriad check prints it, "
            "number:hash:time, with at least 32 digits of the hash"
        )
    sequence, sha256, moment = found.groups()
    return ChainHead(int(sequence), sha256, (moment or "")[:19])


def does_not_continue(engine: Engine, kept: ChainHead) -> str | None:
    """Why the record does not continue the one that a kept head is of; None where it does.

    Only the links are compared; `db.engine.chain_check` compares rows with their links.
    """
    link = schema.link.c
    with reading(engine) as connection:
        query = select(link.sha256).where(link.id == kept.sequence)
        found: str | None = connection.execute(query).scalar_one_or_none()
        newest = head_of(connection)
    if found is not None and found.startswith(kept.sha256):
        return None
    if found is None:
        ends = "is empty" if newest is None else f"ends at link {newest.sequence}"
        return (
            f"the record {ends} and head {kept.sequence}:{kept.sha256[:8]} was kept of it: "
            "it was put back to an older state, or is another record"
        )
    return (
        f"link {kept.sequence} is {found[: len(kept.sha256)]}, and the kept head says "
        f"{kept.sha256}: the record was rewritten or put back since that head was kept, "
        "or is another record"
    )

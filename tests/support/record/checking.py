"""What `mriad check` says of a record."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from sqlalchemy import Engine

from db.engine import chain_head as heads
from db.engine import structure
from db.engine.chain_head import ChainHead
from tasks.maintenance.check import CheckReport, ProblemKind, check
from tests.support.record.kept import KeptHome

_MADE: list[structure.Things] = []  # by the steps, on this process's PostgreSQL
_make = structure._made_by_postgresql


@contextmanager
def steps_taken_once() -> Iterator[None]:
    """What tables are compared with is made once a process, on PostgreSQL as on SQLite.

    There all steps are taken in a schema that is taken back, a second of each check.
    """

    def made(engine: Engine) -> structure.Things:
        if not _MADE:
            _MADE.append(_make(engine))
        return _MADE[0]

    with patch.object(structure, "_made_by_postgresql", made):
        yield


def checked(kept: KeptHome, *since: ChainHead) -> CheckReport:
    with steps_taken_once():
        return check(kept.engine, kept.home, contents=False, since=since)


def told(report: CheckReport, kind: ProblemKind) -> list[str]:
    return [each.text for each in report.problems if each.kind is kind]


def head_of(kept: KeptHome) -> ChainHead:
    found = heads.head(kept.engine)
    assert found is not None
    return found

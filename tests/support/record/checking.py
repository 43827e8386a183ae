"""What `mriad check` says of a record."""

from db.engine import chain_head as heads
from db.engine.chain_head import ChainHead
from tasks.maintenance.check import CheckReport, ProblemKind, check
from tests.support.record.kept import KeptHome


def checked(kept: KeptHome, *since: ChainHead) -> CheckReport:
    return check(kept.engine, kept.home, contents=False, since=since)


def told(report: CheckReport, kind: ProblemKind) -> list[str]:
    return [each.text for each in report.problems if each.kind is kind]


def head_of(kept: KeptHome) -> ChainHead:
    found = heads.head(kept.engine)
    assert found is not None
    return found

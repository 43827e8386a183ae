"""Rows that mriad writes none of are named."""

import pytest

from mriad_model.errors import RecordError
from tasks.maintenance.check import ProblemKind
from tests.support.record.checking import checked, told
from tests.support.record.kept import KeptHome
from tests.support.record.tampering import tamper


@pytest.mark.parametrize("new_id", [2**53, 2**63 - 1, 0, -1, -(2**63)])
def test_a_row_of_an_impossible_number_is_named_and_no_append_pretends_to_work(
    kept: KeptHome, new_id: int
) -> None:
    columns = "threshold_id, reason, author, created_at"
    hostile = f"INSERT INTO activation (id, {columns}) SELECT {new_id}, {columns} FROM activation"
    tamper(kept.engine, hostile)
    report = checked(kept)
    assert told(report, ProblemKind.IMPOSSIBLE_ROW) == [
        f"activation has a row {new_id}, a number that mriad gives none"
    ]
    assert any("in no link" in each for each in told(report, ProblemKind.BROKEN_LINK))
    with pytest.raises(RecordError, match=f"row {new_id} of activation, which.*a backup$") as error:
        kept.hand.label(1)
    assert "\n" not in str(error.value)


def test_a_row_dated_in_the_future_is_named(kept: KeptHome) -> None:
    tamper(kept.engine, "UPDATE decision SET created_at = '9999-01-01' WHERE id = 2")
    assert told(checked(kept), ProblemKind.IMPOSSIBLE_ROW) == [
        "decision has rows dated in the future: 1, the first 9999-01-01"
    ]

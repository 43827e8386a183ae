"""The views that people ask by SQL (docs/queries.md), read whole: names of columns, and rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Engine, column, select, table

from db.engine.connect import reading
from db.timestamps import since as since_moment

DAY_LETTERS: Final = 10  # of a moment: 2026-11-23


class RecordView(StrEnum):
    """The views of the record."""

    SCAN = "v_scan"
    DECISION = "v_decision"
    WORKLIST = "v_worklist"
    UNSCORED = "v_unscored"
    DAILY = "v_daily"


# By what a view is sorted, and the column of moments that `since` is about.
ORDER = {
    RecordView.SCAN: ("scan_id",),
    RecordView.DECISION: ("decision_id",),
    RecordView.WORKLIST: ("decision_id",),
    RecordView.UNSCORED: ("rejection_id", "scan_id"),
    RecordView.DAILY: ("day", "scanner"),
}
MOMENT = {
    RecordView.SCAN: "registered_at",
    RecordView.DECISION: "decided_at",
    RecordView.WORKLIST: "decided_at",
    RecordView.UNSCORED: "decided_at",
    RecordView.DAILY: "day",
}


@dataclass(frozen=True, slots=True)
class ViewRows:
    """What a view holds."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def view_rows(engine: Engine, view: RecordView, since: str | None = None) -> ViewRows:
    """All rows of a view, or those from a moment on, as `db.timestamps.since` takes it.

    Raises:
        SettingsError: since is not a valid date.
    """
    query = select("*").select_from(table(view.value))
    if since is not None:
        first = since_moment(since)
        first = first[:DAY_LETTERS] if MOMENT[view] == "day" else first
        query = query.where(column(MOMENT[view]) >= first)
    with reading(engine) as connection:
        found = connection.execute(query.order_by(*(column(each) for each in ORDER[view])))
        return ViewRows(tuple(found.keys()), found.tuples().all())

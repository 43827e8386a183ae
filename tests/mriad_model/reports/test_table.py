"""The table beside a page."""

import csv
import io

from mriad_model.enums import NOTICE
from mriad_model.reports.table import worklist_csv


def test_the_table_beside_the_page_is_csv_that_calculates_nothing() -> None:
    lines = [
        {"result": "suspicious", "path": 'inbox/a, "b".png', "score": 2.5, "scan_id": 7},
        {"result": "rejected", "path": "=HYPERLINK(1)", "reason": "empty"},
    ]
    rows = list(csv.DictReader(io.StringIO(worklist_csv(lines))))
    assert [row["path"] for row in rows] == ['inbox/a, "b".png', "'=HYPERLINK(1)"]
    assert rows[0]["score"] == "2.5"
    assert {row["notice"] for row in rows} == {NOTICE}

"""A run's decisions and rejections as CSV (RFC 4180), for spreadsheets and scripts."""

import csv
import io
from collections.abc import Iterable, Mapping

from mriad_model.nouns import NOTICE

COLUMNS = (
    "result",
    "path",
    "kind",
    "score",
    "threshold",
    "sigmas_above_healthy",
    "p_value",
    "scan_id",
    "decision_id",
    "scanner",
    "study_uid",
    "series_uid",
    "heatmap",
    "reason",
    "detail",
    "decided_at",
    "notice",
)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would calculate


def worklist_csv(lines: Iterable[Mapping[str, object]]) -> str:
    """Lines as CSV; each ends with the notice. Text that a spreadsheet would run is quoted."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for line in lines:
        cells = {name: _inert(value) for name, value in line.items() if value is not None}
        writer.writerow({**cells, "notice": NOTICE})
    return text.getvalue()


def _inert(value: object) -> object:
    """A name such as `=HYPERLINK(...)` stays a name (OWASP, "CSV injection")."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value

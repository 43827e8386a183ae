"""A run's decisions and rejections as CSV (RFC 4180), for spreadsheets and scripts."""

import csv
import io
from collections.abc import Iterable, Mapping

from mriad_model.enums import NOTICE
from mriad_model.plain_text import as_csv_cell

COLUMNS = (
    "scan_id",
    "result",
    "path",
    "kind",
    "score",
    "threshold",
    "sigmas_above_healthy",
    "p_value",
    "decision_id",
    "scanner",
    "study_uid",
    "series_uid",
    "heatmap",
    "reason",
    "detail",
    "decided_at",
    "findings",
    "largest_finding_ml",
    "largest_finding_percent_of_head",
    "largest_finding_side",
    "largest_finding_x",
    "largest_finding_y",
    "largest_finding_z",
    "notice",
)


def worklist_csv(lines: Iterable[Mapping[str, object]]) -> str:
    """Lines as CSV; each ends with the notice. Text stays text, see `mriad_model.plain_text`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for line in lines:
        cells = {name: as_csv_cell(value) for name, value in line.items() if value is not None}
        writer.writerow({**cells, "notice": NOTICE})
    return text.getvalue()

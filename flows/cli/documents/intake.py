"""Documents of `mriad draw` and `mriad ingest`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.cli.documents.fields import NO_RUN, Document, keys, rejected_items, unmatched_lines

if TYPE_CHECKING:
    from flows.ingest import IngestResult
    from mriad_model.datasets.labels import LabelLine
    from mriad_model.phantom.write import DrawnScan


def draw_document(drawn: "Sequence[DrawnScan]") -> Document:
    """`mriad draw`."""
    return {"files": [_drawn(each) for each in drawn]}


def _drawn(scan: "DrawnScan") -> Document:
    return {
        "path": str(scan.path),
        "label": "healthy" if scan.lesion is None else "abnormal",
        "lesion": scan.lesion,
        "mask": scan.mask and str(scan.mask),
    }


def ingest_document(found: "IngestResult", unmatched: "Sequence[LabelLine]" = ()) -> Document:
    """`mriad ingest`."""
    return {
        **keys(found, "new known copies labelled unlabelled warnings"),
        "rejected": rejected_items(found.rejected),
        "unmatched": unmatched_lines(unmatched),
    }


def nothing_ingested_document(unmatched: "Sequence[LabelLine]") -> Document:
    """`mriad ingest` on a folder without files, for which no run is started."""
    none = dict.fromkeys(("copies", "labelled", "unlabelled"), 0)
    return {**NO_RUN, **none, "warnings": [], "unmatched": unmatched_lines(unmatched)}

"""What the documents share: fields of a row by their names, and lists of files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mriad_model.rejections import RejectedItem

if TYPE_CHECKING:
    from mriad_model.datasets.labels import LabelLine

Document = dict[str, Any]

NO_RUN: Document = {"new": 0, "known": 0, "rejected": []}  # of a folder without files


def keys(found: object, names: str) -> Document:
    """These of its fields, by their names."""
    return {name: getattr(found, name) for name in names.split()}


def rejected_items(items: Sequence[RejectedItem]) -> list[Document]:
    """Files that are no scans, each with its reason."""
    return [keys(each, "path reason detail") for each in items]


def without_score(items: Sequence[RejectedItem]) -> list[Document]:
    """Scans that are not scorable and have no score, each with its reason."""
    return [keys(each, "path reason detail scan_id") for each in items]


def unmatched_lines(lines: "Sequence[LabelLine]") -> list[Document]:
    """Lines of a label list that name no file."""
    return [{"line": each.line, "path": each.file} for each in lines]

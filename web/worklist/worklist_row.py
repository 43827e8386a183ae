"""A line of the worklist, as pages, CSV and JSON show it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine

from db.entities import Label, Review
from db.repository.reports.worklist import ListedDecision, listed_decisions
from mriad_model.enums import HeatmapKind, Verdict
from web.worklist.review_index import is_open_to, withdrawable

COLUMNS: Final = (
    "scan_id",
    "decision_id",
    "path",
    "kind",
    "contrast",
    "scanner",
    "patient",
    "model_id",
    "threshold_id",
    "score",
    "sigmas",
    "threshold",
    "p_value",
    "verdict",
    "reason",
    "decided_at",
    "review",
    "reviewer",
    "label",
    "tags",
)
PICTURES: Final = (HeatmapKind.SLICE, HeatmapKind.MONTAGE)


@dataclass(frozen=True, slots=True)
class Row:
    """One scan of a list."""

    listed: ListedDecision
    reader: str | None = None  # who reads unaware of others; None: all see all

    @property
    def is_open(self) -> bool:
        """Whether others' reviews of it are shown."""
        return is_open_to(self.reader, (each.reviewer for each in self.listed.reviews))

    @property
    def reviews(self) -> tuple[Review, ...]:
        """The reviews that hold and are shown, oldest first."""
        return self.listed.reviews if self.is_open else ()

    @property
    def label(self) -> Label | None:
        """The last label that holds, of those that are shown."""
        return self.listed.label if self.is_open else self.listed.imported

    @property
    def decision(self) -> Any:
        """The standing decision."""
        return self.listed.decision

    @property
    def scan_id(self) -> int:
        """Its id."""
        return self.listed.decision.scan_id

    @property
    def name(self) -> str:
        """The last part of its path: the file, or the series' folder."""
        return (self.decision.path or "").rstrip("/").rpartition("/")[2] or f"scan {self.scan_id}"

    @property
    def folder(self) -> str:
        """Where that lies."""
        return str(self.decision.path or "").rstrip("/").rpartition("/")[0]

    @property
    def scorable(self) -> bool:
        """Whether the scan is scorable, so that its score means something."""
        return self.decision.verdict is not Verdict.NOT_SCORABLE

    @property
    def sigmas(self) -> float | None:
        """The score in standard deviations above healthy ones; None where it means nothing."""
        return sigmas_of(self.decision.score, self.listed.threshold) if self.scorable else None

    @property
    def p_value(self) -> float | None:
        """How rare the score is among healthy scans; None where it means nothing."""
        return self.decision.p_value if self.scorable else None

    @property
    def small_picture(self) -> str | None:
        """The address of its picture, small."""
        picture = self.listed.picture
        if picture is None or picture.kind not in PICTURES:
            return None
        return f"/pictures/{picture.id}/{picture.sha256[:16]}/small.jpg"

    @property
    def review(self) -> Any:
        """The last review of it that is shown."""
        return self.reviews[-1] if self.reviews else None

    @property
    def withdrawable(self) -> Review | None:
        """The review that `u` withdraws."""
        return withdrawable(self.reader, self.reviews)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of all its reviews that hold."""
        return tuple(sorted({tag for each in self.reviews for tag in each.tag_words}))

    def document(self) -> dict[str, Any]:
        """All its columns; of a scan that is not scorable no figures, and the reason."""
        decision, scan, review = self.decision, self.listed.scan, self.review
        label = self.label
        return {
            "scan_id": self.scan_id,
            "decision_id": decision.decision_id,
            "path": decision.path,
            "kind": scan.kind.value,
            "contrast": json.loads(scan.geometry).get("contrast"),
            "scanner": scan.scanner,
            "patient": scan.patient,
            "model_id": decision.model_id,
            "threshold_id": decision.threshold_id,
            "score": decision.score if self.scorable else None,
            "sigmas": self.sigmas,
            "threshold": decision.threshold if self.scorable else None,
            "p_value": self.p_value,
            "verdict": decision.verdict.value,
            "reason": decision.reason and decision.reason.value,
            "decided_at": decision.decided_at,
            "review": review and review.verdict.value,
            "reviewer": review and review.reviewer,
            "label": label and label.value.value,
            "tags": list(self.tags),
        }


def rows_of(engine: Engine, decision_ids: Sequence[int], reader: str | None = None) -> list[Row]:
    """These decisions as rows, in this order; `reader` reads unaware of others."""
    return [Row(each, reader) for each in listed_decisions(engine, decision_ids)]


def sigmas_of(score: float, threshold: Any) -> float | None:
    """A score in standard deviations above the mean of healthy scans; None without a spread."""
    return (score - threshold.mean) / threshold.sd if threshold.sd > 0 else None

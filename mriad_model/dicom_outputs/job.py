"""What the DICOM outputs of one decision are made of."""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mriad_model.enums import DecisionReason, HeatmapKind, Side, Verdict
from mriad_model.readers.dicom.series import Series


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """A connected part of the map within its model's limits."""

    millilitres: float
    peak: float  # the map's largest value in it
    place: tuple[float, float, float]  # of that value, RAS mm
    side: Side | None  # of the patient


@dataclass(frozen=True, slots=True)
class OutputJob:
    """A decision on a series, its map and its picture. Can be sent to a child process."""

    series: Series
    anomaly: Path  # .npy, (Z, Y, X) float32 on the series' grid; higher is more anomalous
    map_threshold: float  # a voxel above it is part of the segmentation; unit of the map
    montage: bytes  # JPEG
    score: float
    threshold: float  # of the score
    p_value: float
    verdict: Verdict
    reason: DecisionReason
    model_id: int
    model_sha256: str
    software_version: str
    decided_at: datetime  # aware; the time the objects bear
    record_head: str | None = None  # of the record that the decision is appended to
    findings: tuple[ReportedFinding, ...] = ()  # the highest peak first

    def __post_init__(self) -> None:
        numbers = (self.map_threshold, self.score, self.threshold, self.p_value)
        if not all(map(math.isfinite, numbers)):
            raise ValueError("score, thresholds and p-value must be finite")
        if self.decided_at.tzinfo is None:
            raise ValueError("the time of a decision needs a time zone")

    @property
    def about_record(self) -> list[str]:
        """A line about the record, if it has a head."""
        return [] if self.record_head is None else [f"Head of the record: {self.record_head}"]

    def series_entropy(self, kind: HeatmapKind) -> list[str]:
        """The source of an output's series UID: the stack, the model, the threshold."""
        stack = hashlib.sha256()
        for frame in self.series.frames:  # a series UID may have several stacks
            stack.update(f"{frame.instance.sop_instance_uid} {frame.index}\n".encode())
        series_uid = self.series.frames[0].instance.series_uid
        line = float(self.threshold).hex()
        return ["mriad", kind.value, series_uid, stack.hexdigest(), self.model_sha256, line]

    def instance_entropy(self, kind: HeatmapKind) -> list[str]:
        """The source of the instance UID: all that can change the object's bytes (PS3.5, B)."""
        return [
            *self.series_entropy(kind),
            self.decided_at.isoformat(),
            self.software_version,
            str(self.model_id),
            *([] if self.record_head is None else [self.record_head]),
            self.verdict.value,
            self.reason.value,
            *(float(each).hex() for each in (self.score, self.p_value, self.map_threshold)),
            hashlib.sha256(self.montage).hexdigest(),
            *([repr(self.findings)] if self.findings else []),
        ]

"""The rows of the record: one frozen dataclass a table, one field a column.

`db.schema` makes the tables of them: an annotation is a column's type, `| None` lets it be empty,
an id (`db.references`) names another row. Times are UTC ISO-8601; paths: `mriad_model.paths`.
"""

import json
from dataclasses import dataclass
from typing import Any

from db import references
from mriad_model.enums import (
    DecisionReason,
    HeatmapKind,
    LabelSource,
    LabelValue,
    Policy,
    RejectionReason,
    ReviewVerdict,
    Role,
    RunStatus,
    ScanKind,
    SettledBy,
    Side,
    Verdict,
    WarningKind,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a flow: what ran, with which software, on what."""

    flow: str
    flow_run_id: str
    software_version: str
    git_sha: str | None
    libraries: str  # JSON object: package -> version
    device: str
    started_at: str
    environment: str | None = None  # JSON object, see tasks.runtime.environment; None: not recorded
    id: int | None = None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended. A run without one was killed, or is under way."""

    run_id: references.RunId
    status: RunStatus
    counts: str  # JSON object: what was counted
    ended_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan, identified by its content."""

    sha256: str  # of the pixels, see mriad_model.readers.images.reading
    kind: ScanKind
    patient: str | None  # keyed pseudonym
    study_uid: str | None
    series_uid: str | None
    scanner: str | None
    geometry: str  # JSON object; an image: {"rows": H, "columns": W, "bits": 8 or 16}
    n_slices: int
    run_id: references.RunId
    created_at: str
    id: int | None = None

    @property
    def grid(self) -> dict[str, Any]:
        """`geometry` as the object that it is."""
        return dict(json.loads(self.geometry))

    @property
    def contrast(self) -> str | None:
        """What the source hints at: T1w, T2w, FLAIR, ...; None where there is no hint."""
        return self.grid.get("contrast")

    @property
    def n_files(self) -> int:
        """How many files the scan was read from."""
        return int(self.grid.get("files", 1))


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a scan's file was seen."""

    scan_id: references.ScanId
    path: str
    size: int  # bytes
    mtime_ns: int
    inode: int
    run_id: references.RunId
    seen_at: str
    ctime_ns: int | None = None  # when its inode last changed; None in rows of before
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file that is no scan, and why."""

    path: str
    size: int  # bytes; -1 where it could not be read
    mtime_ns: int  # -1 where it could not be read
    sha256: str | None  # of the file's bytes, where readable
    reason: RejectionReason
    detail: str
    run_id: references.RunId
    created_at: str
    ctime_ns: int | None = None  # -1 where it could not be read; None in rows of before
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A scan's label, by a person or an import; the latest row wins."""

    scan_id: references.ScanId
    value: LabelValue
    source: LabelSource
    author: str
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A frozen set of scans with roles."""

    sha256: str  # of the sorted (scan sha256, role) pairs
    run_id: references.RunId
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class DatasetScan:
    """The one role of a scan in a dataset, and its near-duplicate group."""

    dataset_id: references.DatasetId
    scan_id: references.ScanId
    role: Role
    twin_group: int
    fold: int | None = None  # the cross-fitted member that did not learn the scan; None: no such


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model: its weights file, and all that is needed to score with it again."""

    sha256: str  # of the weights file
    path: str
    recipe: str  # JSON object, see mriad_model.recipes.recipe
    dataset_id: references.DatasetId
    metrics: str  # JSON object: how its training went, and `from_model_id` if it was adapted
    run_id: references.RunId
    created_at: str
    id: int | None = None

    @property
    def from_model_id(self) -> int | None:
        """The model that it was adapted from; None of one trained anew."""
        found: int | None = json.loads(self.metrics).get("from_model_id")
        return found


@dataclass(frozen=True, slots=True)
class Threshold:
    """A line drawn through the healthy calibration scores of one model."""

    model_id: references.ModelId
    dataset_id: references.DatasetId
    policy: Policy
    mean: float
    sd: float
    n: int
    k: float  # sigmas above the mean, the quantile, or the rate, as the policy says
    value: float
    run_id: references.RunId
    created_at: str
    n_groups: int | None = None  # of near-duplicates and patients; None in rows of before
    rate: float | None = None  # of healthy scans that it flags, as calibration has it
    rate_low: float | None = None  # 95 % interval, see mriad_model.detection.decisions.thresholds
    rate_high: float | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Activation:
    """Makes a threshold, and with it its model, the active one. The last row is current."""

    threshold_id: references.ThresholdId
    reason: str
    author: str
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """The anomaly score of a scan under a model. Higher is more anomalous."""

    scan_id: references.ScanId
    model_id: references.ModelId
    value: float
    run_id: references.RunId
    created_at: str
    spread: float | None = None  # sd between a cross-fitted model's members; None: one scored it
    gate: float | None = None  # distance to what was learned, 1 at the limit; None: no gate
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Unscored:
    """A model has tried a scan and can give it no score. It does not try it again."""

    scan_id: references.ScanId
    model_id: references.ModelId
    reason: RejectionReason  # as of the rejection that says why; another model may have another
    detail: str
    run_id: references.RunId
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class SliceScore:
    """The anomaly score of one slice of a scan."""

    score_id: references.ScoreId
    position: int
    value: float


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A picture of where the scan differs from healthy ones."""

    score_id: references.ScoreId
    kind: HeatmapKind
    position: int  # of the slice; 0 for an image
    path: str  # relative to the home
    sha256: str  # of the file
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """An attempt to send a DICOM output to a place: it was taken, or why not."""

    heatmap_id: references.HeatmapId
    destination: str  # as in `mriad_model.destinations`
    delivered: str | None  # sha256 of the file that was taken; None: it was not
    detail: str  # `taken`, or why not
    run_id: references.RunId
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class FindingLimit:
    """What makes a part of a model's map a finding, drawn through its calibration scans."""

    model_id: references.ModelId
    peak: float  # what the map exceeds somewhere in it
    edge: float  # and everywhere in it
    least: float  # of its size: millilitres; of a picture, share of the head
    n: int  # healthy scans
    rate: float  # findings a healthy scan, on the mean
    run_id: references.RunId
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A connected part of a scan's map, within its model's limits."""

    score_id: references.ScoreId
    position: int  # from 1: the highest peak first
    size: float  # as of the limits
    peak: float  # the map's largest value in it
    x: float  # where that is: RAS mm of the source; of a picture, its column
    y: float  # of a picture, its row
    z: float  # of a picture, 0
    side: Side | None  # of the patient; of a picture, as it is seen
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A threshold's verdict on a scan's score."""

    scan_id: references.ScanId
    threshold_id: references.ThresholdId
    score_id: references.ScoreId
    verdict: Verdict
    p_value: float  # (1 + #{calibration scores >= score}) / (n + 1)
    run_id: references.RunId
    created_at: str
    reason: DecisionReason | None = None  # why this verdict; None in rows of before
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A reviewer's verdict on a decision."""

    scan_id: references.ScanId
    decision_id: references.DecisionId
    reviewer: str
    verdict: ReviewVerdict
    note: str
    created_at: str
    withdrawn: references.ReviewId | None = None  # what this row withdraws; None: it is a review
    tags: str | None = None  # words by which scans are found again, sorted, a blank between them
    id: int | None = None

    @property
    def tag_words(self) -> tuple[str, ...]:
        """The tags one by one."""
        return tuple((self.tags or "").split())


@dataclass(frozen=True, slots=True)
class Arrival:
    """One state of a watched folder, seen when all its files had arrived."""

    path: str  # of the folder; relative to the home where inside it, escaped
    fingerprint: str  # sha256 of the sorted relative path, size, mtime_ns and inode of its files
    n_files: int
    settled_by: SettledBy
    settled_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class ArrivalEnd:
    """A run has registered and scored all that an arrival held; without one it is open."""

    arrival_id: references.ArrivalId
    run_id: references.RunId
    ended_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedWarning:
    """A finding for a person to check. It changes nothing by itself."""

    kind: WarningKind
    subject: str  # JSON object: what it is about (model_id, threshold_id, scanner, p, n, ...)
    text: str  # one plain sentence
    run_id: references.RunId
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A page that was written, of a run; it lists the changes between two moments."""

    run_id: references.RunId  # whose page it is
    path: str  # relative to the home
    changes_since: str | None  # None: from the beginning
    changes_until: str
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate model compared with the current one, on scans that neither learned from."""

    current_threshold_id: references.ThresholdId
    candidate_threshold_id: references.ThresholdId
    dataset_id: references.DatasetId  # the frozen comparison scans
    promoted: int  # 1: the candidate was activated, 0: it was not
    reason: str  # one plain sentence
    figures: str  # JSON object
    run_id: references.RunId
    created_at: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One transaction's rows, hashed together with the link before: see `db.engine.chain`."""

    previous: str  # sha256 of the link before
    sha256: str
    rows: str  # JSON object: table -> [first id, last id, how many, their sha256]
    created_at: str
    id: int | None = None  # its place in the chain, from 1 and without a gap

"""A scan's page: its pictures, the decision and its reason, the reviews, its files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine

from db.entities import Heatmap, Label, Review, Threshold
from db.repository.reports.history import DecisionRow
from db.repository.reports.scan_details import ScanDetails, ScoreDetails, scan_details
from db.repository.scoring.scores import calibration_scores
from db.repository.training.models import current_threshold, threshold_by_id
from mriad_model.enums import HeatmapKind, LabelSource, ScanKind, Verdict
from mriad_model.paths import source_path
from mriad_model.readers.volume.orientation import in_words, slices_across
from mriad_model.reasons import figured_reason
from mriad_model.recipes.decision_recipes import no_gate_text
from tasks.reports.review import COMMON_TAGS, reviewed_decision
from web.access import HEADERS
from web.charts import Histogram, SliceBar, histogram, slice_strip
from web.findings import FindingLine, finding_lines
from web.pages.images.pictures import has_source
from web.pages.images.volumes import NIIVUE, SIDES
from web.pages.reports import report_names
from web.pages.worklist import query_of
from web.rendering import page
from web.site import RowId, Site, site_of
from web.worklist.query import WorklistQuery
from web.worklist.query_result import select_scans
from web.worklist.review_index import is_open_to, withdrawable
from web.worklist.worklist_row import Row, rows_of, sigmas_of

MOST_EXAMS: Final = 20
MOST_OFFERED: Final = 9  # tags: the digits
FILE_NAMES: Final = {
    HeatmapKind.SLICE: "picture with its map",
    HeatmapKind.MONTAGE: "montage of the highest slices",
    HeatmapKind.VOLUME: "anomaly map (NIfTI)",
    HeatmapKind.SECONDARY_CAPTURE: "Secondary Capture (DICOM)",
    HeatmapKind.SEGMENTATION: "segmentation (DICOM SEG)",
    HeatmapKind.STRUCTURED_REPORT: "structured report (DICOM SR)",
}
# The viewer of volumes brings its font and its matcap along as `data:` pictures.
VIEWER_POLICY: Final = (
    HEADERS["content-security-policy"]
    .replace("img-src 'self'", "img-src 'self' data: blob:")
    .replace("connect-src 'self'", "connect-src 'self' data:")
)
router = APIRouter()


@dataclass(frozen=True, slots=True)
class StandingDecision:
    """The standing decision with what it rests on."""

    decision: DecisionRow
    threshold: Threshold
    score: ScoreDetails
    healthy: tuple[float, ...]  # calibration scores
    active: bool  # by the active threshold

    @property
    def sigmas(self) -> float | None:
        """The score in standard deviations above the mean of healthy scans."""
        return sigmas_of(self.decision.score, self.threshold)

    @property
    def threshold_sigmas(self) -> float | None:
        """The threshold in standard deviations above the mean of healthy scans."""
        return sigmas_of(self.decision.threshold, self.threshold)

    @property
    def as_high(self) -> int:
        """How many calibration scans score as high or higher."""
        return sum(each >= self.decision.score for each in self.healthy)

    @property
    def is_least_p(self) -> bool:
        """Whether its p-value is the smallest that so many calibration scans can give."""
        return bool(self.healthy) and self.as_high == 0

    @property
    def recipe(self) -> dict[str, Any]:
        """The model's recipe."""
        found: dict[str, Any] = json.loads(self.score.model.recipe)
        return found

    @property
    def why(self) -> str:
        """The reason in words, with the figures behind it."""
        found, score = self.decision, self.score.score
        return figured_reason(found.reason, found.score, found.threshold, score.spread, score.gate)

    @property
    def no_gate(self) -> str | None:
        """What it means that the model has no gate; None of one that has."""
        return no_gate_text(self.recipe)

    @property
    def has_asymmetry(self) -> bool:
        """Whether the map holds the difference between left and right."""
        return any(each["kind"] == "asymmetry" for each in self.recipe.get("detectors", ()))

    @property
    def histogram(self) -> Histogram | None:
        """Where the scan lies among calibration scores."""
        return histogram(self.healthy, self.decision.score, self.decision.threshold)

    @property
    def highest_slice(self) -> int | None:
        """The position of the slice with the highest score."""
        scored = zip(self.score.slice_values, self.score.positions, strict=True)
        return max(scored, default=(0.0, None))[1]

    def maps(self, *kinds: HeatmapKind) -> list[Heatmap]:
        """The files that were drawn with this score, of some kinds."""
        return [each for each in self.score.heatmaps if each.kind in kinds]


@dataclass(frozen=True, slots=True)
class File:
    """A file that was written for a scan."""

    name: str
    address: str
    sha256: str
    there: bool


@dataclass(frozen=True, slots=True)
class ShownReview:
    """A review as a page shows it."""

    review: Review
    withdrawn: Review | None  # the row that withdraws it


@router.get("/scan/{scan_id}")
def scan(request: Request, scan_id: RowId) -> HTMLResponse:
    """All that is known of one scan, and a form to review it."""
    site, query = site_of(request), query_of(request)
    details = scan_details(site.engine, scan_id)
    decided = _standing_decision(site.engine, details)
    reader = site.reader_of(request)
    found = select_scans(site.index, site.engine, query, reader)
    reviews = reviews_of(details.reviews)
    standing = [each for each in reviews if each.withdrawn is None]
    is_open = is_open_to(reader, (each.review.reviewer for each in standing))
    labels = [each for each in details.labels if is_open or each.source is not LabelSource.REVIEWER]
    if not is_open:
        reviews, standing = [], []
    picture = next(iter(decided.maps(HeatmapKind.SLICE)), None) if decided else None
    path = _path(details)
    folder, _, name = path.rpartition("/")
    answer = page(
        request,
        "scan.html.j2",
        scan=details.scan,
        details=details,
        decided=decided,
        whole_path=path,
        folder=folder.rpartition("/")[2],  # names of files alone are often alike
        name=name or f"scan {details.scan.id}",
        picture=picture,
        source=details.scan.sha256[:16]
        if picture and has_source(site, details.scan, details.sightings)
        else None,
        montages=decided.maps(HeatmapKind.MONTAGE) if decided else [],
        volume_map=next(iter(decided.maps(HeatmapKind.VOLUME)), None) if decided else None,
        volume_planes=_planes(details, decided),
        sides=SIDES,
        findings=_findings(details, decided),
        has_niivue=NIIVUE.is_file(),
        strip=_strip(details, decided),
        words=in_words(details.scan.grid),
        reviews=reviews,
        standing=standing,
        blind=site.blind,
        open=is_open,
        withdrawable=withdrawable(reader, [each.review for each in reversed(standing)]),
        labels=labels,
        label=_label(labels, details.reviews),
        exams=_exams(site, details, reader),
        files=_files(site, details),
        report=_report(site, scan_id),
        offered=_offered(site, reader),
        query=query,
        place=found.place(scan_id),
        n=len(found.scans),
        previous=found.before(scan_id),
        following=found.after(scan_id),
        is_volume=details.scan.kind is not ScanKind.IMAGE,
    )
    # Of pictures too: from them a reader moves on to volumes without loading a page anew.
    if NIIVUE.is_file():
        answer.headers["content-security-policy"] = VIEWER_POLICY
    return answer


def _standing_decision(engine: Engine, details: ScanDetails) -> StandingDecision | None:
    if not details.decisions:
        return None
    current = current_threshold(engine)
    active = None if current is None else current.threshold.id
    decision = reviewed_decision(details.decisions, active)
    threshold = threshold_by_id(engine, decision.threshold_id)
    stored = calibration_scores(engine, threshold.model_id, threshold.dataset_id)
    return StandingDecision(
        decision=decision,
        threshold=threshold,
        score=next(e for e in details.scores if e.score.model_id == threshold.model_id),
        healthy=tuple(each.value for each in stored),
        active=threshold.id == active,
    )


def _path(details: ScanDetails) -> str:
    path = details.decisions[-1].path if details.decisions else None
    return (path or (details.sightings[-1].path if details.sightings else "")).rstrip("/")


def _planes(details: ScanDetails, decided: StandingDecision | None) -> dict[str, int]:
    """Planes of a volume with their numbers of slices, the model's own plane first."""
    counted = {plane: slices_across(details.scan.grid, plane) for plane in SIDES}
    own = _plane(decided)
    order = sorted(counted, key=lambda plane: plane != own)
    return {plane: n for plane in order if (n := counted[plane])}


def _plane(decided: StandingDecision | None) -> str | None:
    """The plane of slices that a model scores."""
    if decided is None:
        return None
    volumes: dict[str, Any] = decided.recipe.get("volumes") or {}
    plane: str | None = volumes.get("slicing", {}).get("plane")
    return plane


def _findings(details: ScanDetails, decided: StandingDecision | None) -> list[FindingLine]:
    if decided is None:
        return []
    scan, found = details.scan, decided.score.findings
    return finding_lines(found, scan.kind, scan.grid)


def _strip(details: ScanDetails, decided: StandingDecision | None) -> list[SliceBar]:
    if decided is None or details.scan.kind is ScanKind.IMAGE:
        return []
    if decided.decision.verdict is Verdict.NOT_SCORABLE:
        return []
    total = slices_across(details.scan.grid, _plane(decided))
    return slice_strip(decided.score.positions, decided.score.slice_values, total)


def reviews_of(rows: Sequence[Review]) -> list[ShownReview]:
    """Reviews, newest first, each with the row that withdraws it."""
    by = {each.withdrawn: each for each in rows if each.withdrawn}
    return [
        ShownReview(each, by.get(each.id or 0)) for each in reversed(rows) if each.withdrawn is None
    ]


def _offered(site: Site, reader: str | None) -> list[str]:
    """Tags to tick, each with a digit as its key: common ones, then others in use."""
    with site.index.lock:
        used = [tag for tag, scans in site.index.reviews.columns(reader).tags.items() if scans]
    return list(dict.fromkeys((*COMMON_TAGS, *used)))[:MOST_OFFERED]


def _label(labels: Sequence[Label], reviews: Sequence[Review]) -> Label | None:
    """The last label that holds: one that a withdrawn review gave does not."""
    withdrawn = {each.withdrawn for each in reviews}
    gone = {(each.reviewer, each.created_at) for each in reviews if each.id in withdrawn}
    held = (
        each
        for each in reversed(labels)
        if each.source is not LabelSource.REVIEWER or (each.author, each.created_at) not in gone
    )
    return next(held, None)


def _exams(site: Site, details: ScanDetails, reader: str | None) -> list[Row]:
    """Other scans of the same pseudonym, newest decision first."""
    if details.scan.patient is None:
        return []
    every = WorklistQuery(verdict=(), reviewed="any", patient=details.scan.patient, sort="newest")
    found = select_scans(site.index, site.engine, every)
    others = found.decisions[found.scans != details.scan.id][:MOST_EXAMS]
    return rows_of(site.engine, others.tolist(), reader)


def _report(site: Site, scan_id: int) -> str | None:
    """The name of the report of the run that decided it."""
    with site.index.lock:
        run = site.index.standing["run"][scan_id]
    return report_names(site.engine, [int(run)]).get(int(run))


def _files(site: Site, details: ScanDetails) -> list[File]:
    return [
        File(
            f"{FILE_NAMES[each.kind]}, model {score.score.model_id}",
            f"/pictures/{each.id}/{each.sha256[:16]}/file",
            each.sha256,
            source_path(each.path, site.home).is_file(),
        )
        for score in details.scores
        for each in score.heatmaps
    ]

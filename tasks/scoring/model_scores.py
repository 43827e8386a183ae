"""A model's results for prepared scans: a score each, and the files that show where.

One way for scoring and for replay, so that the two cannot differ.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mriad_model.detection.decisions.verdicts import Evidence
from mriad_model.detection.findings import FindingLimits
from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_findings import ScanFinding, findings_of
from mriad_model.detection.scan_scores import ScanScores, score_scans
from mriad_model.heatmaps.scan_maps import ScanMaps, draw_maps
from tasks.scoring.preprocess import PreparedItem

PAINTERS = 2


@dataclass(frozen=True, slots=True)
class ModelScore:
    """A model's score and findings of one scan, and the maps that show it."""

    scan_id: int
    sha256: str
    model_id: int
    found: ScanScores
    maps: ScanMaps
    findings: tuple[ScanFinding, ...] = ()  # none where the model has no limits of them

    @property
    def slice_values(self) -> tuple[float, ...]:
        """The score of each slice that was judged."""
        return tuple(self.found.slice_scores.tolist())

    def evidence(self, contrast_known: bool = True) -> Evidence:
        """What a verdict is based on."""
        return Evidence(self.found.score, self.found.gate, self.found.spread, contrast_known)

    def path(self, suffix: str) -> str:
        """Where a map of the scan goes, relative to the home."""
        return map_path(self.model_id, self.sha256, suffix)


def score_and_draw(
    fitted: FittedModel,
    prepared: Sequence[PreparedItem],
    model_id: int,
    folds: Mapping[int, int],
    limits: FindingLimits | None = None,
) -> list[ModelScore]:
    """Score scans, which their workspace keeps as read, draw their maps, find their findings.

    `folds`, by scan, are those of the model's training.
    """
    of_scans = [folds.get(each.scan_id) for each in prepared]
    scored = score_scans(fitted, [each.slices for each in prepared], of_scans)

    def drawn(scan: PreparedItem, found: ScanScores) -> ModelScore:
        read, plane = scan.stored.load(), fitted.recipe.scans.plane
        maps = draw_maps(read, scan.slices, found, fitted, model_id)
        parts = () if limits is None else findings_of(read, scan.slices, found, plane, limits)
        return ModelScore(scan.scan_id, scan.stored.sha256, model_id, found, maps, parts)

    with ThreadPoolExecutor(PAINTERS) as pool:
        return list(pool.map(drawn, prepared, scored))


def map_path(model_id: int, sha256: str, suffix: str) -> str:
    """Where a scan's map goes, relative to the home."""
    return f"heatmaps/model-{model_id}/{sha256[:2]}/{sha256}{suffix}"

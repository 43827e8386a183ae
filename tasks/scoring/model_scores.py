"""A model's results for prepared scans: a score each, and the files that show where.

One way for scoring and for replay, so that the two cannot differ.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from mriad_model.detection.decisions.verdicts import Evidence
from mriad_model.detection.findings import FindingLimits
from tasks.scoring.preprocess import PreparedItem

if TYPE_CHECKING:
    from mriad_model.detection.model import FittedModel
    from mriad_model.detection.scan_findings import ScanFinding
    from mriad_model.detection.scan_scores import ScanScores
    from mriad_model.heatmaps.scan_maps import ScanMaps

PIECE: Final = 32  # slices that a thread scores and paints at a time; whole scans


@dataclass(frozen=True, slots=True)
class ModelScore:
    """A model's score and findings of one scan, and the maps that show it."""

    scan_id: int
    sha256: str
    model_id: int
    found: "ScanScores"
    maps: "ScanMaps"
    findings: "tuple[ScanFinding, ...]" = ()  # none where the model has no limits of them

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
    fitted: "FittedModel",
    prepared: Sequence[PreparedItem],
    model_id: int,
    folds: Mapping[int, int],
    limits: FindingLimits | None = None,
) -> list[ModelScore]:
    """Score scans, which their workspace keeps as read, draw their maps, find their findings.

    `folds`, by scan, are those of the model's training.
    """
    from mriad_model.detection.scan_findings import findings_of  # noqa: PLC0415 - torch
    from mriad_model.detection.scan_scores import score_scans  # noqa: PLC0415 - torch
    from mriad_model.heatmaps.scan_maps import draw_maps  # noqa: PLC0415 - torch

    plane = fitted.recipe.scans.plane

    def drawn(scan: PreparedItem, found: "ScanScores") -> ModelScore:
        read = scan.stored.load()
        maps = draw_maps(read, scan.slices, found, fitted, model_id)
        parts = () if limits is None else findings_of(read, scan.slices, found, plane, limits)
        return ModelScore(scan.scan_id, scan.stored.sha256, model_id, found, maps, parts)

    def judged(piece: Sequence[PreparedItem]) -> list[ModelScore]:
        of_scans = [folds.get(each.scan_id) for each in piece]
        scored = score_scans(fitted, [each.slices for each in piece], of_scans)
        return [drawn(*each) for each in zip(piece, scored, strict=True)]

    pieces = _scoring_threads(os.getpid()).map(judged, _pieces(prepared))
    return [each for piece in pieces for each in piece]


@cache
def _scoring_threads(_process: int) -> ThreadPoolExecutor:
    """A thread for each core, for all chunks of a process; pieces are taken as they come.

    A piece works on one thread (see `repeatable`). The next chunk's first pieces follow the last
    of one before; side by side two chunks would end together, and then the cores would wait until
    both were recorded.
    """
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), "scoring")


def _pieces(prepared: Sequence[PreparedItem]) -> Iterator[list[PreparedItem]]:
    """Scans in order, so many together that they have `PIECE` slices or more; the last has less."""
    piece: list[PreparedItem] = []
    n = 0
    for each in prepared:
        piece.append(each)
        n += len(each.slices)
        if n >= PIECE:
            yield piece
            piece, n = [], 0
    if piece:
        yield piece


def map_path(model_id: int, sha256: str, suffix: str) -> str:
    """Where a scan's map goes, relative to the home."""
    return f"heatmaps/model-{model_id}/{sha256[:2]}/{sha256}{suffix}"

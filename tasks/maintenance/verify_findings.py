"""The findings of a replayed decision: as recorded, and as computed now."""

import math
from typing import Final

from db.entities import Finding
from db.repository.reports.scan_details import Replay
from mriad_model.detection.scan_findings import ScanFinding
from tasks.maintenance.verify_report import TOLERANCE, Alike, ReplayReport
from tasks.scoring.model_scores import ModelScore

OTHER_BITS: Final = "the scores differ in their last bits, and so may they"
APART: Final = 0.25  # mm or pixels: grids of one scan may differ in last digits


def wrong_findings(
    replay: Replay, judged: ModelScore, how: Alike, report: ReplayReport
) -> list[str]:
    """What is wrong with a decision's findings, by how the scores compare.

    Scores whose last bits differ have maps that do, and a part that just reaches a limit may be
    in one alone: these are not compared.
    """
    recorded, computed = replay.scored.findings, judged.findings
    if how is Alike.OTHER or not (recorded or computed):
        return []
    if how is not Alike.IDENTICAL:
        report.leave("findings", OTHER_BITS)
        return []
    if len(recorded) != len(computed):
        return [f"{len(computed)} findings, recorded {len(recorded)}"]
    return [
        f"its finding {row.position}"
        for row, found in zip(recorded, computed, strict=True)
        if not _alike(row, found)
    ]


def _alike(row: Finding, found: ScanFinding) -> bool:
    numbers = ((row.size, found.size), (row.peak, found.peak))
    places = zip((row.x, row.y, row.z), found.place, strict=True)
    return (
        row.side == found.side
        and all(math.isclose(one, other, rel_tol=TOLERANCE) for one, other in numbers)
        and all(math.isclose(one, other, abs_tol=APART) for one, other in places)
    )

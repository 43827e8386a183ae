"""The floor: CPU time a slice of each step of scoring, on one thread.

Nothing waits for anything, so cores divided by the sum are a bound that no flow can beat with these
steps. It calls the functions that the flow calls; the record is a copy.

    python -m benchmarks.scoring.floor FOLDER HOME N
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, thread_time
from typing import TypeVar

import cv2
import torch
from sqlalchemy import Engine

from db.engine.connect import open_record
from db.entities import Run, Scan, Sighting
from db.repository.intake.scans import register_scans
from db.repository.runs import start_run
from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
from db.repository.training.models import CurrentThreshold, active_threshold
from db.timestamps import now
from mriad_model.detection.findings import FindingLimits
from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_findings import findings_of
from mriad_model.detection.scan_scores import ScanScores, score_scans
from mriad_model.enums import HeatmapKind, ScanKind, Verdict
from mriad_model.files import write_all_atomically
from mriad_model.heatmaps.captions import SCORE
from mriad_model.heatmaps.overlay import SUFFIX, ColourScale, encode, overlay
from mriad_model.heatmaps.scan_maps import draw_maps
from mriad_model.preprocessing.scan_slices import prepare_scan
from mriad_model.preprocessing.slices import PreparedScan, restore
from mriad_model.readers.images.reading import ImageScan, read_image
from mriad_model.recipes.recipe import Plane
from tasks.scoring.calibration_scores import finding_limits_of

CHUNK = 512
FEW = 8  # drawn as production does, to compare
T = TypeVar("T")


def measure(folder: Path, home: Path, n: int) -> dict[str, float]:
    """CPU milliseconds a slice of each step, over the first n files of a folder."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    record = open_record(home)
    active = active_threshold(record)
    fitted = FittedModel.from_bytes((home / active.model.path).read_bytes(), "cpu")
    scale = ColourScale(fitted.colour_low, fitted.colour_high)
    plane, limits = fitted.recipe.scans.plane, finding_limits_of(record, active.threshold.model_id)
    run_id = start_run(record, Run("floor", "floor", "0", None, "{}", "cpu", now()))
    files = sorted(folder.iterdir())[:n]
    score_scans(fitted, [prepare_scan(read_image(files[0]), fitted.recipe)])  # libraries warm up
    spent: dict[str, float] = {}

    def timed(step: str, work: Callable[[], T]) -> T:
        began = thread_time()
        done = work()
        spent[step] = spent.get(step, 0.0) + 1000 * (thread_time() - began) / len(files)
        return done

    for start in range(0, len(files), CHUNK):
        chunk = files[start : start + CHUNK]
        scans = timed("read", lambda: [read_image(path) for path in chunk])  # noqa: B023
        prepared = timed("prepare", lambda: [prepare_scan(each, fitted.recipe) for each in scans])  # noqa: B023
        scored = timed("score", lambda: score_scans(fitted, prepared))  # noqa: B023
        together = list(zip(scans, prepared, scored, strict=True))
        painted = timed(
            "paint",
            lambda: [
                overlay(
                    scan.pixels,
                    restore(found.maps[0], slices.placements[0]),
                    scale,
                    SCORE.format(score=found.score, model=1),
                )
                for scan, slices, found in together  # noqa: B023
                if not found.not_scorable
            ],
        )
        timed("find", lambda: [_found(*each, plane, limits) for each in together])  # noqa: B023
        encoded = timed("encode", lambda: [encode(each) for each in painted])  # noqa: B023
        _require_same(encoded, together, fitted)
        named = {
            home / "heatmaps" / f"floor-{start + i}{SUFFIX}": each for i, each in enumerate(encoded)
        }
        timed("write", lambda: write_all_atomically(named))  # noqa: B023
        timed("record", lambda: _record(record, active, run_id, chunk, scans, scored))  # noqa: B023
    return spent


def _found(
    scan: ImageScan,
    prepared: PreparedScan,
    scored: ScanScores,
    plane: Plane,
    limits: FindingLimits | None,
) -> int:
    """How many findings a picture has."""
    return 0 if limits is None else len(findings_of(scan, prepared, scored, plane, limits))


def _require_same(
    encoded: list[bytes],
    together: list[tuple[ImageScan, PreparedScan, ScanScores]],
    fitted: FittedModel,
) -> None:
    """The steps, one by one, are those of production."""
    drawn = [
        draw_maps(scan, slices, found, fitted, 1)
        for scan, slices, found in [each for each in together if not each[2].not_scorable][:FEW]
    ]
    if [each.files[0].data for each in drawn] != encoded[: len(drawn)]:
        raise SystemExit("the floor paints otherwise than scoring does")


def _record(
    record: Engine,
    active: CurrentThreshold,
    run_id: int,
    files: list[Path],
    scans: list[ImageScan],
    scored: list[ScanScores],
) -> None:
    """A chunk's rows: scans and sightings, then scores, heatmaps and decisions."""
    moment = now()
    rows = []
    for path, scan in zip(files, scans, strict=True):
        stat = path.stat()
        grid = {"rows": scan.pixels.shape[0], "columns": scan.pixels.shape[1], "bits": scan.bits}
        row = Scan(
            scan.sha256, ScanKind.IMAGE, None, None, None, None, json.dumps(grid), 1, run_id, moment
        )
        sighting = Sighting(
            0, path.name, stat.st_size, stat.st_mtime_ns, stat.st_ino, run_id, moment
        )
        rows.append((row, [sighting]))
    registered = register_scans(record, rows)
    found = [
        ScoredScan(
            scan_id=known.scan_id,
            value=each.score,
            slice_values=each.slice_scores.tolist(),
            heatmaps=[HeatmapFile(HeatmapKind.SLICE, 0, f"{scan.sha256}{SUFFIX}", scan.sha256)],
            verdict=Verdict.NORMAL,
            p_value=0.5,
            gate=each.gate,
            spread=each.spread,
        )
        for known, scan, each in zip(registered, scans, scored, strict=True)
    ]
    model_id, threshold_id = active.threshold.model_id, active.activation.threshold_id
    append_scored(record, model_id, threshold_id, found, run_id=run_id, now=moment)


def main() -> None:
    """Run once; print milliseconds by step, and what all cores could do, as JSON."""
    folder, home, n = sys.argv[1:]
    started = perf_counter()
    steps = measure(Path(folder), Path(home), int(n))
    cores = len(os.sched_getaffinity(0))
    bound = 1000 * cores / sum(steps.values())
    found = {"images": int(n), "seconds": perf_counter() - started, "bound": bound, "cores": cores}
    print(json.dumps({**found, "steps": steps}))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

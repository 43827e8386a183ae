"""The floor: decode, preprocess, forward, heatmap and write in one plain process.

No workflow engine, no database, no checks of what is known: what the scoring flow would cost if
keeping a record and being able to go on after a crash were free. It calls the same functions.

    python -m benchmarks.scoring.floor FOLDER MODEL OUT N
"""

import json
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_scores import score_scans
from mriad_model.files import write_all_atomically
from mriad_model.heatmaps.scan_maps import draw_maps
from mriad_model.preprocessing.scan_slices import prepare_scan
from mriad_model.readers.images.reading import read_image
from tasks.scoring.model_scores import PAINTERS

CHUNK = 512


def run(folder: Path, model: Path, out: Path, n: int) -> None:
    """Score the first n files of a folder, a chunk after the other."""
    fitted = FittedModel.from_bytes(model.read_bytes(), "cpu")
    files = sorted(folder.iterdir())[:n]
    for start in range(0, len(files), CHUNK):
        chunk = files[start : start + CHUNK]
        with ThreadPoolExecutor(PAINTERS) as pool:
            scans = list(pool.map(read_image, chunk))
            prepared = list(pool.map(lambda scan: prepare_scan(scan, fitted.recipe), scans))
            scored = score_scans(fitted, prepared)
            drawn = pool.map(
                lambda scan, slices, found: draw_maps(scan, slices, found, fitted, 1),
                scans,
                prepared,
                scored,
            )
            write_all_atomically(
                {
                    out / scan.sha256[:2] / f"{scan.sha256}{file.suffix}": file.data
                    for scan, maps in zip(scans, drawn, strict=True)
                    for file in maps.files
                }
            )


def main() -> None:
    """Run once; print seconds and peak memory as JSON."""
    folder, model, out, n = sys.argv[1:]
    started = perf_counter()
    run(Path(folder), Path(model), Path(out), int(n))
    seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"images": int(n), "seconds": seconds, "peak_mib": peak}))


if __name__ == "__main__":
    main()

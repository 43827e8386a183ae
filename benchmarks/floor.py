"""The floor: decode, preprocess, forward, heatmap and write in one plain process.

No workflow engine, no database, no checks of what is known: what the scoring flow would cost if
keeping a record and being able to go on after a crash were free. It calls the same functions.

    python -m benchmarks.floor FOLDER MODEL OUT N
"""

import json
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

from mriad_model.detection.model import FittedModel
from mriad_model.files import write_all_atomically
from mriad_model.heatmaps.overlay import SUFFIX
from mriad_model.preprocessing.slices import prepare, stack
from mriad_model.readers.images.reading import read_image
from tasks.scoring.model_scores import PAINTERS, draw_heatmap

CHUNK = 512


def run(folder: Path, model: Path, out: Path, n: int) -> None:
    """Score the first n files of a folder, a chunk after the other."""
    fitted = FittedModel.from_bytes(model.read_bytes(), "cpu")
    files = sorted(folder.iterdir())[:n]
    for start in range(0, len(files), CHUNK):
        chunk = files[start : start + CHUNK]
        with ThreadPoolExecutor(PAINTERS) as pool:
            scans = list(pool.map(read_image, chunk))
            how = fitted.recipe.preprocessing
            prepared = list(pool.map(lambda scan, how=how: prepare(scan.pixels, how), scans))
            scored = fitted.score(stack(prepared))
            pictures = pool.map(
                lambda i, scans=scans, prepared=prepared, scored=scored: draw_heatmap(
                    scans[i].pixels,
                    scored.maps[i],
                    prepared[i].placement,
                    fitted,
                    float(scored.scores[i]),
                    1,
                ),
                range(len(chunk)),
            )
            write_all_atomically(
                {
                    out / scan.sha256[:2] / f"{scan.sha256}{SUFFIX}": picture
                    for scan, picture in zip(scans, pictures, strict=True)
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

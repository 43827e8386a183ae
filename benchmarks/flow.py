"""The scoring flow itself, with a temporary Prefect server beside it and its record kept.

python -m benchmarks.flow HOME FOLDER
"""

import json
import resource
import sys
from pathlib import Path
from time import perf_counter

from flows.options import to_flow


def main() -> None:
    """Score a folder; print seconds of the whole flow and peak memory as JSON."""
    home, folder = sys.argv[1:]
    with to_flow(Path(home)):
        from flows.scoring import score_new_scans  # noqa: PLC0415 - Prefect reads settings on import

        started = perf_counter()
        result = score_new_scans(Path(home), folder, device="cpu")
        seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # The largest child, be it one that reads files or the server; all have ended by now.
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    found = {"images": result.scored, "seconds": seconds, "peak_mib": peak, "child_mib": child}
    print(json.dumps(found))


if __name__ == "__main__":
    main()

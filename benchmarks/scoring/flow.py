"""The scoring flow itself, with a temporary Prefect server beside it and its record kept.

python -m benchmarks.scoring.flow HOME FOLDER
"""

import json
import resource
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from threading import local
from time import perf_counter
from typing import Any

from db.engine import chain
from flows.cli.options import flow_context
from flows.runtime.imports import SCORING


class LinkingTimer:
    """How long the transactions of this process spend on the chain of links, all threads summed."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._inside = local()
        for name in ("marks", "append_link"):
            setattr(chain, name, self._timed(getattr(chain, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            if getattr(self._inside, "timed", False):
                return function(*arguments, **named)
            self._inside.timed = True
            started = perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds.append(perf_counter() - started)
                self._inside.timed = False

        return timed


def main() -> None:
    """Score a folder; print seconds of the whole flow, of linking, and peak memory as JSON."""
    home, folder = sys.argv[1:]
    linking = LinkingTimer()
    with flow_context(Path(home), "flows.score", *SCORING):
        from flows.score import score_new_scans  # noqa: PLC0415 - Prefect reads settings on import

        started = perf_counter()
        result = score_new_scans(Path(home), folder, device="cpu")
        seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # The largest child, be it one that reads files or the server; all have ended by now.
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    found = {"images": result.scored, "seconds": seconds, "peak_mib": peak, "child_mib": child}
    found["linking_s"] = sum(linking.seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""The logs of temporary servers: a file each, the last few kept."""

import contextlib
import os
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

NAME = "prefect-server-"
KEPT = 10
LAST_BYTES = 65_536

# The last line of a traceback; Prefect's and uvicorn's own lines begin with a time or a level.
_ERROR = re.compile(r"^(?:\S+ \| )?((?:\w+\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b.*)$")
_LINKS = re.compile(r"\(Background on this error at.*\)")


def new_log(logs: Path) -> Path:
    """A new private log file for a server; the logs of the oldest servers are removed."""
    old = sorted(logs.glob(f"{NAME}*.log"))
    for each in old[: max(0, len(old) - KEPT + 1)]:
        with contextlib.suppress(OSError):
            each.unlink()
    when = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    descriptor, name = tempfile.mkstemp(".log", f"{NAME}{when}-{os.getpid()}-", logs)
    os.close(descriptor)
    return Path(name)


def cause_in(log: Path) -> str | None:
    """The error that a server ended with, in its own words; None where it gave none."""
    try:
        text = log.read_bytes()[-LAST_BYTES:].decode("utf-8", "replace")
    except OSError:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [found[1] for line in lines if (found := _ERROR.match(line))]
    cause = errors[-1] if errors else lines[-1] if lines else None
    return None if cause is None else " ".join(_LINKS.sub("", cause).split())[:300]

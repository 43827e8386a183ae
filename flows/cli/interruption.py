"""The message of a stopped command (Ctrl-C, SIGTERM): what was recorded, and how to go on."""

import sys
from pathlib import Path

from db.repository.runs import Standing, recorded_by, with_shards
from flows.runtime.messages import counted

SERVICE = "stopped; what its runs recorded stays; mriad up goes on with the rest"
NOTHING = "stopped; nothing was recorded"
KEPT = "stopped; what run {run} recorded stays; run the same command again to go on"
NOTHING_YET = (
    "stopped; run {run} had recorded nothing yet; the same command begins again with what it was at"
)
RECORDED = (
    "stopped; run {run} has recorded {counts}, and that stays; run the same command again to go on"
)
PAGES = "stopped; reviews that were saved stay"
_serving: list[str] = []  # a service's message: it records itself, or by its children


def serving(text: str = SERVICE) -> None:
    """From now on this command is a service, and prints this when it is stopped."""
    _serving.append(text)


def interruption_text(home: Path | None) -> str:
    """The message. Never raises: whatever else is wrong, the command was stopped."""
    if _serving:
        return _serving[-1]
    if home is None or "tasks.runtime.runs" not in sys.modules:  # no run was started
        return NOTHING
    from tasks.runtime.connections import (  # noqa: PLC0415 - loaded only where a run was
        database,
    )
    from tasks.runtime.runs import runs_begun  # noqa: PLC0415

    run_ids = runs_begun()
    if not run_ids:
        return NOTHING
    number = run_ids[-1]
    try:
        engine = database(str(home))
        found = recorded_by(engine, with_shards(engine, run_ids))
    except Exception:
        return KEPT.format(run=number)
    counts = _counts_text(found)
    if not counts:
        return NOTHING_YET.format(run=number)
    return RECORDED.format(run=number, counts=counts)


def _counts_text(found: Standing) -> str:
    texts = [
        counted(found.scans, "new scan"),
        counted(found.rejections, "rejected file"),
        counted(found.models, "model"),
        counted(found.decisions, "decision") + f" ({found.suspicious} suspicious)",
    ]
    numbers = (found.scans, found.rejections, found.models, found.decisions)
    return ", ".join(text for n, text in zip(numbers, texts, strict=True) if n)

"""What a command says that is stopped, by Ctrl-C or SIGTERM: what stands, and how to go on."""

import sys
from pathlib import Path

from db.repository.runs import Standing, recorded_by, with_shards
from flows.messages import counted

SERVICE = "stopped; what its runs recorded stays, and mriad up goes on with the rest"
NOTHING = "stopped; nothing was recorded"
AGAIN = "run the same command again to go on"
_serving: list[bool] = []  # not empty: this command keeps others running, whose runs record


def serving() -> None:
    """From now on this command is a service: what is recorded is its children's."""
    _serving.append(True)


def what_stands(home: Path | None) -> str:
    """The line. Never fails: whatever else is wrong, the command was stopped."""
    if _serving:
        return SERVICE
    if home is None or "tasks.runtime.runs" not in sys.modules:  # no run was begun
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
        return f"stopped; what run {number} recorded stays; {AGAIN}"
    stands = _in_words(found)
    if not stands:
        return f"stopped; run {number} had decided nothing yet, so nothing is lost; {AGAIN}"
    return f"stopped; run {number} has recorded {stands}, and that stays; {AGAIN}"


def _in_words(found: Standing) -> str:
    told = [
        counted(found.scans, "new scan"),
        counted(found.rejections, "rejected file"),
        counted(found.models, "model"),
        counted(found.decisions, "decision") + f" ({found.suspicious} suspicious)",
    ]
    numbers = (found.scans, found.rejections, found.models, found.decisions)
    return ", ".join(text for n, text in zip(numbers, told, strict=True) if n)

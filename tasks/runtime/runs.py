"""Every flow run is a row: what ran, with which software, and how it ended."""

import json
import logging
import platform
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine

from db.engine.chain_head import head
from db.entities import Run, RunEnd
from db.repository.runs import end_run, run_by_flow_run, start_run
from db.timestamps import now
from mriad_model.enums import RunStatus
from mriad_model.errors import NotInRecord, SettingsError, Terminated
from tasks.runtime.connections import database
from tasks.runtime.environment import environment_now

LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "prefect", "sqlalchemy", "torch")
_BEGUN: list[int] = []


def runs_begun() -> list[int]:
    """The ids of the runs that this process has begun, in order."""
    return list(_BEGUN)


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run under way. What is put in `counts` is recorded at its end."""

    id: int
    counts: dict[str, int | float | str] = field(default_factory=dict)


@contextmanager
def recorded_run(
    engine: Engine, flow: str, flow_run_id: str | None, device: str = "none"
) -> Iterator[RecordedRun]:
    """Append a run row before, and a run_end row after, whatever happens in between.

    `flow_run_id` is the workflow engine's, whose pages then show the row's number; None for a
    command that needs no engine.
    """
    row = Run(
        flow=flow,
        flow_run_id=flow_run_id or str(uuid.uuid4()),
        software_version=version("mriad"),
        git_sha=git_sha(),
        libraries=library_versions(),
        device=device,
        started_at=now(),
        environment=_environment(device),
    )
    run = RecordedRun(start_run(engine, row))
    _BEGUN.append(run.id)  # named where a command is stopped
    if flow_run_id is not None:
        _tell_number(run.id)
    status = RunStatus.FAILED
    try:
        yield run
        status = RunStatus.COMPLETED
    except BaseException as error:
        if is_stop(error):
            status = RunStatus.STOPPED
        raise
    finally:
        end_run(engine, RunEnd(run.id, status, json.dumps(run.counts, sort_keys=True), now()))
        values = (run.id, flow, status.value, head(engine))
        logging.getLogger("mriad").info("run %d (%s) %s; head of the record %s", *values)


def is_stop(error: BaseException | None) -> bool:
    """Whether somebody stopped the process: Ctrl-C, SIGTERM, or SIGTERM as Prefect names it."""
    prefect = sys.modules.get("prefect.exceptions")
    return isinstance(error, KeyboardInterrupt | Terminated) or (
        prefect is not None and isinstance(error, prefect.TerminationSignal)
    )


def run_shared(home: str, flow_run_id: str) -> int:
    """The id of the run that a shard belongs to, by its flow run.

    Raises:
        SettingsError: this home's record does not know that run.
    """
    engine = database(home)
    try:
        return run_by_flow_run(engine, flow_run_id)
    except NotInRecord as error:
        raise SettingsError(
            "the run that the shard belongs to is not in this worker's record: give MRIAD_HOME and "
            "MRIAD_DATABASE_URL on all machines the same"
        ) from error


def _tell_number(run_id: int) -> None:
    """Put the number that reports and the record know the run by behind its name."""
    # Here, for a command that needs no engine should not load one.
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.context import FlowRunContext  # noqa: PLC0415

    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        with get_client(sync_client=True) as client:
            client.set_flow_run_name(context.flow_run.id, f"{context.flow_run.name}, run {run_id}")


def _environment(device: str) -> str | None:
    """What sways the bits of scores, as JSON; None for a run that computes none."""
    return None if device == "none" else json.dumps(environment_now(), sort_keys=True)


@cache
def library_versions() -> str:
    """Python and the libraries that scores depend on, as a JSON object."""
    versions = {name: version(name) for name in LIBRARIES}
    return json.dumps({"python": platform.python_version(), **versions}, sort_keys=True)


@cache
def git_sha() -> str | None:
    """The checkout's commit, with `+` behind it where files differ; None outside git."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str | None:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(root), *arguments],  # noqa: S607 - whichever git is on the PATH
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        sha = git("rev-parse", "HEAD")
        return sha and sha + ("+" if git("status", "--porcelain") else "")
    except OSError:
        return None

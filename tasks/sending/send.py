"""Sends the DICOM outputs of decided series to a PACS: each once, and again where it failed."""

import fcntl
import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.entities import Sending
from db.repository.scoring.sendings import UnsentOutput, append_sending, unsent_outputs
from db.timestamps import now, written
from mriad_model.destinations import Destination, DicomWebServer, destination_of
from mriad_model.paths import source_path
from tasks.runtime.connections import database
from tasks.runtime.home import plain
from tasks.sending import dicom_store, dicomweb
from tasks.sending.credentials import credentials
from tasks.sending.outcomes import DestinationUnreachable, Outcome

LOCK: Final = "sending.lock"  # in the home's `work`: one process sends at a time
TAKEN: Final = "taken"
GONE: Final = "its file cannot be read: {why}"
CHANGED: Final = "its file is not as it was recorded"
RETRY_SECONDS: Final[list[float]] = [30, 120]


@dataclass(frozen=True, slots=True)
class SendingOptions:
    """Where outputs go, and as whom."""

    send_to: str  # as MRIAD_SEND_TO has it
    ae_title: str = "MRIAD"
    credentials: str | None = None  # a file
    days: float = 7.0  # an output that is older is sent no more


@dataclass(frozen=True, slots=True)
class SendingResult:
    """What came of a sending."""

    sent: int
    failed: int  # tried, and not taken; tried again by the next run
    why: str | None = None  # of the first that failed


def _was_unreachable(_task: object, _run: object, state: Any) -> bool:
    """Whether to try again in a moment: a place that does not answer may do so then."""
    return isinstance(state.result(raise_on_failure=False), DestinationUnreachable)


@task(
    name="send",
    cache_policy=NO_CACHE,
    retries=len(RETRY_SECONDS),
    retry_delay_seconds=RETRY_SECONDS,
    retry_condition_fn=_was_unreachable,
)
def send_outputs(home: str, run_id: int, options: SendingOptions) -> SendingResult:
    """Send what the place has not taken; a row for each attempt.

    A process that is killed between an answer and its row sends that one file again; the place
    knows it by its SOPInstanceUID.

    Raises:
        DestinationUnreachable: the place does not answer; what is left is sent the next time.
        SettingsError: an option cannot be used.
    """
    to, engine = destination_of(options.send_to), database(home)
    since = written(datetime.now(UTC) - timedelta(days=options.days))
    with _alone(Path(home)):
        outputs = unsent_outputs(engine, str(to), since)
        failures: list[str] = []
        good: list[UnsentOutput] = []
        for each in outputs:  # what is damaged here is no question for the place
            fault = _read(Path(home), each)[1]
            if fault is None:
                good.append(each)
            else:
                failures.append(fault)
                _append(home, run_id, to, each, fault)
        sent = 0
        if good:
            for each, outcome in _tried(home, run_id, to, options, good):
                _append(home, run_id, to, each, outcome)
                sent += outcome is None
                failures += [] if outcome is None else [outcome]
    return SendingResult(sent, len(failures), failures[0] if failures else None)


def _tried(
    home: str, run_id: int, to: Destination, options: SendingOptions, outputs: list[UnsentOutput]
) -> Iterator[tuple[UnsentOutput, Outcome]]:
    """Each output, and what came of it; where the place is gone, that is said of the next one."""
    paths = [source_path(each.path, Path(home)) for each in outputs]
    data = (_read(Path(home), each)[0] for each in outputs)
    outcomes: Generator[Outcome, None, None]
    if isinstance(to, DicomWebServer):
        signed_in = credentials(None if options.credentials is None else Path(options.credentials))
        outcomes = dicomweb.store_files(to, signed_in, data)
    else:
        outcomes = dicom_store.store_files(to, options.ae_title, paths, data)
    with closing(outcomes):
        for each in outputs:
            try:
                outcome = next(outcomes)
            except DestinationUnreachable as error:
                _append(home, run_id, to, each, str(error))
                raise
            yield each, outcome


def _read(home: Path, output: UnsentOutput) -> tuple[bytes, str | None]:
    """An output's bytes, and what is wrong with them."""
    try:
        data = source_path(output.path, home).read_bytes()
    except OSError as error:
        return b"", GONE.format(why=plain(error))
    return data, None if hashlib.sha256(data).hexdigest() == output.sha256 else CHANGED


def _append(home: str, run_id: int, to: Destination, output: UnsentOutput, why: Outcome) -> None:
    delivered = output.sha256 if why is None else None
    row = Sending(output.heatmap_id, str(to), delivered, why or TAKEN, run_id, now())
    append_sending(database(home), row)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Wait until no other process of this home sends: two would send the same file."""
    lock = os.open(home / "work" / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)

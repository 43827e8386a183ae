"""Sends the DICOM outputs of decided series to a PACS: each once, and again where it failed."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.entities import Sending
from db.repository.scoring.sendings import (
    GIVEN_UP,
    UnsentOutput,
    append_sending,
    count_outputs,
    first_attempt,
    last_details,
    last_failure,
    unsent_outputs,
)
from db.timestamps import days_ago, now
from mriad_model.destinations import Destination, DicomWebServer, destination_of
from mriad_model.paths import source_path
from tasks.runtime.connections import database
from tasks.runtime.home import plain
from tasks.sending.credentials import credentials
from tasks.sending.dicom_store import NodeSender
from tasks.sending.dicomweb import WebSender
from tasks.sending.outcomes import DestinationUnreachable, SendingOutcome, not_taken

LOCK: Final = "sending.lock"  # in the home's `work`: one process sends at a time
BROKEN_IN_A_ROW: Final = 3  # files over which a place breaks before a run sends no more
BROKE: Final = "{to} broke over {n} files in a row: {why}"
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
    found = state.result(raise_on_failure=False)
    return isinstance(found, DestinationUnreachable) and found.passing


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
    with _alone(Path(home)):
        outputs = unsent_outputs(engine, str(to), days_ago(options.days))
        good: list[UnsentOutput] = []
        failures: list[str] = []
        for each in outputs:  # what is damaged here is no question for the place
            fault = _read(Path(home), each)[1]
            if fault is None:
                good.append(each)
            else:
                failures.append(fault)
                _append(home, run_id, to, each, not_taken(fault))
        sent = 0
        if good:
            try:
                for each, outcome in _tried(home, to, options, good):
                    _append(home, run_id, to, each, outcome)
                    sent += outcome.taken
                    failures += [] if outcome.taken else [outcome.detail]
            except DestinationUnreachable as error:
                if str(error) == last_failure(engine, str(to), run_id):
                    error.passing = False  # no news: it is not waited for again
                raise
    return SendingResult(sent, len(failures), failures[0] if failures else None)


def give_up_outputs(home: str, run_id: int, options: SendingOptions) -> int:
    """How many outputs have been tried too long by now; a row for each, so that each counts once.

    Those that were too old when the place was first sent to are none of them.

    Raises:
        SettingsError: the address cannot be used.
    """
    to, engine = destination_of(options.send_to), database(home)
    with _alone(Path(home)):
        begun = first_attempt(engine, str(to))
        if begun is None:
            return 0
        since, until = days_ago(options.days, before=begun), days_ago(options.days)
        last = last_details(engine, str(to))
        found = [
            each
            for each in unsent_outputs(engine, str(to), since, until)
            if last.get(each.heatmap_id) != GIVEN_UP
        ]
        for each in found:
            _append(home, run_id, to, each, not_taken(GIVEN_UP))
    return len(found)


def count_unsent(home: str, options: SendingOptions) -> tuple[int, int]:
    """How many outputs the place has not, of how many that are not too old to be sent.

    Raises:
        SettingsError: the address cannot be used.
    """
    to, engine, since = destination_of(options.send_to), database(home), days_ago(options.days)
    return len(unsent_outputs(engine, str(to), since)), count_outputs(engine, since)


def _tried(
    home: str, to: Destination, options: SendingOptions, outputs: list[UnsentOutput]
) -> Iterator[tuple[UnsentOutput, SendingOutcome]]:
    """Each output, and what came of it.

    Where the destination cannot be reached, the output to be sent is yielded as failed, and the
    error raised.
    """
    broken = 0
    sender: NodeSender | WebSender
    if isinstance(to, DicomWebServer):
        kept = None if options.credentials is None else Path(options.credentials)
        sender = WebSender(to, credentials(kept))
    else:
        paths = [source_path(each.path, Path(home)) for each in outputs]
        sender = NodeSender(to, options.ae_title, paths)
    with closing(sender):
        for each in outputs:
            data, fault = _read(Path(home), each)
            if fault is not None:  # gone or changed since it was looked at
                yield each, not_taken(fault)
                continue
            try:
                outcome = sender.store(data)
            except DestinationUnreachable as error:
                yield each, not_taken(str(error))
                raise
            yield each, outcome
            broken = broken + 1 if outcome.broke else 0
            if broken == BROKEN_IN_A_ROW:
                why = BROKE.format(to=to, n=broken, why=outcome.detail)
                raise DestinationUnreachable(why, passing=False)


def _read(home: Path, output: UnsentOutput) -> tuple[bytes, str | None]:
    """An output's bytes, and what is wrong with them."""
    try:
        data = source_path(output.path, home).read_bytes()
    except OSError as error:
        return b"", GONE.format(why=plain(error))
    return data, None if hashlib.sha256(data).hexdigest() == output.sha256 else CHANGED


def _append(
    home: str, run_id: int, to: Destination, output: UnsentOutput, outcome: SendingOutcome
) -> None:
    delivered = output.sha256 if outcome.taken else None
    row = Sending(output.heatmap_id, str(to), delivered, outcome.detail, run_id, now())
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

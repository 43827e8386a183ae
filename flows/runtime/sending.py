"""After scoring: send the DICOM outputs where the settings say. No scored run fails for it."""

import logging
from pathlib import Path
from typing import Final

from flows.runtime.messages import say
from flows.runtime.settings import Settings
from mriad_model.errors import MriadError
from tasks.runtime.connections import database
from tasks.runtime.runs import RecordedRun, recorded_run
from tasks.sending.send import SendingOptions, give_up_outputs, send_outputs

NOT_SENT: Final = "DICOM outputs were not sent, the next run tries again: {why}"
NOT_TAKEN: Final = "{n} DICOM outputs were not taken, the next run tries again: {why}"
GIVEN_UP: Final = "{n} DICOM outputs are given up: not taken within {days:g} days"


def sending_options(settings: Settings) -> SendingOptions | None:
    """The settings of sending; None: nothing is sent."""
    if settings.send_to is None:
        return None
    kept = settings.send_credentials
    return SendingOptions(
        settings.send_to, settings.send_as, None if kept is None else str(kept), settings.send_days
    )


def send_decided(home: Path, run: RecordedRun, options: SendingOptions | None) -> None:
    """Send what the destination has not taken; failures are counted, and reported in one line."""
    if options is None:
        return
    try:
        given_up = give_up_outputs(str(home), run.id, options)
        if given_up:
            run.counts["given_up"] = given_up
            _tell(GIVEN_UP.format(n=given_up, days=options.days))
        found = send_outputs(str(home), run.id, options)
    except Exception as error:
        # The text of another library's error may hold names.
        why = str(error) if isinstance(error, MriadError) else type(error).__name__
        run.counts["not_sent"] = why
        _tell(NOT_SENT.format(why=why))
        return
    run.counts.update(sent=found.sent, not_taken=found.failed)
    if found.failed:
        _tell(NOT_TAKEN.format(n=found.failed, why=found.why))


def send_by_itself(home: Path, options: SendingOptions | None) -> None:
    """Send in a separate run in the record, after a scoring run that has ended.

    A run that is still open when the next one reports would be taken for interrupted.
    """
    if options is None:
        return
    with recorded_run(database(str(home)), "send_outputs", None) as run:
        send_decided(home, run, options)


def _tell(line: str) -> None:
    logging.getLogger("mriad").error("%s", line)
    say(line)

"""After scoring: DICOM outputs go to where the settings say. A scored run never fails for it."""

import logging
from pathlib import Path
from typing import Final

from flows.runtime.messages import say
from flows.runtime.settings import Settings
from mriad_model.errors import MriadError
from tasks.runtime.runs import RecordedRun
from tasks.sending.send import SendingOptions, send_outputs

NOT_SENT: Final = "DICOM outputs were not sent, the next run tries again: {why}"
NOT_TAKEN: Final = "{n} DICOM outputs were not taken, the next run tries again: {why}"


def sending_options(settings: Settings) -> SendingOptions | None:
    """What the settings say of sending; None: nothing is sent."""
    if settings.send_to is None:
        return None
    kept = settings.send_credentials
    return SendingOptions(
        settings.send_to, settings.send_as, None if kept is None else str(kept), settings.send_days
    )


def send_decided(home: Path, run: RecordedRun, options: SendingOptions | None) -> None:
    """Send what the place has not taken; what fails is counted, and said in one line."""
    if options is None:
        return
    try:
        found = send_outputs(str(home), run.id, options)
    except MriadError as error:
        run.counts["not_sent"] = str(error)
        _tell(NOT_SENT.format(why=error))
        return
    run.counts.update(sent=found.sent, not_taken=found.failed)
    if found.failed:
        _tell(NOT_TAKEN.format(n=found.failed, why=found.why))


def _tell(line: str) -> None:
    logging.getLogger("mriad").error("%s", line)
    say(line)

"""After scoring: send the DICOM outputs where the settings say. A failure fails no run."""

import logging
from pathlib import Path
from typing import Final

from flows.runtime.messages import say
from flows.runtime.settings import Settings
from mriad_model.destinations import unsent_of
from mriad_model.errors import MriadError
from tasks.runtime.connections import database
from tasks.runtime.runs import RecordedRun, recorded_run
from tasks.sending.send import SendingOptions, count_unsent, give_up_outputs, send_outputs

GIVEN_UP: Final = "{n} DICOM outputs are given up: not taken within {days:g} days"


def sending_options(settings: Settings) -> SendingOptions | None:
    """The settings of sending; None: nothing is sent."""
    if settings.send_to is None:
        return None
    kept = settings.send_credentials
    return SendingOptions(
        settings.send_to, settings.send_as, None if kept is None else str(kept), settings.send_days
    )


def send_decided(home: Path, run: RecordedRun, options: SendingOptions | None) -> list[str]:
    """Send what the destination has not taken; warnings of what is not sent, or given up.

    The run's counts hold the same: `sent`, `given_up`, and `unsent` of `outputs`, with `not_sent`
    for the reason.
    """
    if options is None:
        return []
    lines = []
    try:
        given_up = give_up_outputs(str(home), run.id, options)
        if given_up:
            run.counts["given_up"] = given_up
            lines.append(GIVEN_UP.format(n=given_up, days=options.days))
        found = send_outputs(str(home), run.id, options)
        run.counts["sent"] = found.sent
        why = found.why
    except Exception as error:
        # The text of another library's error may hold names.
        why = str(error) if isinstance(error, MriadError) else type(error).__name__
    n, of = count_unsent(str(home), options)
    run.counts.update(unsent=n, outputs=of)
    if why is not None:
        run.counts["not_sent"] = why
    if unsent := unsent_of(run.counts):
        lines.append(unsent)
    for line in lines:
        logging.getLogger("mriad").error("%s", line)
    return lines


def send_by_itself(home: Path, options: SendingOptions | None) -> list[str]:
    """Send in a separate run in the record, after a scoring run that has ended; its warnings.

    A run that is still open when the next one reports would be taken for interrupted.
    """
    if options is None:
        return []
    with recorded_run(database(str(home)), "send_outputs", None) as run:
        lines = send_decided(home, run, options)
    for line in lines:
        say(line)
    return lines

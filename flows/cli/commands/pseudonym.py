"""`mriad pseudonym`: which pseudonym a patient goes by in this home's record."""

import sys
from getpass import getpass
from typing import Annotated

import typer

from flows.cli.console import show_json, show_lines
from flows.cli.documents.scans import pseudonym_document
from flows.cli.options import AsJson, Home
from flows.runtime.context import read_context
from mriad_model.errors import NotInRecord, SettingsError
from mriad_model.pseudonyms import pseudonym as pseudonym_of
from tasks.runtime.home import SITE_KEY, site_key

LONGEST_PATIENT_ID = 1024  # characters that are read of it
ASKED = "Patient id (not shown): "
NO_KEY = "{path} is not there: the key is made when the first scan of a patient is registered"
NOBODY = "an empty patient id has no pseudonym"


def pseudonym(
    patient_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The patient's id, as DICOM tag (0010,0020) has it. Without it, or for -, it is "
            "read from the input, so that it stays out of the shell's history.",
        ),
    ] = "-",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Print the pseudonym of a patient, made with this home's key."""
    place = read_context(home)
    path = place.home / SITE_KEY
    if not path.exists():
        raise NotInRecord(NO_KEY.format(path=path))
    found = pseudonym_of(site_key(place.home), _asked() if patient_id == "-" else patient_id)
    if found is None:
        raise SettingsError(NOBODY)
    if as_json:
        show_json(pseudonym_document(found))
    else:
        show_lines(found)


def _asked() -> str:
    """The first line of the input; on a terminal it is asked for, and not shown."""
    if sys.stdin.isatty():
        return getpass(ASKED)
    return sys.stdin.readline(LONGEST_PATIENT_ID).strip("\r\n")

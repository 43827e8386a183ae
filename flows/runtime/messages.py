"""Messages on stderr, counted nouns, and tracebacks without the errors' own text."""

import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final, TextIO

from mriad_model.plain_text import printable


def say(line: str) -> None:
    """One line to stderr, for the person watching or the log of a nightly job."""
    try:
        sys.stderr.write(f"mriad: {printable(line)}\n")
        sys.stderr.flush()
    except BrokenPipeError:  # the reader has gone, which is no reason to stop
        leave_to_nobody(sys.stderr)


def leave_to_nobody(stream: TextIO) -> None:
    """Discard further output to a stream; Python would raise at exit otherwise."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def where_it_happened(error: BaseException) -> str:
    """The traceback without the errors' messages, which may name a patient's file."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        parts.insert(0, f"{frames}{type(cause).__qualname__}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nwhich led to:\n".join(parts)


def counted(n: int, noun: str, plural: str = "") -> str:
    """`1 scan`, `2 scans`."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


TAKES: Final = {  # by the type of a pydantic error
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt:g}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt:g}",
    "literal_error": "{expected}",
}


def what_it_takes(error: Mapping[str, Any], *, shown: bool = True) -> str | None:
    """What an option or a setting takes, and what was given, in words of our own.

    None of a pydantic error that says itself what is wrong. Without `shown` what was given is not
    repeated: it may hold a password.
    """
    takes = TAKES.get(error["type"])
    if takes is None:
        return None
    given = f", not {error['input']!r:.40}" if shown else ""
    return f"takes {takes.format(**error.get('ctx', {}))}{given}"


def sentence(text: str) -> str:
    """A clause as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."

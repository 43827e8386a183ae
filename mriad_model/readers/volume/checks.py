"""Rejections of the readers of volumes."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.paths import escape_path

LOGGER = logging.getLogger("pydicom")


@contextmanager
def rejecting() -> Iterator[None]:
    """Turn whatever a parser of hostile bytes raises into RejectedFile, and silence the parser.

    Only the kind of an error is kept: its text, like pydicom's warnings, may quote names.
    """
    try:
        with _silence():
            yield
    except RejectedFile:
        raise
    except Exception as error:  # RecursionError, NotImplementedError, anything
        raise _rejection_of(error) from None  # a traceback would quote them too


@contextmanager
def _silence() -> Iterator[None]:
    propagated = LOGGER.propagate
    LOGGER.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        LOGGER.propagate = propagated


def require(holds: bool, reason: RejectionReason, detail: str) -> None:
    """Raise RejectedFile unless the condition holds."""
    if not holds:
        raise RejectedFile(reason, detail)


def shown(text: str, longest: int = 32) -> str:
    """A short tag value as one printable word for a detail. Never for names of people."""
    return escape_path(text[:longest])


def _rejection_of(error: Exception) -> RejectedFile:
    if isinstance(error, EOFError):
        return RejectedFile(RejectionReason.TRUNCATED, "the file ends too early")
    if isinstance(error, MemoryError):
        return RejectedFile(RejectionReason.TOO_LARGE, "more than memory holds")
    if isinstance(error, OSError) and error.errno is not None:  # gzip's own errors have none
        return RejectedFile(RejectionReason.UNREADABLE, os.strerror(error.errno))
    return RejectedFile(RejectionReason.CORRUPT, f"cannot be read ({type(error).__name__})")

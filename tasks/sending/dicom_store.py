"""C-STORE to a DICOM node (DICOM PS3.4, annex B), by pynetdicom."""

import logging
import socket
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from mriad_model.destinations import DicomNode
from mriad_model.errors import SettingsError
from tasks.sending.outcomes import (
    DUPLICATE,
    HAD_IT,
    TAKEN,
    DestinationUnreachable,
    SendingOutcome,
    broken,
    not_taken,
)

MISSING: Final = "to send to a DICOM node needs pynetdicom: pip install -e '.[dicom]'"
SECONDS: Final = 30.0  # for a connection, an answer, or a silence in between
WARNINGS: Final = (0xB000, 0xB006, 0xB007, 0x0107, 0x0116)  # stored; PS3.4, B.2.3, PS3.7, annex C
TRANSIENT: Final = 2  # the result of a rejection; DICOM PS3.8, 9.3.4
NO_CONNECTION: Final = "{to} does not answer: {why}"
NO_DICOM: Final = "no DICOM"
NO_HOST: Final = "no name of a host"
REJECTED: Final = "{to} rejects the association: {why}"
CUT_OFF: Final = "the node ended the association over it"
NO_ANSWER: Final = "the node did not answer in time, or ended the association"
STORED: Final = "taken, with the warning 0x{status:04X}"
NOT_TAKEN: Final = "the node takes no objects of this kind"
REFUSED: Final = "the node refused it, status 0x{status:04X}"


class NodeSender:
    """Stores files in an association; in a new one where the node ended it.

    The contexts are asked for by the headers at `paths`.
    """

    def __init__(self, to: DicomNode, calling: str, paths: Iterable[Path]) -> None:
        if find_spec("pynetdicom") is None:
            raise SettingsError(MISSING)
        self._to, self._calling, self._paths = to, calling, list(paths)
        self._association: Any = None

    def store(self, data: bytes) -> SendingOutcome:
        """Store a file.

        Raises:
            DestinationUnreachable: there is no association to be had.
        """
        if self._association is None or not self._association.is_established:
            self._association = _associated(self._to, self._calling, self._paths)
        outcome = _stored(self._association, data)
        if outcome.broke:
            self._association.abort()
            self._association = None
        return outcome

    def close(self) -> None:
        """Release the association."""
        if self._association is not None and self._association.is_established:
            self._association.release()


def _associated(to: DicomNode, calling: str, paths: Iterable[Path]) -> Any:
    from pynetdicom.ae import ApplicationEntity  # noqa: PLC0415 - of an extra

    try:  # pynetdicom says no reason, and leaves its socket open
        socket.create_connection((to.host, to.port), timeout=SECONDS).close()
    except (OSError, UnicodeError) as error:
        why = NO_HOST if isinstance(error, UnicodeError) else error.strerror or str(error)
        raise DestinationUnreachable(NO_CONNECTION.format(to=to, why=why.lower())) from error
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what it says goes into the outcome
    entity = ApplicationEntity(ae_title=calling)
    entity.connection_timeout = entity.acse_timeout = SECONDS
    entity.dimse_timeout = entity.network_timeout = SECONDS
    for syntax, transfer in sorted(_contexts(paths)):
        entity.add_requested_context(syntax, transfer)
    association = entity.associate(to.host, to.port, ae_title=to.ae_title)
    if association.is_established:
        return association
    if association.is_rejected:
        primitive: Any = association.acceptor.primitive
        why = REJECTED.format(to=to, why=primitive.reason_str.lower())
        raise DestinationUnreachable(why, passing=primitive.result == TRANSIENT)
    raise DestinationUnreachable(NO_CONNECTION.format(to=to, why=NO_DICOM))


def _contexts(paths: Iterable[Path]) -> set[tuple[str, str]]:
    found = set()
    for path in paths:
        with suppress(OSError, InvalidDicomError, AttributeError):  # gone or changed: not sent
            meta = read_file_meta_info(path)
            found.add((str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)))
    return found


def _stored(association: Any, data: bytes) -> SendingOutcome:
    try:
        answer = association.send_c_store(dcmread(BytesIO(data)))
    except ValueError:  # no context for its class was accepted
        return not_taken(NOT_TAKEN)
    except RuntimeError:  # the association is gone
        return broken(CUT_OFF)
    if "Status" not in answer:  # no answer in time, or the connection broke
        return broken(NO_ANSWER)
    status = int(answer.Status)
    if status in WARNINGS:
        return SendingOutcome(True, STORED.format(status=status))
    if status == DUPLICATE:
        return HAD_IT
    return TAKEN if status == 0 else not_taken(REFUSED.format(status=status))

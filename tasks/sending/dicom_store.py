"""C-STORE to a DICOM node (DICOM PS3.4, annex B), by pynetdicom."""

import logging
import socket
from collections.abc import Generator, Iterable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.filereader import read_file_meta_info

from mriad_model.destinations import DicomNode
from mriad_model.errors import SettingsError
from tasks.sending.outcomes import DestinationUnreachable, Outcome

MISSING: Final = "to send to a DICOM node needs pynetdicom: pip install -e '.[dicom]'"
SECONDS: Final = 30.0  # for a connection, an answer, or a silence in between
STORED: Final = (0x0000, 0xB000, 0xB006, 0xB007)  # success, and stored with a warning
NO_CONNECTION: Final = "{to} does not answer: {why}"
NO_DICOM: Final = "no DICOM"
REJECTED: Final = "{to} rejects the association: {why}"
CUT_OFF: Final = "{to} ended the association"
NOT_TAKEN: Final = "the node takes no objects of this kind"
REFUSED: Final = "the node refused it, status 0x{status:04X}"


def store_files(
    to: DicomNode, calling: str, paths: Iterable[Path], data: Iterable[bytes]
) -> Generator[Outcome, None, None]:
    """Store files in one association; what comes of each, in order.

    The contexts are asked for by the headers at `paths`; `data` are the files' bytes, one by one.

    Raises:
        DestinationUnreachable: there is no association, or no longer.
        SettingsError: pynetdicom is not installed.
    """
    if find_spec("pynetdicom") is None:
        raise SettingsError(MISSING)
    association = _associated(to, calling, paths)
    try:
        for each in data:
            if not association.is_established:
                raise DestinationUnreachable(CUT_OFF.format(to=to))
            yield _stored(association, to, each)
    finally:
        if association.is_established:
            association.release()


def _associated(to: DicomNode, calling: str, paths: Iterable[Path]) -> Any:
    from pynetdicom.ae import ApplicationEntity  # noqa: PLC0415 - of an extra

    try:  # pynetdicom says no reason, and leaves its socket open
        socket.create_connection((to.host, to.port), timeout=SECONDS).close()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DestinationUnreachable(NO_CONNECTION.format(to=to, why=why)) from error
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what it says goes into the outcome
    entity = ApplicationEntity(ae_title=calling)
    entity.connection_timeout = entity.acse_timeout = SECONDS
    entity.dimse_timeout = entity.network_timeout = SECONDS
    for syntax, transfer in sorted({_context(path) for path in paths}):
        entity.add_requested_context(syntax, transfer)
    association = entity.associate(to.host, to.port, ae_title=to.ae_title)
    if association.is_established:
        return association
    if association.is_rejected:
        primitive: Any = association.acceptor.primitive
        why = primitive.reason_str
        raise DestinationUnreachable(REJECTED.format(to=to, why=why.lower()))
    raise DestinationUnreachable(NO_CONNECTION.format(to=to, why=NO_DICOM))


def _context(path: Path) -> tuple[str, str]:
    meta = read_file_meta_info(path)
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)


def _stored(association: Any, to: DicomNode, data: bytes) -> Outcome:
    try:
        status = association.send_c_store(dcmread(BytesIO(data)))
    except ValueError:  # no context for its class was accepted
        return NOT_TAKEN
    except RuntimeError as error:  # the association is gone
        raise DestinationUnreachable(CUT_OFF.format(to=to)) from error
    if "Status" not in status:  # no answer in time, or the connection broke
        raise DestinationUnreachable(CUT_OFF.format(to=to))
    return None if status.Status in STORED else REFUSED.format(status=status.Status)

"""Patients by pseudonym: the same patient is told again, and who it is cannot be."""

import hmac
from typing import Final

KEY_BYTES: Final = 32
# 128 bits: that two of a million patients meet has a chance of 1 in 10^27.
PSEUDONYM_CHARACTERS: Final = 32


def pseudonym(key: bytes, patient_id: str | None) -> str | None:
    """The keyed pseudonym of a patient id; None where the source names no patient.

    HMAC-SHA256 (RFC 2104) in hexadecimal, cut to 128 bits. Keyed, for patient ids are few and
    short: without a key all of them could be tried. Spaces around an id and the NUL that pads
    it mean nothing (DICOM PS3.5, 6.2, LO).

    Args:
        key: of the site, secret; another key gives other pseudonyms.
        patient_id: as the source has it.
    """
    if len(key) < KEY_BYTES:
        raise ValueError(f"a key of {len(key)} bytes, fewer than {KEY_BYTES}")
    name = (patient_id or "").strip(" \0")
    if not name:
        return None
    # What is no UTF-8 (a lone surrogate from a damaged file) still has a pseudonym.
    data = name.encode("utf-8", "surrogatepass")
    return hmac.new(key, data, "sha256").hexdigest()[:PSEUDONYM_CHARACTERS]

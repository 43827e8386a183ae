"""Patients by pseudonym: the same patient is recognised, but not identified."""

import hmac
from typing import Final

KEY_BYTES: Final = 32
# 128 bits: that two of a million patients meet has a chance of 1 in 10^27.
PSEUDONYM_CHARACTERS: Final = 32


def pseudonym(key: bytes, patient_id: str | None) -> str | None:
    """The pseudonym of a patient id under the site's secret key; None where there is no patient.

    HMAC-SHA256 (RFC 2104), in hexadecimal, cut to 128 bits; unkeyed, all short ids could be tried.
    Spaces around an id and the NUL that pads it are ignored (DICOM PS3.5, 6.2, LO).
    """
    if len(key) < KEY_BYTES:
        raise ValueError(f"a key of {len(key)} bytes, fewer than {KEY_BYTES}")
    name = (patient_id or "").strip(" \0")
    if not name:
        return None
    # What is no UTF-8 (a lone surrogate from a damaged file) still has a pseudonym.
    data = name.encode("utf-8", "surrogatepass")
    return hmac.new(key, data, "sha256").hexdigest()[:PSEUDONYM_CHARACTERS]

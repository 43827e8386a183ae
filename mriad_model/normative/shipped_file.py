"""Files that come with mriad: read only with the hash that they had when they were made."""

from hashlib import sha256
from pathlib import Path

from mriad_model.errors import ModelFileError


def shipped(path: Path, expected: str) -> bytes:
    """The bytes of a file. Raises ModelFileError where it is gone, or its sha256 is another."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path.name} cannot be read: check out mriad again") from error
    found = sha256(data).hexdigest()
    if found != expected:
        raise ModelFileError(
            f"{path.name} has the hash {found[:16]}, not {expected[:16]}: check out mriad again"
        )
    return data

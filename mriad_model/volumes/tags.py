"""Tags of a DICOM dataset as plain values. What is absent, and what is nonsense, have names."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from mriad_model.errors import RejectedFile
from mriad_model.nouns import RejectionReason
from mriad_model.volumes.refusals import require

_T = TypeVar("_T")

LONGEST_TEXT = 256  # characters; a UID has 64 at most


def optional_text(dataset: Dataset, keyword: str) -> str | None:
    """A text, its values joined by a backslash as in the file; None where absent or empty."""
    value = _value(dataset, keyword)
    if value is None:
        return None
    values = value if isinstance(value, MultiValue) else [value]
    return "\\".join(str(each) for each in values)[:LONGEST_TEXT].strip(" \0") or None


def text(dataset: Dataset, keyword: str) -> str:
    """A text that must be there."""
    return _present(optional_text(dataset, keyword), keyword)


def optional_number(dataset: Dataset, keyword: str) -> float | None:
    """One finite number; None where absent or empty."""
    values = optional_numbers(dataset, keyword, 1)
    return None if values is None else values[0]


def whole(dataset: Dataset, keyword: str) -> int:
    """A whole number of 0 or more that must be there."""
    value = _present(optional_number(dataset, keyword), keyword)
    sound = value >= 0 and value == math.floor(value)
    require(sound, RejectionReason.CORRUPT, f"{keyword} is no count")
    return int(value)


def optional_numbers(dataset: Dataset, keyword: str, n: int) -> tuple[float, ...] | None:
    """`n` finite numbers; None where absent or empty."""
    value = _value(dataset, keyword)
    if value is None:
        return None
    values = value if isinstance(value, MultiValue) else [value]
    try:
        numbers = tuple(float(each) for each in values)
    except (TypeError, ValueError) as error:
        raise RejectedFile(RejectionReason.CORRUPT, f"{keyword} is no number") from error
    sound = len(numbers) == n and all(math.isfinite(number) for number in numbers)
    require(sound, RejectionReason.CORRUPT, f"{keyword} is not {n} finite numbers")
    return numbers


def numbers(dataset: Dataset, keyword: str, n: int) -> tuple[float, ...]:
    """`n` finite numbers that must be there."""
    return _present(optional_numbers(dataset, keyword, n), keyword)


def items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence; none where it is absent."""
    value = dataset.get(keyword)
    return value if value is not None else ()


def functional_group(groups: Sequence[Dataset], keyword: str) -> Dataset:
    """The first item of a functional group macro (PS3.3, C.7.6.16), the frame's own first.

    Args:
        groups: of the frame, and those shared by all frames.
        keyword: of the macro's sequence. An empty dataset where no group has it.
    """
    for group in groups:
        found = items(group, keyword)
        if len(found) > 0:
            return found[0]
    return Dataset()


def _value(dataset: Dataset, keyword: str) -> Any:
    value = dataset.get(keyword)
    return None if value is None or value in ("", []) else value


def _present(value: _T | None, keyword: str) -> _T:
    if value is None:
        raise RejectedFile(RejectionReason.MISSING_TAGS, f"{keyword} is missing")
    return value

"""Tags of a DICOM dataset as plain values. Unusable values of optional tags count as absent."""

import math
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.plain_text import printable
from mriad_model.readers.volume.checks import require

_T = TypeVar("_T")

DECIMAL_COMMA = re.compile(r"^\s*([+-]?\d+),(\d+)\s*$")  # 1,5 for 1.5
LONGEST_TEXT = 256  # characters; a UID has 64 at most


def optional_text(dataset: Dataset, keyword: str) -> str | None:
    """A text that prints, its values joined by a backslash; None where absent, empty, unusable."""
    raw = raw_text(dataset, keyword)
    return None if raw is None else printable(raw)[:LONGEST_TEXT]


def raw_text(dataset: Dataset, keyword: str) -> str | None:
    """A text as the file holds it: for what is never shown, and must not change."""
    value = _value_or_none(dataset, keyword)
    if value is None:
        return None
    values = value if isinstance(value, MultiValue) else [value]
    return "\\".join(str(each) for each in values)[:LONGEST_TEXT].strip(" \0") or None


def text(dataset: Dataset, keyword: str) -> str:
    """A text that must be there."""
    return _present(optional_text(dataset, keyword), keyword)


def optional_number(dataset: Dataset, keyword: str | int) -> float | None:
    """One finite optional number; None where absent, empty or unusable."""
    value = _value_or_none(dataset, keyword)
    if value is None or isinstance(value, str):
        value = DECIMAL_COMMA.sub(r"\1.\2", _undecoded(dataset, keyword) or "")
    found = _finite(value)
    return found[0] if found is not None and len(found) == 1 else None


def number_or(dataset: Dataset, keyword: str, otherwise: float) -> float:
    """One finite number that voxels depend on: where there is one, it has to be sound."""
    value = _value(dataset, keyword)
    return otherwise if value is None else _sound(value, keyword, 1)[0]


def whole(dataset: Dataset, keyword: str) -> int:
    """A whole number of 0 or more that must be there."""
    (value,) = numbers(dataset, keyword, 1)
    sound = value >= 0 and value == math.floor(value)
    require(sound, RejectionReason.CORRUPT, f"{keyword} is no count")
    return int(value)


def numbers(dataset: Dataset, keyword: str, n: int) -> tuple[float, ...]:
    """`n` finite numbers that must be there."""
    return _sound(_present(_value(dataset, keyword), keyword), keyword, n)


def items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence; none where it is absent."""
    value = _value_or_none(dataset, keyword)
    return value if isinstance(value, DicomSequence) else ()


def functional_group(groups: Sequence[Dataset], keyword: str) -> Dataset:
    """The first item of a functional group macro (PS3.3, C.7.6.16); empty where no group has it."""
    for group in groups:
        found = items(group, keyword)
        if len(found) > 0:
            return found[0]
    return Dataset()


def _value(dataset: Dataset, keyword: str | int) -> Any:
    value = dataset.get(keyword)
    if isinstance(value, DataElement):  # as numbered tags are given
        value = value.value
    return None if value is None or value in ("", []) else value


def _value_or_none(dataset: Dataset, keyword: str | int) -> Any:
    try:
        return _value(dataset, keyword)
    except Exception:  # whatever pydicom raises over unusable values
        return None


def _undecoded(dataset: Dataset, keyword: str | int) -> str | None:
    """What a file holds where a number should be."""
    element = dataset.get_item(keyword)
    value = None if element is None else element.value
    if isinstance(value, bytes):
        return value.decode("ascii", "replace")
    return value if isinstance(value, str) else None


def _finite(value: Any) -> tuple[float, ...] | None:
    if isinstance(value, bytes):
        return None
    values = value if isinstance(value, MultiValue) else [value]
    try:
        found = tuple(float(each) for each in values)
    except (TypeError, ValueError):
        return None
    return found if all(math.isfinite(number) for number in found) else None


def _sound(value: Any, keyword: str, n: int) -> tuple[float, ...]:
    found = _finite(value)
    if found is None or len(found) != n:
        wanted = "a finite number" if n == 1 else f"{n} finite numbers"
        raise RejectedFile(RejectionReason.CORRUPT, f"{keyword} is not {wanted}")
    return found


def _present(value: _T | None, keyword: str) -> _T:
    if value is None:
        raise RejectedFile(RejectionReason.MISSING_TAGS, f"{keyword} is missing")
    return value

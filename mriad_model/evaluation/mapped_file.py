"""Arrays in one file that is written piece by piece and mapped, not read: it takes no memory twice.

The form is that of safetensors: the length of a JSON header, the header, the bytes side by side.
"""

import json
import math
import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# The largest first: so each array begins where its numbers may.
TYPES: Final[dict[str, np.dtype[Any]]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
}
NAMES: Final = {dtype: name for name, dtype in TYPES.items()}
ALIGNED: Final = 8  # bytes
LENGTH: Final = 8  # bytes of the header's length
ABOUT: Final = "__metadata__"


def write_arrays(
    path: Path, arrays: Mapping[str, Iterable[Array]], about: Mapping[str, str]
) -> None:
    """Write arrays, each given as pieces to be joined along their first axis, and text beside them.

    Raises:
        OSError: the file cannot be written.
    """
    pieces = {name: list(each) for name, each in arrays.items()}
    order = sorted(pieces, key=lambda name: -pieces[name][0].dtype.itemsize)
    header: dict[str, Any] = {ABOUT: dict(about)}
    end = 0
    for name in order:
        first, begin = pieces[name][0], end
        end += sum(each.nbytes for each in pieces[name])
        header[name] = {
            "dtype": NAMES[first.dtype],
            "shape": [sum(len(each) for each in pieces[name]), *first.shape[1:]],
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNED)
    path.touch(0o600)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(LENGTH, "little") + text)
        for name in order:
            for each in pieces[name]:
                file.write(np.ascontiguousarray(each).data)


def map_arrays(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a file, which lie in it until they are looked at, and the text beside them.

    Raises:
        ValueError, KeyError, TypeError: it holds something else.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH), "little")
        if length > path.stat().st_size:
            raise ValueError("it is shorter than its header")
        header: dict[str, Any] = json.loads(file.read(length))
        # Each process may write to its own copy of a page, as to any array, and never to the file.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    about = header.pop(ABOUT)
    found = {}
    for name, each in header.items():
        dtype, shape = TYPES[each["dtype"]], each["shape"]
        place, n = LENGTH + length + each["data_offsets"][0], math.prod(shape)
        flat = np.frombuffer(mapped, dtype, n, place) if n else np.zeros(0, dtype)
        found[name] = flat.reshape(shape)
    return found, about

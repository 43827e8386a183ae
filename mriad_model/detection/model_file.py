"""The file of a model: what is looked at before anything in it is used.

It is a safetensors file: 8 bytes of length, a JSON header with names, types and shapes, numbers.
In the header's metadata lies one more JSON object, on all that is no tensor.
"""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, Final

from mriad_model.errors import ModelFileError

METADATA_KEY: Final = "mriad"  # one key alone: the format stores several in no fixed order
ONE_MEMBER, SEVERAL_MEMBERS = 1, 2  # formats
LARGEST: Final = 2**30  # bytes; the published network takes 68 MB, the default recipe's 2 MB
LARGEST_HEADER: Final = 2**20  # bytes; 5 kB are usual
PARTS: Final = {"format", "recipe", "standards", "colour", "training"}
OPTIONAL: Final = {"gate"}
COUNTS: Final = {"epochs", "best_epoch", "n_train", "n_validation"}

Shapes = dict[str, tuple[int, ...]]


def read_header(data: bytes) -> tuple[dict[str, Any], Shapes]:
    """A model's metadata in its file, and the shapes of its tensors, all of float32.

    Raises:
        ModelFileError: it is no model of this format.
        ValueError, KeyError, TypeError: it is none at all.
    """
    check_size(len(data))
    if len(data) < 8:
        raise ValueError("the file is too short")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(LARGEST_HEADER, len(data) - 8):
        raise ModelFileError(f"its header is said to be {length} bytes long")
    header = _json(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    if set(metadata) != {METADATA_KEY} or not isinstance(metadata[METADATA_KEY], str):
        raise ValueError("its metadata is not ours")
    about = _json(metadata[METADATA_KEY])
    if about["format"] not in (ONE_MEMBER, SEVERAL_MEMBERS):
        raise ModelFileError(
            f"it is a model of format {str(about['format'])[:20]}; this version reads "
            f"{ONE_MEMBER} and {SEVERAL_MEMBERS}"
        )
    if set(about) - OPTIONAL != PARTS:
        raise ModelFileError(f"it does not hold {', '.join(sorted(PARTS))}, and nothing else")
    return about, {name: _shape(name, each) for name, each in header.items()}


def check_size(size: int) -> None:
    """Refuse a file of so many bytes, before it is read. Raises ModelFileError."""
    if size > LARGEST:
        raise ModelFileError(f"it is {size} bytes long, and a model has at most {LARGEST}")


def check_tensors(found: Shapes, expected: Shapes) -> None:
    """Raises ModelFileError where there are other tensors than the recipe asks for."""
    for name in sorted(found.keys() ^ expected.keys()):
        how = "lacks" if name in expected else "has no place for"
        whose = "it" if name in expected else "its recipe"
        raise ModelFileError(f"{whose} {how} the tensor {name[:80]!r}")
    for name, shape in sorted(expected.items()):
        if found[name] != shape:
            raise ModelFileError(
                f"its tensor {name!r} has the shape {list(found[name])}, not {list(shape)}"
            )


def colour_limits(about: Any) -> tuple[float, float]:
    """Where colour begins and is full. Raises ModelFileError where that is no scale."""
    if set(about) != {"low", "high"}:
        raise ModelFileError("its colour scale is not two limits, low and high")
    low, high = (number(about[name], f"colour limit {name}") for name in ("low", "high"))
    if not low < high:
        raise ModelFileError(f"its colour scale runs from {low:g} to {high:g}: it must rise")
    return low, high


def standard_spreads(about: Any, kinds: set[str]) -> dict[str, float]:
    """The spread of each detector's healthy scores. Raises ModelFileError where one is none."""
    if set(about) != kinds:
        raise ModelFileError(f"it has standards for {sorted(about)}, not for {sorted(kinds)}")
    spreads = {kind: number(sd, f"standard of {kind}") for kind, sd in about.items()}
    for kind, sd in spreads.items():
        if not sd > 0:
            raise ModelFileError(f"its standard of {kind} has the spread {sd:g}: not above 0")
    return spreads


def training_figures(about: Mapping[str, Any]) -> dict[str, Any]:
    """How the training went. Raises ModelFileError where that is malformed."""
    if set(about) - {"seconds"} != COUNTS | {"validation_loss"}:
        raise ModelFileError("it does not tell how its training went")
    for name in COUNTS:
        if type(about[name]) is not int or about[name] < 0:
            raise ModelFileError(f"its {name} is no count")
    if about["validation_loss"] is not None:
        number(about["validation_loss"], "validation loss")
    seconds = number(about.get("seconds", 0.0), "seconds")  # older files have them
    return {**about, "seconds": seconds}


def number(value: Any, name: str) -> float:
    """A finite number. Raises ModelFileError for anything else."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ModelFileError(f"its {name} is {str(value)[:40]!r}, which is no finite number")
    return float(value)


def _shape(name: str, about: Mapping[str, Any]) -> tuple[int, ...]:
    if about["dtype"] != "F32":
        raise ModelFileError(f"its tensor {name[:80]!r} is of {about['dtype']!r}, not of float32")
    return tuple(about["shape"])


def _json(text: bytes | str) -> dict[str, Any]:
    """A JSON object with no key twice: two readers would take different ones."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("its header names something twice")
        return found

    read = json.loads(text, object_pairs_hook=once)
    if not isinstance(read, dict):
        raise TypeError("its header is no JSON object")
    return read

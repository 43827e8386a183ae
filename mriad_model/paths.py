r"""Paths as the record keeps them: any bytes, written as text that anyone may print.

A name on a POSIX disk is bytes. SQLite, JSON and terminals want text, so whatever would not
print as itself is written as an escape:

    \\            a backslash
    \x0a          one byte: an ASCII control character, or one that is not UTF-8
    \u202e        another unprintable character (a right-to-left override, a C1 control, ...)
    \U000e0001    the same, beyond the basic plane

`unescape_path` undoes this byte for byte.
"""

import os
import re
from functools import lru_cache
from pathlib import Path

_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def escape_path(path: AnyPath) -> str:
    """The path as printable text, reversible by `unescape_path`. Never fails."""
    text = _path_bytes(path).decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:  # nearly every path there is
        return text
    return "".join(_escaped(character) for character in text)


def unescape_path(text: str) -> str:
    """The path that `escape_path` wrote as `text`, as the `os` functions take it."""
    return os.fsdecode(_ESCAPE.sub(_unescaped, text.encode("utf-8", "surrogateescape")))


def recorded_path(path: Path, home: Path) -> str:
    """The path as the record keeps it: relative to the home inside it, else absolute."""
    absolute = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
    place = os.fspath(home)
    root = _root(place) if place.startswith("/") else _root.__wrapped__(place)
    return escape_path(absolute.removeprefix(root))


@lru_cache(maxsize=8)
def _root(home: str) -> str:
    """How the absolute names of files in a home begin. Of a relative home it is not kept."""
    return os.path.join(os.path.abspath(home), "")  # noqa: PTH100, PTH118


def source_path(recorded: str, home: Path) -> Path:
    """Where the file that `recorded_path` named lies now."""
    return home / unescape_path(recorded)


def _path_bytes(path: AnyPath) -> bytes:
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:  # a lone surrogate: no file has such a name, but an error may
        return os.fspath(path).encode("utf-8", "surrogatepass")  # type: ignore[union-attr]


def _escaped(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _unescaped(match: re.Match[bytes]) -> bytes:
    byte, short, long = match.groups()
    if byte is not None:
        return bytes([int(byte, 16)])
    if short is None and long is None:
        return b"\\"
    code = int(short or long, 16)
    return chr(code).encode() if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else match[0]

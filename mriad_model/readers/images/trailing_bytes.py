"""Bytes of a BMP or a TIFF outside everything it states: a stack of slices under one header."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from mriad_model.readers.images.formats import PADDING, corrupt

MOST_BESIDE: Final = 4096  # bytes: writers align, and leave a directory of before behind

_RUN_LENGTHS = (1, 2)  # of BMP's kinds of compression, those that state how long they are
_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)  # bytes a value, by TIFF's types
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _CHANNELS = 256, 257, 258, 259, 277
_STRIPS = (273, 279)  # offsets, counts of bytes
_PLACES = (_STRIPS, (324, 325), (288, 289), (513, 514))  # tiles, free places, old JPEG
_DIRECTORIES = (330, 34665, 34853, 40965)  # smaller versions, EXIF, GPS, interoperability
_HEADER = (_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _CHANNELS)
_READ = frozenset((*_HEADER, *_DIRECTORIES, *(tag for pair in _PLACES for tag in pair)))
_MOST_DIRECTORIES = 16
_MOST_VALUES = 200_000  # of a tag: 50 million pixels in tiles of 16 x 16


def require_no_bytes_behind_bmp(data: bytes) -> None:
    """Reject a BMP that goes on after the rows, or the colour profile, that its header states."""
    (header_size,) = struct.unpack_from("<I", data, 14)
    if header_size == 12:
        width, height, _, bits = struct.unpack_from("<4H", data, 18)
        compression = n_bytes = 0
    elif header_size >= 40:
        width, height, _, bits, compression, n_bytes = struct.unpack_from("<2i2H2I", data, 18)
    else:
        return
    if compression not in _RUN_LENGTHS:
        n_bytes = (width * bits + 31) // 32 * 4 * abs(height)
    elif not n_bytes:
        return
    ends = [int.from_bytes(data[10:14], "little") + n_bytes]
    if header_size == 124:
        profile, profile_size = struct.unpack_from("<2I", data, 14 + 112)
        ends.append(14 + profile + profile_size)
    _require_few(len(data[max(ends) :].strip(PADDING)))


def require_no_bytes_beside_tiff(data: bytes) -> None:
    """Reject a TIFF in which bytes lie that no directory, tag, strip or tile takes."""
    beside = position = 0
    for start, end in sorted(_taken(data)):
        beside += len(data[position:start].strip(PADDING)) if start > position else 0
        position = max(position, end)
    _require_few(beside + len(data[position:].strip(PADDING)))


def _require_few(n_bytes: int) -> None:
    if n_bytes > MOST_BESIDE:
        raise corrupt(f"{n_bytes:,} bytes that are no part of its picture; save it anew")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a TIFF counts: TIFF 6.0, section 2, or BigTIFF."""

    data: bytes
    order: Literal["little", "big"]
    big: bool

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self.data[at : at + size], self.order)

    @property
    def word(self) -> int:  # bytes of an offset
        return 8 if self.big else 4

    def entries(self, at: int) -> tuple[int, Iterator[tuple[int, int, int, int]]]:
        """Where a directory ends, and (tag, size of a value, how many, where) of each entry."""
        counted, step = (8, 20) if self.big else (2, 12)
        room = max(len(self.data) - at, 0) // step
        n_entries = min(self.number(at, counted), room)
        starts = range(at + counted, at + counted + n_entries * step, step)
        return starts.stop + self.word, (self._entry(start) for start in starts)

    def _entry(self, at: int) -> tuple[int, int, int, int]:
        kind = self.number(at + 2, 2)
        size = _SIZES[kind] if kind < len(_SIZES) else 0
        n_values, place = self.number(at + 4, self.word), at + 4 + self.word
        if size * n_values > self.word:
            place = self.number(place, self.word)
        return self.number(at, 2), size, n_values, place


def _taken(data: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of everything that a TIFF states, in no order."""
    layout = _Layout(data, "little" if data.startswith(b"II") else "big", 43 in data[2:4])
    yield 0, 16 if layout.big else 8
    waiting = [layout.number(*((8, 8) if layout.big else (4, 4)))]
    seen = set[int]()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        at = waiting.pop()
        if at in seen or not 0 < at < len(data):
            continue
        seen.add(at)
        end, entries = layout.entries(at)
        yield at, end
        waiting.append(layout.number(end - layout.word, layout.word))
        values = dict[int, Sequence[int]]()
        for tag, size, n_values, place in entries:
            yield place, place + size * n_values
            if tag in _READ and tag not in values and size:
                starts = range(place, min(place + size * n_values, len(data)), size)
                values[tag] = [layout.number(each, size) for each in islice(starts, _MOST_VALUES)]
        for tag in _DIRECTORIES:
            waiting.extend(values.get(tag, ()))
        yield from _places(values)


def _places(values: dict[int, Sequence[int]]) -> Iterator[tuple[int, int]]:
    """(start, end) of strips and tiles. Rows as they are take what the size says and no more."""
    left = None
    if values.get(_COMPRESSION, (1,))[:1] == [1]:
        bits = max(values.get(_BITS, (1,))) * max(values.get(_CHANNELS, (1,)))
        rows, columns = sum(values.get(_HEIGHT, ())), sum(values.get(_WIDTH, ()))
        left = rows * (-(-columns * bits // 8))
    for of_starts, of_counts in _PLACES:
        for start, count in zip(values.get(of_starts, ()), values.get(of_counts, ()), strict=False):
            if of_starts == _STRIPS[0] and left is not None:
                count = min(count, left)  # noqa: PLW2901
                left -= count
            yield start, start + count

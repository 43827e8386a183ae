"""Work in chunks: what one task does, and one transaction writes."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def in_chunks(
    items: Iterable[T], size: int, slices: Callable[[T], int] = lambda _: 1
) -> Iterator[tuple[int, list[T]]]:
    """(number, piece) for pieces of at most `size` slices, or of one item; numbers start at 1."""
    piece: list[T] = []
    number, filled = 1, 0
    for item in items:
        n = slices(item)
        if piece and filled + n > size:
            yield number, piece
            piece, number, filled = [], number + 1, 0
        piece.append(item)
        filled += n
    if piece:
        yield number, piece


def ranges_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as (first, last) of each stretch without a gap, in their order."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def numbers_in(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """The numbers that `ranges_of` was given."""
    return [number for first, last in ranges for number in range(first, last + 1)]

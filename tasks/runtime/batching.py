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

"""Python's garbage collection, turned off where it costs much and finds nothing."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Turn garbage collection off for a block that makes much and leaves no garbage.

    Each time that enough has been made it goes through all that is held. Where a block reads many
    rows, and holds something for each, that takes time as the square of their number.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()

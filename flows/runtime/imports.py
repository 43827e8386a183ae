"""Quicker imports of large libraries."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Turn garbage collection off for a block of imports.

    Modules make much that stays and no garbage. Looking for some took a quarter of the CPU time of
    importing Prefect's server. What was made is not looked at again later.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if before:
            gc.enable()

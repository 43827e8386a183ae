"""When large libraries are imported: early where they are needed, else not at all."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

# What tasks import once they compute a score, and torch with it: a second and a half.
SCORING = ("mriad_model.detection.scan_findings", "mriad_model.heatmaps.scan_maps")


def import_all(*modules: str) -> None:
    """Import modules by their names, as quickly as can be."""
    with without_collection():
        for each in modules:
            import_module(each)


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

"""When large libraries are imported: early where they are needed, else not at all."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from tasks.runtime.garbage import without_collection

# What tasks import once they compute a score, and torch with it: a second and a half.
SCORING = ("mriad_model.detection.scan_findings", "mriad_model.heatmaps.scan_maps")


def import_all(*modules: str) -> None:
    """Import modules by their names, as quickly as can be."""
    with frozen_imports():
        for each in modules:
            import_module(each)


@contextmanager
def frozen_imports() -> Iterator[None]:
    """Import modules in a block without garbage collection.

    Modules make much that stays and no garbage. Looking for some took a quarter of the CPU time of
    importing Prefect's server. What was made is not looked at again later.
    """
    with without_collection():
        try:
            yield
        finally:
            gc.freeze()

"""The demonstration's scans: drawn heads, so that nothing has to be fetched."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from mriad_model.phantom import write_folder


@task(name="draw-heads", cache_policy=NO_CACHE)
def draw_heads(folder: str, n_healthy: int, n_abnormal: int, seed: int) -> None:
    """Draw healthy and abnormal heads into `no` and `yes`; does nothing where they stand."""
    if not Path(folder).exists():
        write_folder(Path(folder), n_healthy, n_abnormal, seed)

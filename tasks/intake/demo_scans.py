"""The demonstration's scans: drawn heads, so that nothing has to be fetched."""

import shutil
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import write_folder


@task(name="draw-heads", cache_policy=NO_CACHE)
def draw_heads(folder: str, n_healthy: int, n_abnormal: int, seed: int) -> None:
    """Draw healthy and abnormal heads, FLAIR-like, into `no` and `yes`; all of them or none.

    An existing folder is not drawn again, so that its files are known by their time.
    """
    path = Path(folder)
    if path.exists():
        return
    part = path.with_name(f"{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    write_folder(part, n_healthy, n_abnormal, seed, contrast=Contrast.FLAIR)
    part.rename(path)

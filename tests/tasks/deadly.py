"""A decoder that one file brings down. Apart, for a child imports what it runs."""

import os
from pathlib import Path

from mriad_model.volumes.contents import VolumeSource
from mriad_model.volumes.stored import StoredVolume, store_volume


def store_or_die(job: tuple[VolumeSource, Path]) -> StoredVolume:
    """As `store_volume`, but for a file of that name."""
    if job[0].files[0].path.name.startswith("deadly"):
        os.abort()
    return store_volume(job)

"""A decoder that one file brings down. Apart, for a child imports what it runs."""

import os
from pathlib import Path

from mriad_model.readers.contents import VolumeSource
from mriad_model.readers.images.reading import StoredImage, store_image
from mriad_model.readers.volume_files import StoredVolume, store_volume


def store_or_die(job: tuple[VolumeSource, Path]) -> StoredVolume:
    """As `store_volume`, but for a file of that name."""
    if job[0].files[0].path.name.startswith("deadly"):
        os.abort()
    return store_volume(job)


def store_or_loop(job: tuple[Path, Path]) -> StoredImage:
    """As `store_image`, but never done with a file of that name."""
    while job[0].name.startswith("slow"):
        pass
    return store_image(job)

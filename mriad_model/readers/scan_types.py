"""Pictures and volumes under one name, as read and as stored in scratch files."""

from typing import TypeAlias

from mriad_model.readers.images.reading import ImageScan, StoredImage
from mriad_model.readers.volume_files import StoredVolume
from mriad_model.readers.volumes import Volume

ReadScan: TypeAlias = ImageScan | Volume
StoredScan: TypeAlias = StoredImage | StoredVolume

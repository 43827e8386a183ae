"""Pictures and volumes under one name, as read and as stored in scratch files."""

from typing import TypeAlias

from mriad_model.readers.images.reading import ImageScan, StoredImage
from mriad_model.readers.volume.volumes import Volume
from mriad_model.readers.volume_files import StoredVolume

ReadScan: TypeAlias = ImageScan | Volume
StoredScan: TypeAlias = StoredImage | StoredVolume

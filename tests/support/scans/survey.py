"""What lies in a folder, by the door that production uses, without its child processes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import patch

from mriad_model.errors import RejectedFile
from mriad_model.readers.contents import group_files
from mriad_model.readers.dicom.series import Series
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.volume.volumes import VolumeLimits


class InThisProcess:
    """Reads where a `ReaderPool` has its children read."""

    def map(
        self, function: Callable[[Any], Any], items: Iterable[Any], together: int = 1
    ) -> Iterator[Any]:
        for item in items:
            try:
                yield function(item)
            except RejectedFile as error:
                yield error


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies in a folder: every file is in a series, rejected, or no DICOM file."""

    series: tuple[Series, ...]
    rejections: tuple[tuple[FoundFile, RejectedFile], ...]
    others: tuple[FoundFile, ...]


def survey(files: Iterable[FoundFile], limits: VolumeLimits | None = None) -> Survey:
    """A folder's files, sorted as `group_files` sorts them."""
    readers = cast("ReaderPool", InThisProcess())
    with patch("mriad_model.readers.contents.VolumeLimits", lambda: limits or VolumeLimits()):
        found = group_files(readers, files)
    niftis = [file for each in found.volumes if each.series is None for file in each.files]
    series = tuple(each.series for each in found.volumes if each.series is not None)
    return Survey(series, found.rejections, (*found.pictures, *niftis))

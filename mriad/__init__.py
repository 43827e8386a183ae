"""The record in a notebook: `import mriad`, then `mriad.open(home)`. Reads, and writes nothing.

    home = mriad.open("mriad-home")
    decisions = home.decisions()  # a pandas DataFrame
    anomaly, affine = home.map(67)  # a volume's map, and where its voxels are

Loads neither torch nor Prefect. Data frames need the extra `notebook`. Research use only; not a
medical device, not for diagnosis.
"""

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from db.entities import Review
from db.repository.reports.reviews import standing_reviews
from db.repository.reports.scan_details import ScoreDetails, scan_details
from db.repository.reports.views import RecordView, view_rows
from db.repository.training.models import current_threshold
from flows.runtime.context import read_context
from mriad_model.enums import NOTICE, HeatmapKind, ScanKind
from mriad_model.errors import NotInRecord, RecordError, SettingsError
from mriad_model.paths import source_path
from tasks.runtime.home import plain

if TYPE_CHECKING:
    from pandas import DataFrame

__version__: Final = version("mriad")

MOMENTS: Final = ("decided_at", "reviewed_at", "registered_at", "created_at")  # UTC
NO_PANDAS: Final = "data frames need pandas, which is not installed: pip install -e '.[notebook]'"
IS_PICTURE: Final = (
    "scan {scan} is a picture: its map is kept as it was drawn over it, {path}, and not as numbers"
)
NO_MAP: Final = "scan {scan} has no map{of_model}: it was not scored{of_model}, or not as a volume"
GONE: Final = "{path}, the map of scan {scan}, cannot be read: {why}"
CHANGED: Final = "{path}, the map of scan {scan}, is not as it was recorded"


class AnomalyMap(NamedTuple):
    """A volume's anomaly map on the grid of its source."""

    array: NDArray[np.float32]  # (X, Y, Z); higher is more anomalous, 0 is ordinary or not scored
    affine: NDArray[np.float64]  # (4, 4): voxel (x, y, z, 1) -> RAS mm


class Home:
    """A home, to be read. Each question reads the record as it is then."""

    def __init__(self, home: Path | None) -> None:
        self._place = read_context(home)
        self._place.record_to_read().dispose()  # raises where there is none

    def __repr__(self) -> str:
        return f"mriad.open({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The home folder."""
        return self._place.home

    def decisions(self, since: str | None = None) -> "DataFrame":
        """Every decision, oldest first: the columns of the view `v_decision` (docs/queries.md).

        Score, sigmas and p of what is not scorable are missing. `active` says whether the active
        threshold decided. `since`: a day, a moment, `today`, `yesterday`, or how long ago: `7d`.
        """
        return self._view(RecordView.DECISION, since)

    def scans(self, since: str | None = None) -> "DataFrame":
        """Every scan, oldest first: the columns of the view `v_scan`."""
        return self._view(RecordView.SCAN, since)

    def worklist(self) -> "DataFrame":
        """What waits for a reader: the columns of the view `v_worklist`.

        Scans without a score are in `unscored()`.
        """
        return self._view(RecordView.WORKLIST, None)

    def unscored(self, since: str | None = None) -> "DataFrame":
        """Scans that are not scorable, without a score: the columns of the view `v_unscored`."""
        return self._view(RecordView.UNSCORED, since)

    def daily(self, since: str | None = None) -> "DataFrame":
        """Scans by day and scanner: the columns of the view `v_daily`."""
        return self._view(RecordView.DAILY, since)

    def reviews(self) -> "DataFrame":
        """The reviews that hold, oldest first; of those withdrawn none."""
        engine = self._place.record_to_read()
        names = [each.name for each in fields(Review) if each.name != "withdrawn"]
        rows = [asdict(each) for each in standing_reviews(engine)]
        return _frame(names, [[row[name] for name in names] for row in rows])

    def map(self, scan: int | str, model_id: int | None = None) -> AnomalyMap:
        """A volume's anomaly map and its affine, checked against the hash in the record.

        Args:
            scan: the id, a recorded path, the SeriesInstanceUID, or the start of the sha256.
            model_id: whose map; None: the active model's, else the last that was drawn.

        Raises:
            NotInRecord: there is no such scan, or no map of it.
            RecordError: the file is gone, or not as it was recorded.
        """
        engine = self._place.record_to_read()
        details = scan_details(engine, scan)
        scan_id = details.scan.id or 0
        current = current_threshold(engine)
        active = None if current is None else current.model.id
        for score in _preferred(details.scores, model_id, active):
            for each in score.heatmaps:
                if each.kind is HeatmapKind.VOLUME:
                    return _read_map(self.path, each.path, each.sha256, scan_id)
                if details.scan.kind is ScanKind.IMAGE:
                    raise NotInRecord(IS_PICTURE.format(scan=scan_id, path=each.path))
        of_model = "" if model_id is None else f" by model {model_id}"
        raise NotInRecord(NO_MAP.format(scan=scan_id, of_model=of_model))

    def _view(self, view: RecordView, since: str | None) -> "DataFrame":
        found = view_rows(self._place.record_to_read(), view, since)
        return _frame(found.columns, found.rows)


def open(home: str | Path | None = None) -> Home:  # noqa: A001 - mriad.open(...)
    """The home of this name; without one MRIAD_HOME, else `./mriad-home`. Nothing is made.

    Raises:
        NotInRecord: there is no record.
        RecordError: it was made by another version of mriad.
        SettingsError: a setting that cannot be used.
    """
    return Home(None if home is None else Path(home))


def _preferred(
    scores: Sequence[ScoreDetails], model_id: int | None, active: int | None
) -> Iterator[ScoreDetails]:
    """The scores whose maps are asked for: the active model's first, then the newest."""
    asked = [each for each in scores if model_id in (None, each.score.model_id)]
    yield from sorted(
        asked, key=lambda each: (each.score.model_id == active, each.score.id), reverse=True
    )


def _read_map(home: Path, recorded: str, sha256: str, scan: int) -> AnomalyMap:
    try:
        data = source_path(recorded, home).read_bytes()
    except OSError as error:
        raise RecordError(GONE.format(path=recorded, scan=scan, why=plain(error))) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RecordError(CHANGED.format(path=recorded, scan=scan))
    image = nib.Nifti1Image.from_bytes(gzip.decompress(data))
    return AnomalyMap(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, np.float64))


def _frame(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "DataFrame":
    """Rows as a data frame: moments as moments, `active` as true or false, the notice beside."""
    try:
        import pandas as pd  # noqa: PLC0415 - the extra `notebook`
    except ModuleNotFoundError as error:
        raise SettingsError(NO_PANDAS) from error
    frame = pd.DataFrame([tuple(row) for row in rows], columns=list(columns))
    for name in MOMENTS:
        if name in frame:
            frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True)
    if "active" in frame:
        frame["active"] = frame["active"].astype(bool)
    frame.attrs["notice"] = NOTICE
    return frame

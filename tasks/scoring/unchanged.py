"""Whether a folder holds anything to score. Reads alone, without the workflow engine."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine

from db.repository.scoring.scores import undecided
from db.repository.training.models import CurrentThreshold, scans_not_scored
from mriad_model.paths import unescape_path
from mriad_model.readers.folders import list_files
from mriad_model.rejections import RejectedItem
from tasks.intake.known_files import look_up
from tasks.intake.rejections import as_listed, series_named

# Files; of a larger folder with something new the look would cost more than the start it can spare.
MOST_FILES = 20_000


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What is in a folder in which a run would score nothing."""

    known: int  # scans
    training_scans: int  # of these: the model was trained on them
    rejected: list[RejectedItem]

    @property
    def empty(self) -> bool:
        """Whether there are no files at all."""
        return not self.known and not self.rejected


def unchanged_folder(
    engine: Engine, home: Path, folder: str, glob: str, active: CurrentThreshold
) -> Unchanged | None:
    """A folder (escaped) of which a run would score nothing; None where it may score something.

    Every file is as the record knows it, and every scan is decided by the active threshold, or the
    model learned from it. A scan that no run could decide yet is tried again by the next. Folders
    of more than `MOST_FILES` files are not looked at.

    Raises:
        NoScans: the folder cannot be listed.
    """
    files = list(islice(list_files(Path(unescape_path(folder)), glob), MOST_FILES + 1))
    if len(files) > MOST_FILES:
        return None
    listed = look_up(engine, home, files)
    if listed.new:
        return None
    seen = listed.scans_seen(engine)
    unique = dict.fromkeys(scan_id for scan_id, _ in seen)
    learned = scans_not_scored(engine, active.threshold.model_id) & unique.keys()
    others = [scan_id for scan_id in unique if scan_id not in learned]
    if undecided(engine, others, active.activation.threshold_id):
        return None
    rejected = [as_listed(each) for each in listed.rejected.values()]
    return Unchanged(len(seen), len(learned), series_named(str(home), rejected))

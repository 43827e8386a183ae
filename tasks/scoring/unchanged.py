"""Whether a folder holds anything to score. Reads alone, without the workflow engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine

from db.entities import Rejection
from db.repository.intake.rejections import rejected_files
from db.repository.intake.scans import scans_by_id
from db.repository.reports.unscored import unscored_scans
from db.repository.scoring.scores import undecided
from db.repository.training.models import CurrentThreshold, scans_not_scored
from mriad_model.detection.decisions.compatibility import incompatibility
from mriad_model.enums import RejectionReason
from mriad_model.paths import unescape_path
from mriad_model.readers.folders import list_files
from mriad_model.recipes.recipe import Recipe
from mriad_model.rejections import RejectedItem
from tasks.intake.known_files import KnownFiles, look_up
from tasks.intake.rejections import as_listed, series_named, with_unscored

# Files; of a larger folder with something new the look would cost more than the start it can spare.
MOST_FILES = 20_000


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What is in a folder in which a run would score nothing."""

    known: int  # scans
    training_scans: int  # of these: the model was trained on them
    rejected: list[RejectedItem]  # and the scans that have no score
    incompatible: int = 0  # scans of another kind than the model's

    @property
    def empty(self) -> bool:
        """Whether there are no files at all."""
        return not self.known and not self.rejected


def unchanged_folder(
    engine: Engine, home: Path, folder: str, glob: str, active: CurrentThreshold
) -> Unchanged | None:
    """A folder (escaped) of which a run would score nothing; None where it may score something.

    Every file is as the record knows it, and every scan is decided by the active threshold, or its
    model learned from it, could give it no score or judges no such scans; these two are listed.
    Folders of more than `MOST_FILES` files are not looked at.

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
    left = undecided(engine, others, active.activation.threshold_id)
    other_kind = _of_other_kind(engine, active.model.recipe, listed, left)
    if len(other_kind) < len(left):
        return None
    rejected = [as_listed(each) for each in (*listed.rejected.values(), *other_kind)]
    lines = with_unscored(series_named(str(home), rejected), unscored_scans(engine, others))
    return Unchanged(len(seen), len(learned), lines, len(left))


def _of_other_kind(
    engine: Engine, recipe: str, listed: KnownFiles, scan_ids: Sequence[int]
) -> list[Rejection]:
    """Of each of these scans that is of another kind than the model's, the row that says so."""
    if not scan_ids:
        return []
    how, scans = Recipe.from_json(recipe), scans_by_id(engine, scan_ids)
    files = {
        i: [key for key, ids in listed.scans.items() if i in ids]
        for i, scan in scans.items()
        if incompatibility(how, scan.kind, scan.contrast, scan.grid) is not None
    }
    rows = rejected_files(engine, [key for keys in files.values() for key in keys])
    said = [
        [
            rows[key]
            for key in keys
            if key in rows and rows[key].reason is RejectionReason.OTHER_KIND
        ]
        for keys in files.values()
    ]
    return [each[0] for each in said if each]

"""Which scans a run has to work on, read from the record."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from db.entities import Rejection
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import scans_by_id
from db.repository.intake.sightings import scan_files
from db.repository.scoring import scores as scores_records
from db.repository.training.models import (
    active_threshold,
    current_threshold,
    model_by_id,
    scans_not_scored,
    threshold_by_id,
)
from db.timestamps import now
from mriad_model.detection.decisions.compatibility import incompatibility
from mriad_model.enums import RejectionReason
from mriad_model.recipes.recipe import Recipe
from mriad_model.rejections import RejectedItem
from tasks.intake.ingest import Ingested
from tasks.intake.rejections import as_listed
from tasks.runtime.batching import in_chunks
from tasks.runtime.connections import database


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """The model and threshold that decide now."""

    model_id: int
    threshold_id: int
    recipe: str  # JSON


@dataclass(frozen=True, slots=True)
class PendingScans:
    """Scans to score, and those that this model does not score."""

    scan_ids: list[int]
    n_slices: list[int]  # of each
    training_scans: list[int]  # not scored: the model learned from them
    incompatible: list[int]  # not scored: of another kind than the model's
    rejected: list[RejectedItem] = field(default_factory=list)  # these, with the reason

    def chunks(self, size: int) -> Iterator[tuple[int, "PendingScans"]]:
        """(number, piece) for pieces of about `size` slices; numbers start at 1."""
        pairs = list(zip(self.scan_ids, self.n_slices, strict=True))
        for number, piece in in_chunks(pairs, size, lambda pair: pair[1]):
            yield number, wanted_scans(piece)


def wanted_scans(pairs: Iterable[tuple[int, int]]) -> PendingScans:
    """Scans to work on, of (scan id, slices)."""
    pairs = list(pairs)
    return PendingScans([scan_id for scan_id, _ in pairs], [n for _, n in pairs], [], [])


@task(name="find-model", cache_policy=NO_CACHE)
def find_model(home: str, threshold_id: int | None = None) -> ActiveModel:
    """The active model and threshold, or another threshold and its model.

    Raises:
        NotInRecord: there is no such threshold.
        NoScans: no model is active.
    """
    engine = database(home)
    if threshold_id is not None:
        model_id = threshold_by_id(engine, threshold_id).model_id
        return ActiveModel(model_id, threshold_id, model_by_id(engine, model_id).recipe)
    current = active_threshold(engine)
    threshold = current.threshold
    return ActiveModel(threshold.model_id, threshold.id or 0, current.model.recipe)


def has_model(engine: Engine) -> bool:
    """Whether a model is active."""
    return current_threshold(engine) is not None


@task(name="find-undecided", cache_policy=NO_CACHE)
def find_undecided(home: str, run_id: int, model: ActiveModel, read: Ingested) -> PendingScans:
    """Of the scans read, those that the threshold has not decided, in order and each once.

    Without scans that the model learned from, and without those of another kind than its own,
    which get a rejection row.
    """
    engine = database(home)
    learned = scans_not_scored(engine, model.model_id)
    unique = list(dict.fromkeys(scan_id for scan_id, _ in read.seen))
    fresh = [scan_id for scan_id in unique if scan_id not in learned]
    undecided = scores_records.undecided(engine, fresh, model.threshold_id)
    scans = scans_by_id(engine, undecided)
    recipe = Recipe.from_json(model.recipe)
    why = {
        i: incompatibility(recipe, scans[i].kind, scans[i].contrast, scans[i].grid)
        for i in undecided
    }
    suited = [scan_id for scan_id in undecided if why[scan_id] is None]
    left_out = {scan_id: text for scan_id, text in why.items() if text is not None}
    rejections = _incompatible(home, run_id, left_out)
    append_rejections(engine, rejections)
    return PendingScans(
        scan_ids=suited,
        n_slices=[scans[scan_id].n_slices for scan_id in suited],
        training_scans=[scan_id for scan_id in unique if scan_id in learned],
        incompatible=list(left_out),
        rejected=[as_listed(each) for each in rejections],
    )


def still_undecided(home: str, threshold_id: int, scan_ids: Iterable[int]) -> PendingScans:
    """Of scans found undecided before, those that still are."""
    engine = database(home)
    left = scores_records.undecided(engine, scan_ids, threshold_id)
    scans = scans_by_id(engine, left)
    return wanted_scans((scan_id, scans[scan_id].n_slices) for scan_id in left)


def _incompatible(home: str, run_id: int, why: Mapping[int, str]) -> list[Rejection]:
    """A row for each scan of another kind, at the first of its files."""
    moment = now()
    rows = []
    for sighted in scan_files(database(home), why):
        file = sighted.newest_files[0]
        rows.append(
            Rejection(
                path=file.path,
                size=file.size,
                mtime_ns=file.mtime_ns,
                ctime_ns=file.ctime_ns,
                sha256=None,
                reason=RejectionReason.OTHER_KIND,
                detail=why[sighted.id],
                run_id=run_id,
                created_at=moment,
            )
        )
    return rows

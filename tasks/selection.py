"""Which scans a run has to work on, read from the record."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from db import history, record
from db.times import now
from mriad_model.errors import NoScans
from mriad_model.nouns import Rejection, RejectionReason, Role
from mriad_model.recipes import Recipe
from mriad_model.volumes.score import unsuited
from tasks.chunks import in_chunks
from tasks.claiming import Claimant, claim
from tasks.ingestion import Ingested
from tasks.refused import Refused
from tasks.rejections import as_listed
from tasks.resources import opened_record

TAUGHT = (Role.TRAIN, Role.VALIDATION)


@dataclass(frozen=True, slots=True)
class InForce:
    """The model and threshold that decide now."""

    model_id: int
    threshold_id: int
    recipe: str  # JSON


@dataclass(frozen=True, slots=True)
class Undecided:
    """Scans to score, and those that are left out."""

    scan_ids: list[int]
    n_slices: list[int]  # of each
    taught: list[int]  # left out: the model learned from them
    unsuited: list[int]  # left out: they are not what the model learned
    refused: list[Refused] = field(default_factory=list)  # these, with the reason
    elsewhere: list[int] = field(default_factory=list)  # left out: another run works on them

    def chunks(self, size: int) -> Iterator[tuple[int, "Undecided"]]:
        """(number, piece) for pieces of about `size` slices; numbers start at 1."""
        pairs = list(zip(self.scan_ids, self.n_slices, strict=True))
        for number, piece in in_chunks(pairs, size, lambda pair: pair[1]):
            yield number, wanted_scans(piece)


def wanted_scans(pairs: Iterable[tuple[int, int]]) -> Undecided:
    """Scans to work on, of (scan id, slices)."""
    pairs = list(pairs)
    return Undecided([scan_id for scan_id, _ in pairs], [n for _, n in pairs], [], [])


@task(name="find-model", cache_policy=NO_CACHE)
def find_model(home: str, threshold_id: int | None = None) -> InForce:
    """The model and threshold in force, or another threshold and its model.

    Raises:
        NotInRecord: there is no such threshold.
        NoScans: none is, for nothing was trained yet.
    """
    engine = opened_record(home)
    if threshold_id is not None:
        model_id = history.threshold_by_id(engine, threshold_id).model_id
        return InForce(model_id, threshold_id, history.model_by_id(engine, model_id).recipe)
    current = history.current_threshold(engine)
    if current is None or current.model.id is None or current.threshold.id is None:
        raise NoScans(
            "no model is in force; ingest healthy scans with: mriad ingest FOLDER --label healthy,"
            " then train with: mriad train"
        )
    return InForce(current.model.id, current.threshold.id, current.model.recipe)


def has_model(engine: Engine) -> bool:
    """Whether a model is in force."""
    return history.current_threshold(engine) is not None


@task(name="find-undecided", cache_policy=NO_CACHE)
def find_undecided(
    home: str, run_id: int, model: InForce, read: Ingested, claimant: Claimant | None = None
) -> Undecided:
    """Of the scans read, those that the threshold has not decided, in order and each once.

    With a claimant they are claimed, and those that another works on are set apart.

    Scans that the model learned from are left out: their scores would be memories. So are those
    of another kind than it learned, which get a rejection row.
    """
    engine = opened_record(home)
    roles = history.dataset_roles(engine, history.model_by_id(engine, model.model_id).dataset_id)
    taught = {scan_id for scan_id, role in roles.items() if role in TAUGHT}
    unique = list(dict.fromkeys(scan_id for scan_id, _ in read.seen))
    fresh = [scan_id for scan_id in unique if scan_id not in taught]
    undecided = history.undecided(engine, fresh, model.threshold_id)
    scans = history.scans_by_id(engine, undecided)
    recipe = Recipe.from_json(model.recipe)
    why = {i: unsuited(recipe, scans[i].kind, scans[i].contrast, scans[i].grid) for i in undecided}
    suited = [scan_id for scan_id in undecided if why[scan_id] is None]
    left_out = {scan_id: text for scan_id, text in why.items() if text is not None}
    rejections = _unsuited(home, run_id, left_out)
    record.append_rejections(engine, rejections)
    found = Undecided(
        scan_ids=suited,
        n_slices=[scans[scan_id].n_slices for scan_id in suited],
        taught=[scan_id for scan_id in unique if scan_id in taught],
        unsuited=list(left_out),
        refused=[as_listed(each) for each in rejections],
    )
    return found if claimant is None else claimed(home, claimant, found)


def claimed(home: str, claimant: Claimant, wanted: Undecided) -> Undecided:
    """Of scans to score, those that are the claimant's now; others' are set apart."""
    found = claim(home, claimant, wanted.scan_ids)
    n_slices = dict(zip(wanted.scan_ids, wanted.n_slices, strict=True))
    return replace(
        wanted,
        scan_ids=found.ours,
        n_slices=[n_slices[scan_id] for scan_id in found.ours],
        elsewhere=[each.scan_id for each in found.elsewhere],
    )


def still_undecided(home: str, threshold_id: int, scan_ids: Iterable[int]) -> Undecided:
    """Of scans found undecided before, those that still are."""
    engine = opened_record(home)
    left = history.undecided(engine, scan_ids, threshold_id)
    scans = history.scans_by_id(engine, left)
    return wanted_scans((scan_id, scans[scan_id].n_slices) for scan_id in left)


def all_undecided(parts: Iterable[Undecided]) -> Undecided:
    """Several as one, each scan once."""
    parts = list(parts)
    n_slices = dict[int, int]()
    for part in parts:
        n_slices |= zip(part.scan_ids, part.n_slices, strict=True)
    return wanted_scans(n_slices.items())


def _unsuited(home: str, run_id: int, why: Mapping[int, str]) -> list[Rejection]:
    """A row for each scan of another kind, at the first of its files."""
    moment = now()
    rows = []
    for sighted in history.sighted_scans(opened_record(home), why):
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

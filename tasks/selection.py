"""Which scans a run has to work on, read from the record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from db import history
from mriad_model.errors import NoScans
from mriad_model.nouns import Role
from tasks.ingestion import Ingested
from tasks.resources import opened_record

TAUGHT = (Role.TRAIN, Role.VALIDATION)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InForce:
    """The model and threshold that decide now."""

    model_id: int
    threshold_id: int
    recipe: str  # JSON


@dataclass(frozen=True, slots=True)
class Undecided:
    """Scans to score, and those left out because the model learned from them."""

    scan_ids: list[int]
    taught: list[int]


def in_chunks(items: Sequence[T], size: int) -> Iterator[tuple[int, Sequence[T]]]:
    """(number, piece) for pieces of at most `size` items; numbers start at 1."""
    for number, at in enumerate(range(0, len(items), size), start=1):
        yield number, items[at : at + size]


@task(name="find-model", cache_policy=NO_CACHE)
def find_model(home: str) -> InForce:
    """The model and threshold in force.

    Raises:
        NoScans: none is, for nothing was trained yet.
    """
    current = history.current_threshold(opened_record(home))
    if current is None or current.model.id is None or current.threshold.id is None:
        raise NoScans(
            "no model is in force; ingest healthy scans with: mriad ingest FOLDER --label healthy,"
            " then train with: mriad train"
        )
    return InForce(current.model.id, current.threshold.id, current.model.recipe)


@task(name="find-undecided", cache_policy=NO_CACHE)
def find_undecided(home: str, model: InForce, read: Ingested) -> Undecided:
    """Of the scans read, those that the threshold has not decided, in order and each once.

    Scans that the model learned from are left out: their scores would be memories.
    """
    engine = opened_record(home)
    roles = history.dataset_roles(engine, history.model_by_id(engine, model.model_id).dataset_id)
    taught = {scan_id for scan_id, role in roles.items() if role in TAUGHT}
    unique = list(dict.fromkeys(scan_id for scan_id, _ in read.seen))
    fresh = [scan_id for scan_id in unique if scan_id not in taught]
    return Undecided(
        scan_ids=history.undecided(engine, fresh, model.threshold_id),
        taught=[scan_id for scan_id in unique if scan_id in taught],
    )

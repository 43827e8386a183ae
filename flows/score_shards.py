"""One night's scans in several runs: the run that finds them, and shards that take a range each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelled

from db.repository.runs import shard_of
from flows.runtime.messages import say
from flows.runtime.private_flow import home_parameter, private_flow, worker_context
from flows.score_pipeline import TASKS_AT_ONCE, ScoringPipeline, ScoringProgress
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder, work_of
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.runs import recorded_run, run_shared
from tasks.scoring.chunks import Chunk, ChunkResult, SharedChunks
from tasks.scoring.selection import find_model

SCORE_SHARD = "score_shard/score-shard"
SHARED = "shared"  # folder of the chunks, in the work folder of the run that begins the night
NO_DEPLOYMENT = f"this Prefect server has no deployment {SCORE_SHARD}: scored by one process"
UNREACHABLE = (ObjectNotFound, httpx.HTTPError, OSError)


@dataclass(frozen=True, slots=True)
class ShardScored:
    """Result of a shard."""

    scored: int  # decisions that it made
    unreadable: int


@private_flow(name="score_shard", flow_run_name="shard {shard}", workers=TASKS_AT_ONCE, retries=2)
def score_shard(
    of_run: str, threshold_id: int, shard: int, shards: int, home: Path | None = None
) -> ShardScored:
    """Read, register and score a range of what the flow run `of_run` found; then help the others.

    It decides by `threshold_id`, whatever was activated since. Shards are numbered from 1; 0 is the
    run that found the scans, which `shards` counts too.
    """
    place = worker_context(home)
    at = str(place.home)
    run_id = run_shared(at, of_run)
    chunks = SharedChunks(place.home, work_of(place.home, run_id) / SHARED)
    device = device_in_use(place.settings.device)
    with (
        recorded_run(database(at), shard_of(run_id), flow_run.id, device) as run,
        work_folder(place.home, run.id) as scratch,
    ):
        model = find_model(at, threshold_id)
        pipeline = ScoringPipeline(at, run.id, model, device, scratch)
        decided, unreadable = 0, 0
        for number, result in _scored(pipeline, chunks, shard, shards):
            chunks.finish(number, result)
            decided += result.scored.decided
            unreadable += result.scored.unreadable
        run.counts.update(scored=decided, unreadable=unreadable)
    return ShardScored(decided, unreadable)


def score_in_shards(
    home: Path, of_run: str, pipeline: ScoringPipeline, chunks: Sequence[Chunk], shards: int
) -> list[ChunkResult]:
    """Score chunks together with shards; the result of each chunk, in order.

    This run goes through all chunks like any shard, so that it also ends where no worker is free
    and where shards die.
    """
    shared = SharedChunks(home, pipeline.folder / SHARED)
    shared.write(chunks)
    shards = min(shards, len(chunks))
    progress = ScoringProgress(chunks)
    progress.begin()
    with _shards_running(home, of_run, pipeline.model.threshold_id, shards):
        for number, result in _scored(pipeline, shared, 0, shards):
            shared.finish(number, result)
            _follow(progress, shared)
        _follow(progress, shared)
    return shared.results()


def _follow(progress: ScoringProgress, shared: SharedChunks) -> None:
    """Count the chunks that are done by now, here or by another."""
    for number, result in shared.finished(progress.finished):
        progress.add(number, result)


def _scored(
    pipeline: ScoringPipeline, chunks: SharedChunks, shard: int, shards: int
) -> Iterator[tuple[int, ChunkResult]]:
    """(number, result) of the chunks that fall to this run, then of those that others left."""
    yield from pipeline.score(chunks.left_for(shard, shards))
    for left in chunks.left_behind():  # one at a time: a second one would wait with it
        yield from pipeline.score([left])


@contextmanager
def _shards_running(home: Path, of_run: str, threshold_id: int, shards: int) -> Iterator[None]:
    """Runs of the other shards. Those that no worker has started at the end are cancelled."""
    runs: list[UUID] = []
    try:
        for shard in range(1, shards):
            parameters = {"of_run": of_run, "threshold_id": threshold_id}
            runs.append(_submit(parameters | home_parameter(home), shard, shards))
    except ObjectNotFound:
        say(NO_DEPLOYMENT)
    except UNREACHABLE as error:
        say(f"the Prefect server takes no shard ({type(error).__name__})")
    try:
        yield
    finally:
        _cancel(runs)


def _submit(parameters: dict[str, object], shard: int, shards: int) -> UUID:
    run = run_deployment(
        SCORE_SHARD,
        parameters={**parameters, "shard": shard, "shards": shards},
        timeout=0,
        idempotency_key=f"{parameters['of_run']} {shard}",
        as_subflow=False,
    )
    return cast(FlowRun, run).id  # its type also allows for callers that are coroutines


def _cancel(runs: Sequence[UUID]) -> None:
    try:
        with get_client(sync_client=True) as client:
            for each in runs:
                if client.read_flow_run(each).state_type is StateType.SCHEDULED:
                    client.set_flow_run_state(each, Cancelled(message="nothing was left"))
    except UNREACHABLE as error:
        say(f"shards not cancelled ({type(error).__name__}); they will find nothing to do")

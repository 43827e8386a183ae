"""One night's scans in several runs: the run that began it, and shards that help it.

All of them go through the same scans and claim them chunk by chunk, so whoever is quicker does
more, a shard that starts late finds less to do, and what a dead one held is taken over.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelled

from flows.messages import say
from flows.private_flow import home_parameter, private_flow, worker_context
from flows.score_pipeline import TASKS_AT_ONCE, ScoringPipeline
from tasks.runtime.batching import numbers_in, ranges_of
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.runs import recorded_run, run_helped
from tasks.scoring.claiming import claimant_of, renewed
from tasks.scoring.selection import find_model, still_undecided

SCORE_SHARD = "score_shard/score-shard"
MOST_RANGES = 20_000  # of one run: Prefect refuses parameters over 512 KiB
ATTEMPTS = 3  # at a shard whose run crashes or fails
LOOK_AGAIN_SECONDS = 5.0
UNREACHABLE = (ObjectNotFound, httpx.HTTPError, OSError)


@dataclass(frozen=True, slots=True)
class ShardScored:
    """What a shard came to."""

    scored: int
    unreadable: int
    elsewhere: int  # left to others, who were at work on them


@private_flow(name="score_shard", flow_run_name="shard", workers=TASKS_AT_ONCE)
def score_shard(
    of_run: str, threshold_id: int, scan_ids: list[tuple[int, int]], home: Path | None = None
) -> ShardScored:
    """Help a run to score its scans: claim, score and decide what nobody has claimed yet.

    Args:
        of_run: the flow run that is helped. This worker's record has to know it.
        threshold_id: by which to decide, whatever was activated since.
        scan_ids: (first, last) of each stretch of ids, in the order to go through them.
        home: None for MRIAD_HOME, as on other machines.
    """
    place = worker_context(home)
    settings, at = place.settings, str(place.home)
    helped = run_helped(at, of_run)
    device = device_in_use(settings.device)
    with recorded_run(database(at), helped, flow_run.id, device) as run:
        model = find_model(at, threshold_id)
        claimant = claimant_of(run.id, model.model_id, threshold_id, settings.lease_seconds)
        with work_folder(place.home, run.id) as scratch, renewed(at, claimant):
            work = ScoringPipeline(
                at, run.id, model, device, settings.chunk_size, scratch, claimant
            )
            work.score(still_undecided(at, threshold_id, numbers_in(scan_ids)))
            elsewhere = work.take_over()
        done = ShardScored(work.decided, work.unreadable, len(elsewhere))
        run.counts.update(
            scored=done.scored,
            unreadable=done.unreadable,
            elsewhere=done.elsewhere,
            doubled=work.doubled,
        )
    return done


@dataclass(slots=True)
class ShardPool:
    """The shards of a run that is under way in this process."""

    home: Path
    of_run: str
    threshold_id: int
    _given: list[list[tuple[int, int]]] = field(default_factory=list)  # to each shard
    _runs: list[UUID] = field(default_factory=list)  # of each, the last
    _attempts: list[int] = field(default_factory=list)
    _looked: float = 0.0

    def start(self, scan_ids: Sequence[int], shards: int) -> None:
        """Submit so many shards over these scans, each to begin at another place in them."""
        try:
            for number in range(1, shards + 1):
                begin = len(scan_ids) * number // (shards + 1)
                self._given.append(ranges_of([*scan_ids[begin:], *scan_ids[:begin]])[:MOST_RANGES])
                self._attempts.append(1)
                self._runs.append(self._submit(number - 1))
        except ObjectNotFound:
            say(f"this Prefect server has no deployment {SCORE_SHARD}: scored by one process")
        except UNREACHABLE as error:
            say(f"the Prefect server takes no shard ({type(error).__name__})")

    def tend(self) -> None:
        """Look after the shards now and then; one whose run has crashed is begun again."""
        if time.monotonic() - self._looked > LOOK_AGAIN_SECONDS:
            self.are_busy()

    def are_busy(self) -> bool:
        """Whether shards are at work; one whose run has crashed is begun again."""
        self._looked = time.monotonic()
        if not self._runs:
            return False
        try:
            with get_client(sync_client=True) as client:
                states = [_state(client, each) for each in self._runs]
            for number, state in enumerate(states):
                if state in (StateType.CRASHED, StateType.FAILED):
                    self._begin_again(number)
        except UNREACHABLE as error:
            say(f"the Prefect server does not answer ({type(error).__name__})")
            return False
        return StateType.RUNNING in states

    def end(self) -> None:
        """Take back shards that nobody has begun: there is nothing left to do."""
        try:
            with get_client(sync_client=True) as client:
                for each in self._runs:
                    if _state(client, each) is StateType.SCHEDULED:
                        client.set_flow_run_state(each, Cancelled(message="nothing was left"))
        except UNREACHABLE as error:
            say(f"shards not taken back ({type(error).__name__}); they will find nothing to do")

    def _begin_again(self, number: int) -> None:
        if self._attempts[number] < ATTEMPTS:
            self._attempts[number] += 1
            self._runs[number] = self._submit(number)

    def _submit(self, number: int) -> UUID:
        run = run_deployment(
            SCORE_SHARD,
            parameters={
                **home_parameter(self.home),
                "of_run": self.of_run,
                "threshold_id": self.threshold_id,
                "scan_ids": self._given[number],
            },
            timeout=0,
            idempotency_key=f"{self.of_run} {number} {self._attempts[number]}",
            as_subflow=False,
        )
        return cast(FlowRun, run).id  # its type also allows for callers that are coroutines


@contextmanager
def shards_running(
    home: Path, of_run: str, threshold_id: int, scan_ids: Sequence[int], shards: int
) -> Iterator[ShardPool]:
    """Helpers of a run over these scans; they are taken back at the end."""
    helpers = ShardPool(home, of_run, threshold_id)
    if scan_ids:
        helpers.start(scan_ids, shards)
    try:
        yield helpers
    finally:
        helpers.end()


def _state(client: SyncPrefectClient, run: UUID) -> StateType | None:
    return client.read_flow_run(run).state_type

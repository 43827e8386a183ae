"""How arrivals get scored: by the deployment that a server serves, or in this process."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from flows.runtime.messages import say
from flows.runtime.private_flow import home_parameter
from mriad_model.errors import MriadError

ON_NEW_SCANS = "score_arrivals/on-new-scans"
UNFINISHED = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
LOOK_AGAIN_SECONDS = 2.0
FIRST_PAUSE_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 3600.0

NO_RUN = "the Prefect server accepts no run ({error}); trying again"
RUN_FAILED = "a run over new scans ended as {how}; the server's pages say why"
RUN_STARTED = "a run is asked for; folders that have settled: {n}"


@dataclass(slots=True)
class Pauses:
    """Growing pauses between runs, as long as these leave their arrivals without a score."""

    _tried: frozenset[int] = frozenset()
    _failures: int = 0
    _until: float = 0.0

    def ended(self, still_open: Sequence[int], now: float) -> None:
        """A run has ended, successfully or not."""
        failed = not self._tried.isdisjoint(still_open)
        self._failures = self._failures + 1 if failed else 0
        if failed:
            pause = FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1)
            self._until = now + min(pause, LONGEST_PAUSE_SECONDS)

    def begun(self, arrival_ids: Sequence[int]) -> None:
        """A run was started over these."""
        self._tried = frozenset(arrival_ids)

    def left(self, now: float) -> float:
        """Seconds until the next run may start."""
        return max(0.0, self._until - now)


@dataclass(slots=True)
class Deployed:
    """Triggers the deployment, one run at a time; later arrivals go into the next run.

    A queued run would wait half a minute, with the arrivals known when it was queued.
    """

    home: Path
    known: Callable[[], bool] = lambda: True  # whether the server is still the same one
    _pauses: Pauses = field(default_factory=Pauses)
    _told: bool = False  # the message was printed
    _last: UUID | None = None  # the last run that was seen to have ended
    _client: SyncPrefectClient | None = None  # kept: each new one leaks 8 KB

    def close(self) -> None:
        """Close the connection to the server."""
        client, self._client = self._client, None
        if client is not None:
            client.__exit__(None, None, None)

    def __call__(self, arrival_ids: Sequence[int]) -> float:
        """Start a run over these, unless one is unfinished; seconds until to ask again."""
        try:
            again = self._trigger(arrival_ids)
        except (ObjectNotFound, httpx.HTTPError, OSError, RuntimeError) as error:
            if not self._told:
                say(NO_RUN.format(error=type(error).__name__))
            self._told = True
            self.close()
            return LOOK_AGAIN_SECONDS
        self._told = False
        return again

    def _trigger(self, ids: Sequence[int]) -> float:
        if not self.known():  # another server may have taken its port
            raise ConnectionError
        if self._client is None:
            self._client = get_client(sync_client=True).__enter__()
        client = self._client
        deployment = client.read_deployment_by_name(ON_NEW_SCANS)
        if _runs(client, deployment.id, UNFINISHED):
            return LOOK_AGAIN_SECONDS
        ended = _runs(client, deployment.id, ENDED)
        if ended and ended[0].id != self._last:
            self._last = ended[0].id
            if ended[0].state_type in (StateType.FAILED, StateType.CRASHED):
                how = str(ended[0].state_name).lower()
                say(RUN_FAILED.format(how=how))
            self._pauses.ended(ids, time.monotonic())
        if pause := self._pauses.left(time.monotonic()):
            return pause
        # The run takes all that are open when it begins: these and later ones.
        client.create_flow_run_from_deployment(
            deployment.id,
            parameters=home_parameter(self.home),
            state=Scheduled(),
            idempotency_key=idempotency_key(ids, self._last),
        )
        say(RUN_STARTED.format(n=len(ids)))
        self._pauses.begun(ids)
        return LOOK_AGAIN_SECONDS


@dataclass(slots=True)
class InProcess:
    """Scores in the thread that calls `work`, while another watches."""

    score: Callable[[list[int]], None]
    _pauses: Pauses = field(default_factory=Pauses)
    _given: list[int] = field(default_factory=list)
    _there: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, arrival_ids: Sequence[int]) -> float:
        """Score these next; seconds until to ask again."""
        with self._there:
            if pause := self._pauses.left(time.monotonic()):
                return pause
            self._given = sorted(arrival_ids)
            self._there.notify()
        return LOOK_AGAIN_SECONDS

    def work(self, still_open: Callable[[], list[int]], stopped: Callable[[], bool]) -> None:
        """Score the arrivals given, until stopped. Errors are printed, and scans tried again."""
        while not stopped():
            with self._there:
                self._there.wait_for(lambda: self._given, timeout=1.0)
                ids, self._given = self._given, []
            if not ids:
                continue
            self._pauses.begun(ids)
            try:
                self.score(ids)
            except MriadError as error:
                say(str(error))
            left = still_open()
            with self._there:
                self._pauses.ended(left, time.monotonic())
                self._given = []  # handed on before these were done


def is_served() -> bool:
    """Whether the server has the deployment, and a runner for it."""
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectNotFound):
        status = client.read_deployment_by_name(ON_NEW_SCANS).status
        return status is not None and status.value == "READY"
    return False


def idempotency_key(arrival_ids: Sequence[int], after: UUID | None) -> str:
    """The same for the same arrivals, as long as no run has ended since.

    A killed run leaves its arrivals open, and they need another run.
    """
    text = f"{after} " + " ".join(str(each) for each in sorted(arrival_ids))
    return hashlib.sha256(text.encode()).hexdigest()


def _runs(
    client: SyncPrefectClient, deployment: UUID, states: Sequence[StateType]
) -> list[FlowRun]:
    """The run of a deployment in one of these states that ended, or is due, last."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
        flow_run_filter=FlowRunFilter(state=state),
        sort=FlowRunSort.END_TIME_DESC,
        limit=1,
    )

"""Runs that were under way when their processes were killed."""

from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed

UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


async def crash_stale_runs(deployment_ids: Sequence[UUID]) -> int:
    """Mark runs without a process as crashed, or deployments would wait for them; how many.

    For the one process that runs these deployments, before it begins.
    """
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=UNDER_WAY))
    async with get_client() as client:
        left = await client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(deployment_ids))),
            flow_run_filter=FlowRunFilter(state=state),
        )
        for run in left:
            crashed: State[object] = Crashed(message="its process was killed")
            await client.set_flow_run_state(run.id, crashed, force=True)
    return len(left)

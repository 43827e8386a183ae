"""How the flows run their tasks: threads of one process, for torch and OpenCV let go of it."""

from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

WORKERS = 3  # one chunk is prepared, one scored, one waits for its turn


def threads() -> TaskRunner[PrefectFuture[Any]]:
    """A runner for one flow run."""
    # Prefect's own class does not fit the type of its own decorator: a future is invariant.
    return cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=WORKERS))

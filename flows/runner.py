"""How the flows run their tasks: threads of one process, for torch and OpenCV let go of it."""

from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

CHUNKS = 3  # one chunk is prepared, one scored, one waits for its turn
FOLDS = 2  # trained side by side


def threads(workers: int = CHUNKS) -> TaskRunner[PrefectFuture[Any]]:
    """A runner of so many tasks at once."""
    # Prefect's own class does not fit the type of its own decorator: a future is invariant.
    return cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=workers))

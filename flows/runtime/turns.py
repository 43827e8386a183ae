"""Turns: runs that would score into one home at the same time do so one after the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.runtime import deployment

from flows.runtime.private_flow import home_parameter

LEASE_SECONDS = 60.0  # after which the turn of a run that was killed is over; Prefect's shortest


@contextmanager
def turn_at(home: Path) -> Iterator[None]:
    """Hold the one slot of a concurrency limit of Prefect's, named after the home.

    For runs of deployments. A command begins at once: where it meets another
    run both may score a scan, and the record keeps one score.
    """
    if deployment.id is None:
        yield
        return
    name = limit_name(home)
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(name, 1)
    with concurrency(name, lease_duration=LEASE_SECONDS, raise_on_lease_renewal_failure=False):
        yield


def limit_name(home: Path) -> str:
    """Where the home is the one that MRIAD_HOME names, the same on all machines."""
    if not home_parameter(home):
        return "mriad-home"
    return f"mriad-home-{sha256(os.fsencode(home)).hexdigest()[:12]}"

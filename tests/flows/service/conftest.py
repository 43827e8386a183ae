"""A server of ours, as a command starts it for itself."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.runtime.prefect_environment import local_api, temporary_server_environment
from flows.service.server.prefect_server import listen
from flows.service.server.server_secret import PortOwner, find_server
from tasks.runtime.home import prepare_home, server_secret
from tests.support.processes.prefect_database import put_database
from tests.support.processes.servers import Running


@pytest.fixture(scope="session")
def server(prefect_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As a command starts it for itself."""
    home = prepare_home(tmp_path_factory.mktemp("served") / "home")
    prefect_home = home / ".prefect"
    put_database(prefect_database, home)
    secret = server_secret(home)
    with listen(0) as listener:
        port = listener.getsockname()[1]
        environment = temporary_server_environment(local_api(port), secret)
        environment |= {"PREFECT_HOME": str(prefect_home), "DO_NOT_TRACK": "1"}
        environment |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.service.server.server_app", str(listener.fileno())],
            env=environment,
            cwd=prefect_home,
            pass_fds=[listener.fileno()],
        )
    try:
        while find_server(port, secret, 1.0) is not PortOwner.OURS:
            assert process.poll() is None
        yield Running(home, port, secret)
    finally:
        process.terminate()
        process.wait(30)

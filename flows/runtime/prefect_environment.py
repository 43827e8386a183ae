"""Prefect's settings: which server to use, and the environment that Prefect reads on import.

For this process, for the children of `mriad up`, and for the server of a single command.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from flows.runtime.settings import Settings
from mriad_model.files import make_folder

PREFECT_FOLDER = ".prefect"  # in the home
LOOPBACK = "127.0.0.1"  # where servers of ours listen, and nowhere else
HTTP_PORT = 80


def names_own_prefect(settings: Settings, secret: str) -> bool:
    """Whether the Prefect server that settings name is one of the user's own, to be used as it is.

    By `own_prefect`, an address on another machine, or credentials for it; not by those of this
    home's server, with which Prefect's own commands are pointed at `mriad up`.
    """
    if settings.own_prefect:
        return True
    if "prefect_api_url" not in settings.model_fields_set:
        return False
    given = [os.environ.get(name) for name in ("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY")]
    credentials = any(each and each != secret for each in given)
    return credentials or local_port(settings.prefect_api_url) is None


def point_prefect(home: Path, api_url: str, secret: str | None, *, temporary: bool = False) -> None:
    """Set what Prefect reads on import: its home inside ours, no telemetry, which server.

    `secret` is None for a server of the user's own, whose credentials are in the environment.
    To a temporary server, there for one command, no logs are sent: nobody reads them.
    """
    prefect_home = home / PREFECT_FOLDER
    make_folder(prefect_home)  # a server does not make it, and does not start without
    os.environ.update(
        {
            "PREFECT_HOME": str(prefect_home),
            "PREFECT_API_URL": api_url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
            "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        }
    )
    if secret is not None:
        os.environ["PREFECT_API_AUTH_STRING"] = secret
        if "PREFECT_SERVER_CSRF_PROTECTION_ENABLED" not in os.environ:  # else one has such tokens
            os.environ.setdefault("PREFECT_CLIENT_CSRF_SUPPORT_ENABLED", "false")
        for name in ("no_proxy", "NO_PROXY"):  # the secret is no proxy's
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), LOOPBACK)))
    # Prefect would print tracebacks where the command line prints one plain line.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    # Nor its debug log of its threads, which quotes whole events that it could not send.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_DEBUG_LEVEL", "CRITICAL")
    if temporary:
        os.environ["PREFECT_LOGGING_TO_API_ENABLED"] = "false"


def take_no_code_from_this_folder() -> None:
    """Keep the current folder off the module search path of child processes.

    It may be anybody's folder: a `multiprocessing.py` in it would run as us.
    """
    os.environ.update(_SAFE_PATH)


@contextmanager
def no_settings_of_this_folder(home: Path) -> Iterator[None]:
    """Leave the current folder while Prefect is imported, for it reads settings from there.

    It may be anybody's, and the settings (`.env`, `prefect.toml`, `pyproject.toml`) name code.
    """
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    os.chdir(home / PREFECT_FOLDER)
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)


# No kinds of blocks: to register them takes a new home's server two seconds, and mriad has none.
# `prefect block register` does so for who wants some.
_NO_BLOCKS = {
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}
# For the server of `mriad up`, unless the environment says otherwise.
_SERVER = {
    # By itself Prefect forgets events after a week, but keeps runs and their logs for ever.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 24 * 3600),  # seconds
    # Prefect allows one run of a deployment at a time by leases. It keeps them in the server's
    # memory by default: one that is started again knows none, and stops the runs that hold them.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    **_NO_BLOCKS,
}
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}
# For a server alone: else its log would be empty where it does not start.
SAYS_ERRORS = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR"}


def _guarded(api: str, secret: str) -> dict[str, str]:
    """What any server of ours is started with: who may ask it."""
    pages = api.removesuffix("/api")
    ours = f"{pages},{pages.replace(LOOPBACK, 'localhost')}"
    return {
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_API_AUTH_STRING": secret,
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ours,
        **_SAFE_PATH,
    }


def service_environment(home: Path, settings: Settings, api: str, secret: str) -> dict[str, str]:
    """What the children of `mriad up` are started with: its settings, as if all were named there.

    So a flow that one of them starts in another process finds the same.
    """
    given = {
        f"MRIAD_{name.upper()}": str(value)
        for name, value in settings.model_dump(exclude={"home", "prefect_api_url"}).items()
        if value is not None and name != "database_url"
    }
    if settings.record_url is not None:
        given["MRIAD_DATABASE_URL"] = settings.record_url
    for name, path in (("WATCH", settings.watch), ("SEND_CREDENTIALS", settings.send_credentials)):
        if path is not None:
            given[f"MRIAD_{name}"] = os.path.abspath(path)  # noqa: PTH100 - keep links
    return {
        **_SERVER,
        **os.environ,
        **given,
        **_guarded(api, secret),
        "MRIAD_HOME": str(home),
        "MRIAD_PREFECT_API_URL": api,
        "PREFECT_UI_API_URL": api,
        "PYTHONUNBUFFERED": "1",
    }


def temporary_server_environment(api: str, secret: str) -> dict[str, str]:
    """What a server for one command is started with: no pages, no scheduler, no kinds of blocks."""
    marks = {
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        **_NO_BLOCKS,
    }
    return {**os.environ, **marks, **_guarded(api, secret), **SAYS_ERRORS}


def local_port(api: str) -> int | None:
    """The port of an address on this machine's loopback, as servers of ours have; else None."""
    try:
        address = urlsplit(api)
        port = address.port or HTTP_PORT
    except ValueError:
        return None
    if address.scheme != "http" or address.hostname not in (LOOPBACK, "localhost"):
        return None
    return port


def local_api(port: int) -> str:
    """The API of a server of ours. By number: `localhost` may be [::1], where another listens."""
    return f"http://{LOOPBACK}:{port}/api"

"""Which Prefect server a command uses: the one that answers, else a temporary one."""

import urllib.request
from pathlib import Path
from urllib.error import URLError

from flows.console import say
from flows.settings import Settings, point_prefect

HEALTH_TIMEOUT_SECONDS = 2.0


def choose_server(home: Path, settings: Settings) -> str | None:
    """Point Prefect at a running server, or at none, before it is imported.

    Returns:
        The API address of the server in use, or None where Prefect starts a temporary one.
    """
    api = settings.prefect_api_url if answers(settings.prefect_api_url) else None
    if api is None:
        say(f"no Prefect server answers at {settings.prefect_api_url}; starting a temporary one")
    point_prefect(home, api)
    return api


def answers(api_url: str) -> bool:
    """Whether a Prefect server says at this address that it is well."""
    if not api_url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(  # noqa: S310 - the scheme is checked above
            f"{api_url.rstrip('/')}/health", timeout=HEALTH_TIMEOUT_SECONDS
        ) as answer:
            return bool(answer.status == 200 and answer.read().strip() == b"true")
    except (URLError, OSError, ValueError):
        return False

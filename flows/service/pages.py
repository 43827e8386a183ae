"""The reader's pages as a process: `python -m flows.service.pages pages PARENT SOCKET`.

For `mriad web` and `mriad up`. Loads neither Prefect nor torch: recalibrating and activating are
commands of mriad, started as processes of their own.
"""

import hmac
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flows.runtime.context import Context, child_context
from flows.runtime.messages import where_it_happened
from flows.runtime.prefect_environment import LOOPBACK, local_port
from flows.runtime.settings import Settings, login_name
from flows.service.server.server_secret import asked
from mriad_model.errors import HomeError, MriadError, SettingsError
from mriad_model.files import write_all_atomically
from mriad_model.parent_process import kill_with_parent, signal_with_parent
from tasks.runtime.connections import database, release_memory
from tasks.runtime.home import WEB_USED, note_pages_address, proxy_secret, web_secret
from web.access import PROOF_PATH, Access, proof, secret_of_start, sign_in_token
from web.proxy import TrustedProxy, plain_address

if TYPE_CHECKING:
    from web.site import Site

DEFAULT_PORT: Final = 4280
NOT_SERVED: Final = "no pages are served here: start them with mriad web, or mriad up"
BACKLOG: Final = 128
GRACE_SECONDS: Final = 5
PARENT_SECONDS: Final = 1.0
READY: Final = "READY"
ROLE: Final = "pages"
MODULE: Final = "flows.service.pages"
PORT_FILE: Final = "web.port"  # in the home: where the pages are served
START_FILE: Final = "web.start"  # in the home: a random text of the server's start


def listen_for_pages(settings: Settings) -> socket.socket:
    """A socket for the pages: at the port that is set, else 4280, or any where that is taken.

    Raises:
        SettingsError: the address is not on this machine, or the port that is set is taken.
    """
    wanted = settings.web_port
    for port in (wanted,) if wanted else (DEFAULT_PORT, 0):
        try:
            return _listener(settings.web_bind, port)
        except OSError as error:
            failed = error
    raise SettingsError(
        f"MRIAD_WEB_BIND {settings.web_bind}, port {wanted or DEFAULT_PORT}: {failed.strerror}"
    )


def sign_in_address(home: Path, settings: Settings, port: int) -> str:
    """A one-time sign-in address, valid for an hour and for this run of the server.

    Raises:
        HomeError: no server was started.
    """
    return f"{base_address(settings, port)}/sign-in?token={sign_in_token(_start_secret(home))}"


def served_port(home: Path, settings: Settings) -> int:
    """The port that the home's pages are served at now.

    Raises:
        HomeError: they never were, or another program answers there, which must not get a
            sign-in address.
    """
    challenge = secrets.token_hex(32)
    try:
        port = int((home / PORT_FILE).read_text("ascii"))
        answer = asked(_own_address(settings), port, f"{PROOF_PATH}{challenge}", GRACE_SECONDS)
    except (OSError, ValueError):
        raise HomeError(NOT_SERVED) from None
    if not hmac.compare_digest(answer, proof(_start_secret(home), str(port), challenge).encode()):
        raise HomeError(NOT_SERVED)
    return port


def note_start(home: Path, port: int) -> None:
    """Record where the pages are served from now on; earlier sessions end."""
    start = secrets.token_hex(32)
    write_all_atomically(
        {home / START_FILE: f"{start}\n".encode(), home / PORT_FILE: f"{port}\n".encode()}
    )


def _start_secret(home: Path) -> bytes:
    try:
        start = (home / START_FILE).read_text("ascii").strip()
    except (OSError, ValueError):
        raise HomeError(NOT_SERVED) from None
    return secret_of_start(web_secret(home), start)


def base_address(settings: Settings, port: int) -> str:
    """Where a browser finds the pages."""
    given = _given_hosts(settings)
    host = given[0] if given else hosts_of(settings, port)[0]
    return f"{'https' if settings.web_https else 'http'}://{host}"


def hosts_of(settings: Settings, port: int) -> tuple[str, ...]:
    """The names that the pages answer to: where they listen, this machine's own, those set."""
    own = _own_address(settings)
    names = dict.fromkeys((f"[{own}]" if ":" in own else own, LOOPBACK, "localhost"))
    return (*(f"{name}:{port}" for name in names), *_given_hosts(settings))


def _own_address(settings: Settings) -> str:
    """Where the pages answer on this machine."""
    bound = ip_address(settings.web_bind)
    if bound.is_unspecified:
        return "::1" if bound.version == 6 else LOOPBACK
    return str(bound)


def _given_hosts(settings: Settings) -> list[str]:
    return [each.strip().lower() for each in settings.web_hosts.split(",") if each.strip()]


def site_of_home(place: Context, port: int) -> "Site":
    """A home's pages, to be served at a port, after `note_start`."""
    # With fastapi and numpy, which `mriad up` itself need not wait for.
    from web.site import Site  # noqa: PLC0415
    from web.worklist.decision_index import DecisionIndex  # noqa: PLC0415

    settings, engine = place.settings, database(str(place.home))
    prefect = settings.prefect_api_url.removesuffix("/api")
    return Site(
        home=place.home,
        engine=engine,
        index=DecisionIndex(engine),
        access=Access(
            _start_secret(place.home),
            hosts_of(settings, port),
            place.home / WEB_USED,
            secure=settings.web_https,
            proxy=trusted_proxy(place.home, settings),
        ),
        reviewer=login_name(),
        blind=settings.blind_reading,
        prefect=prefect if local_port(settings.prefect_api_url) else None,
        begin=partial(begin_command, place.home),
        draw=VolumeDrawer(place.home).draw,
    )


def trusted_proxy(home: Path, settings: Settings) -> TrustedProxy | None:
    """The proxy that may name its user; None where settings name no header.

    Raises:
        SettingsError: an address is invalid, or the secret cannot be used.
        HomeError: the secret cannot be written.
    """
    if not settings.web_user_header:
        return None
    peers = []
    for each in filter(None, (part.strip() for part in settings.web_proxy.split(","))):
        try:
            peers.append(plain_address(each))
        except ValueError:
            raise SettingsError(f"MRIAD_WEB_PROXY {each!r} is no IP address") from None
    return TrustedProxy(settings.web_user_header, proxy_secret(home), tuple(peers))


@dataclass(slots=True)
class VolumeDrawer:
    """Starts processes that write volumes' views: one at a time, each volume once."""

    home: Path
    _process: subprocess.Popen[bytes] | None = None
    _failed: set[Path] = field(default_factory=set)
    _folder: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def draw(self, scan_id: int, heatmap_id: int, folder: Path) -> bool:
        """Begin, unless another is at it; False where this view could not be written before."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                if self._process.returncode != 0 and self._folder is not None:
                    self._failed.add(self._folder)
                self._process = None
            if folder in self._failed:
                return False
            if self._process is None:
                self._folder = folder
                command = [str(self.home), str(scan_id), str(heatmap_id), str(folder)]
                self._process = subprocess.Popen(  # noqa: S603 - ids, and paths of the home
                    [sys.executable, "-m", "flows.service.volume_view", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            return True


def begin_command(home: Path, arguments: list[str], given: str = "") -> None:
    """Start a command of mriad on this home, and do not wait; its output goes to the log.

    `given` is what it reads from its input, at most a pipe's worth (64 KiB).
    """
    with (home / "logs" / "pages.log").open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - arguments are checked by the page
            [sys.executable, "-m", "flows.cli.main", *arguments, "--home", str(home)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:  # it may have ended already
        process.stdin.write(given.encode())
    threading.Thread(target=process.wait, daemon=True).start()  # leaves no zombie


def serve(
    place: Context, listener: socket.socket, ready: Callable[[], object] = lambda: None
) -> None:
    """Serve until stopped, on a socket that listens already; calls `ready` before the first."""
    port = listener.getsockname()[1]
    note_start(place.home, port)
    note_pages_address(place.home, base_address(place.settings, port))
    import uvicorn  # noqa: PLC0415 - with the pages, as above

    from web.app import create_app  # noqa: PLC0415

    site = site_of_home(place, port)
    threading.Thread(target=_warm, args=(site,), name="read decisions", daemon=True).start()
    config = uvicorn.Config(
        create_app(site),
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    ready()
    server.run(sockets=[listener])


def _warm(site: "Site") -> None:
    """Read the record before the first reader asks."""
    with suppress(MriadError):
        site.index.refresh()
    release_memory()  # of the rows, of which the columns are kept alone


def _listener(address: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    except ValueError:
        raise SettingsError(f"MRIAD_WEB_BIND {address!r} is no IP address") from None
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def main(parent: int, descriptor: int) -> None:
    """Serve for `mriad up`, and end with it."""
    signal_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel was asked to signal us
        return
    kill_with_parent(partial(_await_end, parent), 2.0 * GRACE_SECONDS)
    os.umask(0o077)
    try:
        serve(child_context(None), socket.socket(fileno=descriptor), _say_ready)
    except MriadError as error:
        sys.exit(str(error))
    except Exception as error:
        sys.exit(where_it_happened(error))  # without its message, which may name a folder


def _say_ready() -> None:
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()


def _await_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)


if __name__ == "__main__":
    main(*map(int, sys.argv[2:]))

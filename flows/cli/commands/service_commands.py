"""Commands that run until stopped: `mriad watch`, `mriad web` and `mriad up`."""

# ruff: noqa: PLC0415 - Prefect reads its settings on import

import os
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from db.repository.training.models import current_threshold
from flows.cli.console import show_json, show_lines
from flows.cli.documents.service import up_document, watch_document, web_document
from flows.cli.options import AsJson, Device, Home, flow_context
from flows.runtime.context import Context, existing_context, read_context, write_context
from flows.runtime.messages import say
from flows.runtime.prefect_environment import local_api, point_prefect
from flows.service.server.prefect_server import known_server, own_server
from mriad_model.errors import MriadError, SettingsError
from mriad_model.paths import escape_path
from tasks.runtime.connections import database
from tasks.runtime.home import SERVER_KEY

WatchedFolder = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help="The folder to watch (default: MRIAD_WATCH, else inbox)."),
]
Quiet = Annotated[
    float | None,
    typer.Option("--quiet", min=0, help="Seconds without a change until a folder has settled."),
]
Poll = Annotated[
    bool | None,
    typer.Option("--poll", help="Poll: network shares send no change events."),
]

END_SECONDS = 10.0

PAGES = "Prefect's pages: {pages} (log in with the line in {key})"
READ = "the reader's pages: {address} (once, within an hour; another: mriad web --address)"
# Where others may read the output, as a service's journal: an address lets in whoever has it.
READ_BY_TERMINAL = "the reader's pages are at {base}; mriad web --address prints one to sign in at"


def watch(
    folder: WatchedFolder = None,
    quiet: Quiet = None,
    poll: Poll = None,
    device: Device = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Watch a folder, and score what is dropped into it once it has settled.

    Where a Prefect server serves the deployment on-new-scans, that is triggered; otherwise
    scoring is done in this process. Ends with Ctrl-C or SIGTERM.
    """
    _require_watched(home, folder)
    watched_root(write_context(home, watch=folder))  # before a server is started
    with flow_context(home, watch=folder, quiet_seconds=quiet, poll=poll, device=device) as place:
        from flows.service.triggers import Deployed, is_served
        from flows.service.watcher import Watcher, pace_of

        root, served = watched_root(place), is_served()
        scorer = "the deployment on-new-scans" if served else "this process"
        say(f"watching {escape_path(root)}; scored by {scorer}")
        if as_json:
            show_json(watch_document(escape_path(root), scorer))
            sys.stdout.flush()
        if served:
            with closing(
                Deployed(place.home, known_server(place.home, place.settings))
            ) as deployed:
                Watcher(place.home, os.fspath(root), pace_of(place), deployed).run()
        else:
            _score_here(place, root)


def _score_here(place: Context, root: Path) -> None:
    """Score in this thread while another watches."""
    from flows.nightly import score_arrivals
    from flows.service.triggers import InProcess
    from flows.service.watcher import Watcher, pace_of
    from tasks.intake.arrivals import still_open

    def score(arrival_ids: list[int]) -> None:
        done = score_arrivals(place.home, arrival_ids, place.settings.device)
        say(f"scored {done.scoring.scored} scans of {done.arrivals} folders")

    scorer = InProcess(score)
    watcher = Watcher(place.home, os.fspath(root), pace_of(place), scorer)
    thread = threading.Thread(target=watcher.run, name="watcher", daemon=True)
    thread.start()
    try:
        scorer.work(lambda: still_open(str(place.home)), lambda: not thread.is_alive())
    finally:
        watcher.end()
        thread.join(END_SECONDS)
    raise MriadError("the watcher stopped; see above")


def web(
    address: Annotated[
        bool,
        typer.Option("--address", help="Print a new address to sign in at, of pages served now."),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Serve the reader's pages alone: worklist, scans, reviews. Ends with Ctrl-C or SIGTERM."""
    from flows.service.pages import listen_for_pages, serve, served_port, sign_in_address

    place = existing_context(home)
    if address:
        port = served_port(place.home, place.settings)
        _show_address(sign_in_address(place.home, place.settings, port), as_json, True)
        return
    from flows.cli.interruption import PAGES as STOPPED
    from flows.cli.interruption import serving

    serving(STOPPED)
    with listen_for_pages(place.settings) as listener:
        port = listener.getsockname()[1]
        serve(
            place,
            listener,
            lambda: _show_address(
                sign_in_address(place.home, place.settings, port), as_json, sys.stdout.isatty()
            ),
        )


def _show_address(found: str, as_json: bool, private: bool) -> None:
    if as_json:
        show_json(web_document(found))
    else:
        show_lines(where_to_read(found, private))
    sys.stdout.flush()


def where_to_read(address: str, private: bool) -> str:
    """Where the pages are; with the token that lets in only where the output is private."""
    base = address.partition("/sign-in?")[0]
    return READ.format(address=address) if private else READ_BY_TERMINAL.format(base=base)


def _require_watched(home: Path | None, folder: Path | None) -> None:
    """Refuse a watched folder that is not there before a home is made; its inbox is made with it.

    Raises:
        SettingsError: as `watched_root`.
    """
    place = read_context(home, watch=folder)
    if place.settings.watch is not None:
        watched_root(place)


def watched_root(place: Context) -> Path:
    """The folder to be watched.

    Raises:
        SettingsError: there is no such folder.
    """
    root = place.watched
    if not root.is_dir():
        what = "that is no folder" if root.exists() else "no such folder"
        raise SettingsError(f"{escape_path(root)}: {what}")
    return root


def up(
    folder: WatchedFolder = None,
    quiet: Quiet = None,
    poll: Poll = None,
    device: Device = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Run everything: Prefect server, schedules, watcher, the reader's pages.

    Ends with Ctrl-C or SIGTERM.
    """
    _require_watched(home, folder)
    place = write_context(home, watch=folder, quiet_seconds=quiet, poll=poll, device=device)
    port, secret = own_server(place.home, place.settings)
    api = local_api(port)
    point_prefect(place.home, api, secret)
    from flows.cli.interruption import serving
    from flows.runtime.deployments import deployments
    from flows.service.pages import sign_in_address
    from flows.service.up import run_service

    root = watched_root(place)
    planned = deployments(place.settings)
    active = current_threshold(database(str(place.home))) is not None
    pages = api.removesuffix("/api")

    def ready(web_port: int) -> None:
        read = sign_in_address(place.home, place.settings, web_port)
        say(f"ready; watching {escape_path(root)}")
        for each in planned:
            say(f"  {each.name}: {f'{each.cron} ({each.timezone})' if each.cron else 'on demand'}")
        say(PAGES.format(pages=pages, key=place.home / SERVER_KEY))
        say(where_to_read(read, sys.stderr.isatty()))
        if not active:
            say("no model is active: scans wait until there is one (mriad train)")
        if as_json:
            show_json(up_document(escape_path(root), pages, read))
            sys.stdout.flush()

    serving()
    run_service(place, ready)

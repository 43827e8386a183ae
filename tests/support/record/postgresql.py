"""A PostgreSQL server of our own for the tests, where Debian's or another's is installed.

It listens on a socket in a private folder and on no port, is no safer than a scratch file
(nothing is synced), and ends with the tests, however they end.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from mriad_model.parent_process import signal_with_parent

OWNER = "postgres"  # the server refuses to run as root
START_SECONDS = 60.0
INITDB = ("-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync")
OPTIONS = (
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=60",
    "autovacuum=off",
    "jit=off",
)


def missing() -> str | None:
    """Why there can be no server here; None where there can."""
    if _programs() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if find_spec("psycopg") is None:
        return "psycopg is not installed (pip install -e '.[postgresql]')"
    return None


@dataclass(frozen=True)
class Server:
    """A server under way, and its databases."""

    folder: Path
    programs: Path
    process: "subprocess.Popen[bytes]"
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, database: str, user: str = OWNER) -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def create(self, *options: str) -> str:
        """The URL of a new database: empty, or made with other options of CREATE DATABASE."""
        name = f"record_{next(self.numbers)}"
        self.say(f"CREATE DATABASE {name} {' '.join(options)}")
        return self.url(name)

    def clone(self, url: str) -> str:
        """The URL of a copy of a database that nobody is connected to."""
        return self.create("TEMPLATE", name_in(url), "STRATEGY", "file_copy")

    def drop(self, url: str) -> None:
        self.say(f"DROP DATABASE IF EXISTS {name_in(url)} WITH (FORCE)")

    def say(self, statement: str, database: str = "postgres") -> None:
        """One statement, as the server's owner, outside of any transaction."""
        import psycopg

        with psycopg.connect(
            host=str(self.folder), user=OWNER, dbname=database, autocommit=True
        ) as connection:
            connection.execute(statement.encode())


def name_in(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


@contextmanager
def server() -> Iterator[Server]:
    """A server in a folder of its own, gone at the end."""
    programs = _programs()
    assert programs is not None, missing()
    folder = Path(tempfile.mkdtemp(prefix="mriad-pg-"))
    as_owner: dict[str, object] = {}
    if os.getuid() == 0:
        shutil.chown(folder, OWNER, OWNER)
        as_owner = {"user": OWNER, "group": OWNER, "extra_groups": []}
    data, log = folder / "data", folder / "log"
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, *INITDB],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **as_owner,  # type: ignore[call-overload]
        )
        options = [part for option in OPTIONS for part in ("-c", option)]
        with log.open("wb") as out:
            process = subprocess.Popen(  # type: ignore[call-overload]
                [programs / "postgres", "-D", data, "-k", folder, *options],
                cwd=folder,
                stdout=out,
                stderr=out,
                preexec_fn=partial(signal_with_parent, signal.SIGINT),  # noqa: PLW1509 - it makes one system call
                **as_owner,
            )
        try:
            _await(process, folder, log)
            yield Server(folder, programs, process)
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown: does not wait for clients
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """Where the server's programs are: on the path, or where Debian keeps the newest."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    return versions[-1].parent if versions else None


def _await(process: "subprocess.Popen[bytes]", folder: Path, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(host=str(folder), user=OWNER, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)

"""Claims: who works on which scans, so that several runs share a night and none does it twice.

A run claims the scans of a chunk before it works on them and gives them up when they are decided.
While it lives it renews its claims; they run out when it has died, and another takes its scans
over. On the machine that it died on that is seen at once.
"""

import logging
import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from db.entities import Claim
from db.repository.claims import claim_scans, claims_on, release_claims, renew_claims
from db.repository.scores import undecided
from db.timestamps import now
from mriad_model.errors import MriadError
from tasks.runtime.connections import database

LEASE_SECONDS = 120.0
RENEWALS = 4  # in a lease: the clocks of two machines may differ by most of one
PROCESSES = Path("/proc")
ENDED = ("Z", "X")  # killed, and its parent has not asked for how it ended


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims scans, for scoring by an active threshold."""

    owner: str
    model_id: int
    threshold_id: int
    lease_seconds: float = LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class Claimed:
    """What came of claiming undecided scans."""

    ours: list[int]
    elsewhere: list[Claim]  # held by another; nobody's yet if its owner is ""


def claimant_of(
    run_id: int, model_id: int, threshold_id: int, lease_seconds: float = LEASE_SECONDS
) -> Claimant:
    """The claimant that a run of this process is."""
    process = f"{os.getpid()}.{_started(os.getpid())}"
    return Claimant(
        f"run {run_id}, process {process} on {_machine()}", model_id, threshold_id, lease_seconds
    )


@contextmanager
def renewed(home: str, claimant: Claimant) -> Iterator[None]:
    """Keep what is claimed meanwhile, however long it takes; at the end give up what is left."""
    engine, over = database(home), threading.Event()

    def renew() -> None:
        while not over.wait(claimant.lease_seconds / RENEWALS):
            try:
                renew_claims(
                    engine, claimant.owner, now=now(), lease_seconds=claimant.lease_seconds
                )
            except MriadError as error:  # claims save work; a night does not fail for one
                logging.getLogger("mriad").warning("claims not renewed: %s", error)

    thread = threading.Thread(target=renew, name="claims", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        release_claims(engine, claimant.owner)


def claim(home: str, claimant: Claimant, scan_ids: Sequence[int]) -> Claimed:
    """Claim scans that were found undecided; those decided since are in neither list.

    Scans of an owner who died are taken over: on this machine at once, on others when the lease
    has run out.
    """
    engine = database(home)
    held = _claim(home, claimant, scan_ids)
    elsewhere: dict[int, Claim] = {}
    if len(held) < len(scan_ids):
        mine = set(held)
        others = [each for each in scan_ids if each not in mine]
        elsewhere = claims_on(engine, others, claimant.model_id)
        dead = {each.owner for each in elsewhere.values() if is_dead(each.owner)}
        for owner in dead:
            release_claims(engine, owner)
        if dead or len(elsewhere) < len(others):  # or some were given up just now
            mine.update(_claim(home, claimant, others))
            held = [each for each in scan_ids if each in mine]
            elsewhere = {i: each for i, each in elsewhere.items() if i not in mine}
            missed = [i for i in others if i not in mine and i not in elsewhere]
            elsewhere |= {i: Claim(i, claimant.model_id, "", "") for i in missed}
    # Who held a claim before may have decided the scan since.
    left = set(undecided(engine, [*held, *elsewhere], claimant.threshold_id))
    release(home, claimant, [each for each in held if each not in left])
    return Claimed(
        ours=[each for each in held if each in left],
        elsewhere=[elsewhere[each] for each in scan_ids if each in elsewhere and each in left],
    )


def release(home: str, claimant: Claimant, scan_ids: Sequence[int]) -> None:
    """Give up claims on scans that are decided, or cannot be."""
    if scan_ids:
        release_claims(database(home), claimant.owner, scan_ids)


def are_held(before: Iterable[Claim], after: Sequence[Claim]) -> bool:
    """Whether the owners of all these claims are known to live.

    They do if they are on this machine, or have renewed or made the claim between two looks.
    """
    seen = {each.scan_id: each for each in before}
    return all(
        is_dead(each.owner) is False or (each.scan_id in seen and each != seen[each.scan_id])
        for each in after
    )


def is_dead(owner: str) -> bool | None:
    """Whether the process of an owner has ended; None where that cannot be told from here."""
    process, _, machine = owner.partition("process ")[2].partition(" on ")
    if machine != _machine():
        return None
    pid, _, started = process.partition(".")
    return _started(int(pid)) != started


def _claim(home: str, claimant: Claimant, scan_ids: Sequence[int]) -> list[int]:
    return claim_scans(
        database(home),
        scan_ids,
        claimant.model_id,
        claimant.owner,
        now=now(),
        lease_seconds=claimant.lease_seconds,
    )


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks since boot; nothing if there is none."""
    try:
        status = (PROCESSES / str(pid) / "stat").read_text()
    except OSError:
        return ""
    fields = status.rpartition(")")[2].split()  # from the third on; a name may hold brackets
    return "" if fields[0] in ENDED else fields[19]


@cache
def _machine() -> str:
    """Where process numbers mean the same: this boot of this machine, in this container."""
    try:
        boot = (PROCESSES / "sys/kernel/random/boot_id").read_text()
        space = (PROCESSES / "self/ns/pid").readlink()
    except OSError:  # another system than Linux: no process of another is known here
        return uuid.uuid4().hex[:12]
    return sha256(f"{boot} {space}".encode()).hexdigest()[:12]

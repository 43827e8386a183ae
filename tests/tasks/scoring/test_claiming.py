"""Several runs over the same scans: each is scored once, and what a dead run held is taken over."""

import os
import subprocess
import sys
from threading import Event

import pytest

from db.engine.connect import open_record
from db.repository.claims import claims_on, renew_claims
from db.repository.models import dataset_roles
from db.repository.scans import scans_by_id
from db.repository.scores import ScoredScan, append_scored
from db.timestamps import now
from mriad_model.enums import Verdict
from tasks.scoring import claiming
from tasks.scoring.claiming import Claimant, are_held, claim, claimant_of, is_dead, release, renewed
from tests.conftest import REPOSITORY, Trained


@pytest.fixture
def scans(trained: Trained) -> list[int]:
    """The six abnormal heads, which nobody has decided."""
    found = scans_by_id(open_record(trained.home), range(1, 31))
    roles = dataset_roles(open_record(trained.home), 1)
    return sorted(set(found) - set(roles))[:6]


def run(trained: Trained, number: int, lease_seconds: float = 60.0) -> Claimant:
    return claimant_of(number, trained.model_id, trained.threshold_id, lease_seconds)


def elsewhere(trained: Trained, number: int, lease_seconds: float = 60.0) -> Claimant:
    """A run on another machine: whether it lives cannot be seen from here."""
    owner = f"run {number}, process 1.1 on another"
    return Claimant(owner, trained.model_id, trained.threshold_id, lease_seconds)


def decide(trained: Trained, scan_id: int) -> None:
    engine = open_record(trained.home)
    row = ScoredScan(scan_id, 0.5, verdict=Verdict.NORMAL, p_value=0.5)
    append_scored(engine, trained.model_id, trained.threshold_id, [row], 1, now())


def held(trained: Trained, scans: list[int]) -> dict[int, str]:
    found = claims_on(open_record(trained.home), scans, trained.model_id)
    return {scan_id: each.owner for scan_id, each in found.items()}


def test_two_runs_over_the_same_scans_have_each_once(trained: Trained, scans: list[int]) -> None:
    home = str(trained.home)
    first = claim(home, run(trained, 1), scans[:4])
    second = claim(home, run(trained, 2), scans)
    assert first.ours == scans[:4]
    assert second.ours == scans[4:]
    assert [each.scan_id for each in second.elsewhere] == scans[:4]
    release(home, run(trained, 1), scans[:2])
    assert claim(home, run(trained, 2), scans).ours == [*scans[:2], *scans[4:]]


def test_what_another_has_decided_since_is_neither_claimed_nor_waited_for(
    trained: Trained, scans: list[int]
) -> None:
    home = str(trained.home)
    claim(home, run(trained, 1), scans[:1])
    for decided in scans[:2]:  # one is still held, one was given up
        decide(trained, decided)
    found = claim(home, run(trained, 2), scans)
    assert (found.ours, found.elsewhere) == (scans[2:], [])
    assert set(held(trained, scans)) == {scans[0], *scans[2:]}


def test_a_lease_that_ran_out_is_taken_over(trained: Trained, scans: list[int]) -> None:
    home = str(trained.home)
    claim(home, elsewhere(trained, 1, lease_seconds=-1.0), scans[:3])
    claim(home, elsewhere(trained, 2), scans[3:])
    found = claim(home, run(trained, 3), scans)
    assert found.ours == scans[:3]
    assert [each.scan_id for each in found.elsewhere] == scans[3:]


def test_scans_of_a_run_that_was_killed_on_this_machine_are_free_at_once(
    trained: Trained, scans: list[int]
) -> None:
    home = str(trained.home)
    given = repr((trained.model_id, trained.threshold_id, scans))
    with subprocess.Popen(
        [sys.executable, "-c", CLAIMS, home, given], stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as other:
        assert other.stdout is not None
        owner = other.stdout.readline().decode().strip()
        try:
            assert is_dead(owner) is False
            living = claim(home, run(trained, 2), scans)
            assert living.ours == []
            assert are_held([], living.elsewhere)
        finally:
            other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # nobody has asked how it ended
        assert is_dead(owner)
    assert is_dead(owner)
    assert claim(home, run(trained, 2), scans).ours == scans


CLAIMS = """
import sys
import threading
from tasks.scoring.claiming import claim, claimant_of
model_id, threshold_id, scans = eval(sys.argv[2])
claimant = claimant_of(1, model_id, threshold_id)
claim(sys.argv[1], claimant, scans)
print(claimant.owner, flush=True)
threading.Event().wait()
"""


def test_a_run_elsewhere_is_known_to_live_when_it_renews(
    trained: Trained, scans: list[int]
) -> None:
    home, other = str(trained.home), elsewhere(trained, 1)
    claim(home, other, scans)
    first = claim(home, run(trained, 2), scans).elsewhere
    again = claim(home, run(trained, 2), scans).elsewhere
    assert not are_held(first, again)
    renew_claims(open_record(trained.home), other.owner, now=now(), lease_seconds=90.0)
    assert are_held(first, claim(home, run(trained, 2), scans).elsewhere)


def test_claims_last_as_long_as_the_work_and_no_longer(
    trained: Trained, scans: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewals = Event()
    renew = renew_claims

    def seen(*arguments: object, **named: object) -> object:
        renewals.set()
        return renew(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(claiming, "renew_claims", seen)
    home, mine = str(trained.home), run(trained, 1, lease_seconds=0.4)
    engine = open_record(trained.home)
    with renewed(home, mine):
        claim(home, mine, scans)
        before = claims_on(engine, scans, trained.model_id)
        assert renewals.wait(10)
        renewals.clear()
        assert renewals.wait(10)  # the one before is done
        after = claims_on(engine, scans, trained.model_id)
        assert all(after[i].expires_at > before[i].expires_at for i in scans)
    assert held(trained, scans) == {}

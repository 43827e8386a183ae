"""Claims on scans: one owner at a time, taken over when the lease runs out."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

from db.repository.claims import claim_scans, release_claims, renew_claims
from mriad_model.errors import RecordError

if TYPE_CHECKING:
    from tests.support.hand import Hand

LEASE = 60.0
DURING = "2026-11-01T12:00:59.999999+00:00"
AFTERWARDS = "2026-11-01T12:01:00.000000+00:00"  # when a lease begun at noon runs out


@pytest.fixture
def model_id(hand: "Hand") -> int:
    return hand.ready()[0]


def claim(
    hand: "Hand", scans: Sequence[int], model_id: int, owner: str, now: str | None = None
) -> list[int]:
    return claim_scans(
        hand.engine, scans, model_id, owner, now=now or hand.noon, lease_seconds=LEASE
    )


def test_what_one_has_claimed_another_does_not_get(hand: "Hand", model_id: int) -> None:
    a, b, c = hand.scans("a", "b", "c")
    assert claim(hand, [b, a, b], model_id, "first") == [b, a]
    assert claim(hand, [a, b, c], model_id, "second", DURING) == [c]


def test_a_claim_is_on_a_scan_under_one_model(hand: "Hand", model_id: int) -> None:
    (a,) = hand.scans("a")
    other = hand.model(hand.dataset(train=[a]), "other weights")
    assert claim(hand, [a], model_id, "first") == [a]
    assert claim(hand, [a], other, "second") == [a]


def test_a_dead_owners_scans_are_taken_over_when_the_lease_runs_out(
    hand: "Hand", model_id: int
) -> None:
    a, b = hand.scans("a", "b")
    claim(hand, [a, b], model_id, "dead")
    assert claim(hand, [a, b], model_id, "heir", DURING) == []
    assert claim(hand, [a, b], model_id, "heir", AFTERWARDS) == [a, b]
    assert claim(hand, [a, b], model_id, "late", AFTERWARDS) == []
    assert renew_claims(hand.engine, "dead", now=AFTERWARDS, lease_seconds=LEASE) == 0


def test_a_task_that_is_tried_again_keeps_its_claims(hand: "Hand", model_id: int) -> None:
    (a,) = hand.scans("a")
    assert claim(hand, [a], model_id, "first") == [a]
    assert claim(hand, [a], model_id, "first", DURING) == [a]
    assert claim(hand, [a], model_id, "second", AFTERWARDS) == []
    assert hand.count("claim") == 1


def test_a_renewed_lease_lasts_longer_and_no_other_does(hand: "Hand", model_id: int) -> None:
    a, b = hand.scans("a", "b")
    claim(hand, [a], model_id, "alive")
    claim(hand, [b], model_id, "dead")
    assert renew_claims(hand.engine, "alive", now=DURING, lease_seconds=LEASE) == 1
    assert claim(hand, [a, b], model_id, "heir", AFTERWARDS) == [b]


def test_what_is_released_is_free_at_once(hand: "Hand", model_id: int) -> None:
    a, b = hand.scans("a", "b")
    claim(hand, [a], model_id, "first")
    claim(hand, [b], model_id, "other")
    assert release_claims(hand.engine, "first") == 1
    assert claim(hand, [a, b], model_id, "second", DURING) == [a]


def test_a_claim_on_no_scan_is_refused(hand: "Hand", model_id: int) -> None:
    with pytest.raises(RecordError, match="names another that is not there"):
        claim(hand, [99], model_id, "first")
    assert claim(hand, [], model_id, "first") == []


def test_eight_workers_share_the_scans_and_none_has_two_owners(
    hand: "Hand", second: Engine, model_id: int
) -> None:
    scans = hand.scans(*(f"scan {n}" for n in range(400)))
    engines = [hand.engine, second]

    def work(worker: int) -> list[int]:
        mine: list[int] = []
        order = scans if worker % 2 else scans[::-1]
        for start in range(0, len(order), 50):
            mine += claim_scans(
                engines[worker % 2],
                order[start : start + 50],
                model_id,
                f"worker {worker}",
                now=hand.noon,
                lease_seconds=LEASE,
            )
        return mine

    with ThreadPoolExecutor(8) as pool:
        shares = list(pool.map(work, range(8)))
    assert Counter(scan_id for share in shares for scan_id in share) == dict.fromkeys(scans, 1)


def test_eight_heirs_of_a_dead_worker_share_its_scans(
    hand: "Hand", second: Engine, model_id: int
) -> None:
    scans = hand.scans(*(f"scan {n}" for n in range(200)))
    claim(hand, scans, model_id, "dead")
    engines = [hand.engine, second]
    with ThreadPoolExecutor(8) as pool:
        shares = list(
            pool.map(
                lambda heir: claim_scans(
                    engines[heir % 2],
                    scans,
                    model_id,
                    f"heir {heir}",
                    now=AFTERWARDS,
                    lease_seconds=LEASE,
                ),
                range(8),
            )
        )
    assert Counter(scan_id for share in shares for scan_id in share) == dict.fromkeys(scans, 1)

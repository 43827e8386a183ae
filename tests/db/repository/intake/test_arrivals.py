"""Folders that arrived: each settled state once, open until a run is done with it."""

from typing import TYPE_CHECKING

import pytest

from db.entities import Arrival
from db.repository.intake.arrivals import (
    append_arrivals,
    arrivals_by_path,
    end_arrivals,
    open_arrivals,
)
from mriad_model.enums import SettledBy
from mriad_model.errors import RecordError

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

LATER = "2026-11-02T12:00:00.000000+00:00"


def settled(path: str, state: str = "first", at: str = LATER) -> Arrival:
    return Arrival(path, f"fingerprint of {state}", 3, SettledBy.COMPLETE, at)


def test_a_folder_that_settled_is_open_until_a_run_ends_it(hand: "Hand") -> None:
    a, b = append_arrivals(hand.engine, [settled("inbox/a"), settled("inbox/b")])
    assert [each.id for each in open_arrivals(hand.engine)] == [a, b]
    assert open_arrivals(hand.engine)[0] == Arrival(
        "inbox/a", "fingerprint of first", 3, SettledBy.COMPLETE, LATER, id=a
    )
    end_arrivals(hand.engine, [a], hand.run(), hand.noon)
    assert [each.id for each in open_arrivals(hand.engine)] == [b]


def test_the_same_state_seen_again_is_the_same_arrival(hand: "Hand") -> None:
    first = append_arrivals(hand.engine, [settled("inbox/a"), settled("inbox/b")])
    again = append_arrivals(hand.engine, [settled("inbox/b", at=LATER), settled("inbox/a")])
    assert again == first[::-1]
    assert hand.count("arrival") == 2


def test_one_call_may_name_a_state_twice(hand: "Hand") -> None:
    a, b = append_arrivals(hand.engine, [settled("inbox/a"), settled("inbox/a")])
    assert a == b


def test_a_folder_that_changed_arrived_once_more(hand: "Hand") -> None:
    (old,) = append_arrivals(hand.engine, [settled("inbox/a")])
    end_arrivals(hand.engine, [old], hand.run(), hand.noon)
    (new,) = append_arrivals(hand.engine, [settled("inbox/a", "second")])
    assert [each.id for each in open_arrivals(hand.engine)] == [new]
    newest = arrivals_by_path(hand.engine, ["inbox/a", "inbox/none"])
    assert {path: each.id for path, each in newest.items()} == {"inbox/a": new}
    assert newest["inbox/a"].fingerprint == "fingerprint of second"


def test_the_first_end_of_an_arrival_stands(hand: "Hand") -> None:
    (a,) = append_arrivals(hand.engine, [settled("inbox/a")])
    for run in ("one", "other"):
        end_arrivals(hand.engine, [a, a], hand.run(run), hand.noon)
    assert hand.count("arrival_end") == 1


def test_an_end_of_no_arrival_is_refused(hand: "Hand") -> None:
    with pytest.raises(RecordError, match="names another that is not there"):
        end_arrivals(hand.engine, [99], hand.run(), hand.noon)


def test_thousands_of_folders_at_once_are_one_append(hand: "Hand") -> None:
    many = [settled(f"inbox/{n:05}") for n in range(12_000)]
    ids = append_arrivals(hand.engine, many)
    found = arrivals_by_path(hand.engine, [each.path for each in many])
    assert [found[each.path].id for each in many] == ids
    assert [each.path for each in open_arrivals(hand.engine)] == [e.path for e in many]


def test_nothing_arrived_is_nothing(hand: "Hand") -> None:
    assert append_arrivals(hand.engine, []) == []
    end_arrivals(hand.engine, [], hand.run(), hand.noon)
    assert open_arrivals(hand.engine) == []

"""What a model has tried and can give no score: it tries it once, another model again."""

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.engine.chain_check import broken_links
from db.engine.connect import writing
from db.entities import Unscored
from db.repository.scoring.scores import undecided
from db.repository.scoring.unscored import append_unscored, unscored_by
from mriad_model.enums import RejectionReason

if TYPE_CHECKING:
    from tests.support.record.hand import Hand


def tried(hand: "Hand", scan_id: int, model_id: int, detail: str = "fit 0.2") -> Unscored:
    why = (RejectionReason.UNREGISTERED, detail, hand.run(), hand.noon)
    return Unscored(scan_id, model_id, *why)


def test_a_model_tries_a_scan_once_whatever_threshold_decides(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    stricter = hand.threshold(model_id, 1, k=2.0)
    a, b = hand.scans("a", "b")
    assert append_unscored(hand.engine, [tried(hand, a, model_id)]) == 1
    for each in (threshold_id, stricter):
        assert undecided(hand.engine, [b, a], each) == [b]
    other = hand.model(1, "other")
    assert undecided(hand.engine, [b, a], hand.threshold(other, 1)) == [b, a]


def test_a_second_try_leaves_the_first_as_it_is(hand: "Hand") -> None:
    model_id, _ = hand.ready()
    other = hand.model(1, "other")
    (a,) = hand.scans("a")
    append_unscored(hand.engine, [tried(hand, a, model_id)])
    again = [tried(hand, a, model_id, "fit 0.1"), tried(hand, a, other)]
    assert append_unscored(hand.engine, again) == 1
    assert [each.detail for each in unscored_by(hand.engine, model_id)] == ["fit 0.2"]
    assert [each.scan_id for each in unscored_by(hand.engine, other)] == [a]
    with pytest.raises(DBAPIError, match="append-only"), writing(hand.engine) as connection:
        connection.execute(text("DELETE FROM unscored"))
    assert list(broken_links(hand.engine)) == []

"""What was learned: frozen datasets, models, thresholds that keep away from training scans."""

from typing import TYPE_CHECKING

import pytest

from db.repository.training.models import (
    activate,
    activations,
    current_threshold,
    dataset_roles,
    freeze_dataset,
    model_by_id,
    threshold_by_id,
)
from mriad_model.enums import Role
from mriad_model.errors import NotInRecord, RecordError

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

TRAIN, VALIDATION, CALIBRATION = Role.TRAIN, Role.VALIDATION, Role.CALIBRATION


def test_the_same_set_of_scans_and_roles_is_the_same_dataset(hand: "Hand") -> None:
    a, b, c = hand.scans("a", "b", "c")
    members = [(a, TRAIN, 0), (b, VALIDATION, 1), (c, CALIBRATION, 2)]
    first = freeze_dataset(hand.engine, members, hand.run())
    assert freeze_dataset(hand.engine, members[::-1], hand.run("later")) == first
    other = [(a, TRAIN, 0), (b, TRAIN, 1), (c, CALIBRATION, 2)]
    assert freeze_dataset(hand.engine, other, hand.run()) != first
    assert dataset_roles(hand.engine, first) == {a: TRAIN, b: VALIDATION, c: CALIBRATION}


def test_a_scan_cannot_have_two_roles_in_a_dataset(hand: "Hand") -> None:
    (a,) = hand.scans("a")
    with pytest.raises(RecordError, match=f"scan {a} has two roles"):
        freeze_dataset(hand.engine, [(a, TRAIN, 0), (a, CALIBRATION, 0)], hand.run())
    with pytest.raises(RecordError, match="names a scan twice"):
        freeze_dataset(hand.engine, [(a, TRAIN, 0), (a, TRAIN, 0)], hand.run())
    assert hand.count("dataset") == 0


def test_near_duplicates_cannot_span_roles(hand: "Hand") -> None:
    a, b = hand.scans("a", "b")
    with pytest.raises(RecordError, match="near-duplicate group 7 has two roles"):
        freeze_dataset(hand.engine, [(a, TRAIN, 7), (b, CALIBRATION, 7)], hand.run())


def test_a_dataset_of_scans_that_are_not_there_is_refused(hand: "Hand") -> None:
    with pytest.raises(NotInRecord, match="no scan 99"):
        freeze_dataset(hand.engine, [(99, TRAIN, 0)], hand.run())


def test_the_same_weights_are_the_same_model(hand: "Hand") -> None:
    dataset_id = hand.dataset(train=hand.scans("a"))
    model_id = hand.model(dataset_id)
    assert hand.model(dataset_id) == model_id
    assert hand.model(dataset_id, "other weights") != model_id
    assert model_by_id(hand.engine, model_id).dataset_id == dataset_id
    with pytest.raises(NotInRecord, match="no model 99"):
        model_by_id(hand.engine, 99)


@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_threshold_from_a_scan_that_taught_its_model_is_refused(hand: "Hand", role: str) -> None:
    a, b, c, d = hand.scans("a", "b", "c", "d")
    model_id = hand.model(hand.dataset(**{"train": [d], role: [a]}, calibration=[b]))
    leaking = hand.dataset(calibration=[a, c])
    with pytest.raises(RecordError, match=f"1 of its calibration scans, such as scan {a}"):
        hand.threshold(model_id, leaking)
    assert hand.count("threshold") == 0


def test_a_threshold_from_scans_the_model_has_not_seen_is_accepted(hand: "Hand") -> None:
    a, b, c = hand.scans("a", "b", "c")
    own = hand.dataset(train=[a], calibration=[b])
    model_id = hand.model(own)
    first = hand.threshold(model_id, own)
    assert hand.threshold(model_id, own) == first
    assert hand.threshold(model_id, own, k=2.0) != first
    fresh = hand.dataset(calibration=[b, c])
    assert hand.threshold(model_id, fresh) != first
    assert hand.count("threshold") == 3


def test_a_scan_that_only_tests_or_trains_elsewhere_does_not_bar_a_threshold(hand: "Hand") -> None:
    a, b, c = hand.scans("a", "b", "c")
    model_id = hand.model(hand.dataset(train=[a], test=[b]))
    hand.threshold(model_id, hand.dataset(train=[a], calibration=[b]))
    hand.threshold(model_id, hand.dataset(train=[b], calibration=[c]))
    assert hand.count("threshold") == 2


def test_nothing_is_active_before_the_first_activation(hand: "Hand") -> None:
    assert current_threshold(hand.engine) is None


def test_the_last_activation_is_active_and_rolling_back_is_one_more_row(hand: "Hand") -> None:
    model_id, first = hand.ready()
    dataset_id = threshold_by_id(hand.engine, first).dataset_id
    second = hand.threshold(model_id, dataset_id, k=2.0, value=0.6)
    activate(hand.engine, second, "fewer alarms", "me")
    now = current_threshold(hand.engine)
    assert now is not None
    assert (now.threshold.id, now.threshold.value, now.model.id) == (second, 0.6, model_id)
    activate(hand.engine, first, "missed one", "me")
    back = current_threshold(hand.engine)
    assert back is not None
    assert (back.threshold.id, back.activation.reason) == (first, "missed one")
    assert [each.threshold_id for each in activations(hand.engine)] == [
        first,
        second,
        first,
    ]


def test_activating_what_is_active_adds_no_row(hand: "Hand") -> None:
    _, threshold_id = hand.ready()
    again = activate(hand.engine, threshold_id, "again", "me")
    assert hand.count("activation") == 1
    assert again == activations(hand.engine)[0].id


def test_a_threshold_that_is_not_there_cannot_be_activated(hand: "Hand") -> None:
    with pytest.raises(NotInRecord, match="no threshold 5"):
        activate(hand.engine, 5, "", "me")

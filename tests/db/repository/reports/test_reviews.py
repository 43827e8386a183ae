"""A review can be withdrawn: one more row; what it said, and the label it gave, hold no longer."""

from typing import TYPE_CHECKING

import pytest

from db.entities import Label, Review
from db.repository.intake.labels import append_labels, healthy_pool, labelled
from db.repository.reports.history import decisions
from db.repository.reports.reviews import (
    append_review,
    reviews,
    standing_label,
    standing_reviews,
    withdraw_review,
)
from db.repository.reports.scan_details import scan_details
from db.timestamps import after
from mriad_model.enums import LabelSource, LabelValue, ReviewVerdict
from mriad_model.errors import NotInRecord

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

HEALTHY, ABNORMAL = LabelValue.HEALTHY, LabelValue.ABNORMAL


class Reviewed:
    """A scan with a decision, and people who say things of it, a second after each other."""

    def __init__(self, hand: "Hand") -> None:
        self.hand = hand
        (self.scan_id,) = hand.scans("reviewed")
        hand.decide(*hand.ready(), {self.scan_id: 0.9})
        (self.decision,) = decisions(hand.engine)
        self.now = hand.noon

    def says(
        self, value: LabelValue | None, who: str = "ann", word: ReviewVerdict | None = None
    ) -> int:
        self.now = after(self.now, 1)
        verdict = word or (ReviewVerdict.NORMAL if value is HEALTHY else ReviewVerdict.SUSPICIOUS)
        said = Review(self.scan_id, self.decision.decision_id, who, verdict, "", self.now)
        label = value and Label(self.scan_id, value, LabelSource.REVIEWER, who, self.now)
        return append_review(self.hand.engine, said, label or None)

    def withdraws(self, who: str = "bob", *, own: bool = False) -> Review:
        self.now = after(self.now, 1)
        _, last = withdraw_review(self.hand.engine, self.scan_id, who, "a slip", self.now, own=own)
        return last

    @property
    def holds(self) -> tuple[str | None, LabelValue | None]:
        """The review of the decision as the history tells it, and the scan's label."""
        (row,) = decisions(self.hand.engine)
        said = {each.id: each.label.value for each in labelled(self.hand.engine)}
        label = standing_label(self.hand.engine, self.scan_id)
        assert said.get(self.scan_id) == (label and label.value)  # both ways to ask agree
        return row.review, said.get(self.scan_id)


@pytest.fixture
def reviewed(hand: "Hand") -> Reviewed:
    return Reviewed(hand)


def test_a_withdrawn_review_and_its_label_hold_no_longer(reviewed: Reviewed) -> None:
    given = reviewed.says(HEALTHY)
    assert reviewed.holds == ("normal", HEALTHY)
    assert reviewed.scan_id in [each.id for each in healthy_pool(reviewed.hand.engine)]
    assert reviewed.withdraws().id == given
    assert reviewed.holds == (None, None)
    assert healthy_pool(reviewed.hand.engine) == []
    assert standing_reviews(reviewed.hand.engine) == []
    said, taken_back = reviews(reviewed.hand.engine, reviewed.scan_id)  # all is kept
    assert (said.withdrawn, taken_back.withdrawn) == (None, given)
    assert (taken_back.reviewer, taken_back.note) == ("bob", "a slip")
    assert reviewed.hand.count("label") == 1


def test_what_held_before_holds_again(reviewed: Reviewed) -> None:
    reviewed.hand.label(reviewed.scan_id, HEALTHY, LabelSource.FOLDER)
    reviewed.says(ABNORMAL, "ann")
    reviewed.says(HEALTHY, "bob")
    assert reviewed.holds == ("normal", HEALTHY)
    assert reviewed.withdraws().reviewer == "bob"
    assert reviewed.holds == ("suspicious", ABNORMAL)
    assert reviewed.withdraws().reviewer == "ann"
    assert reviewed.holds == (None, HEALTHY)  # the folder's
    with pytest.raises(NotInRecord, match=f"Scan {reviewed.scan_id} has no review that could be"):
        reviewed.withdraws()


def test_the_same_word_said_again_after_it_was_withdrawn_labels_again(reviewed: Reviewed) -> None:
    reviewed.says(HEALTHY)
    reviewed.withdraws()
    reviewed.says(HEALTHY)
    assert reviewed.holds == ("normal", HEALTHY)
    reviewed.says(HEALTHY, "bob")
    reviewed.withdraws()
    assert reviewed.holds == ("normal", HEALTHY)


def test_who_withdraws_ones_own_word_leaves_another_s_of_the_same_value(
    reviewed: Reviewed,
) -> None:
    reviewed.says(ABNORMAL, "ann")
    reviewed.says(ABNORMAL, "bob")
    assert reviewed.withdraws("ann", own=True).reviewer == "ann"
    assert reviewed.holds == ("suspicious", ABNORMAL)
    assert reviewed.withdraws("bob", own=True).reviewer == "bob"
    assert reviewed.holds == (None, None)


def test_a_word_said_again_after_another_reader_s_is_the_last(reviewed: Reviewed) -> None:
    reviewed.says(ABNORMAL, "ann")
    reviewed.says(HEALTHY, "bob")
    reviewed.says(ABNORMAL, "ann")
    assert reviewed.holds == ("suspicious", ABNORMAL)


def test_a_verdict_that_is_no_label_leaves_the_labels(reviewed: Reviewed) -> None:
    reviewed.says(HEALTHY)
    reviewed.says(None, word=ReviewVerdict.SUSPICIOUS)
    assert reviewed.holds == ("suspicious", HEALTHY)
    reviewed.withdraws()
    assert reviewed.holds == ("normal", HEALTHY)


def test_only_the_scan_s_own_reviews_are_withdrawn(reviewed: Reviewed) -> None:
    hand = reviewed.hand
    reviewed.says(HEALTHY)
    (other,) = hand.scans("other")
    with pytest.raises(NotInRecord):
        withdraw_review(hand.engine, other, "bob", "", hand.noon)
    assert reviewed.holds == ("normal", HEALTHY)


def test_a_folder_s_label_of_the_same_moment_and_author_is_not_the_review_s(
    reviewed: Reviewed,
) -> None:
    reviewed.says(ABNORMAL, "me")
    label = Label(reviewed.scan_id, ABNORMAL, LabelSource.FOLDER, "me", reviewed.now)
    append_labels(reviewed.hand.engine, [label])
    reviewed.withdraws()
    assert reviewed.holds == (None, ABNORMAL)


def test_a_decision_s_id_is_told_from_a_scan_s(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    (scan_id,) = hand.scans("seen")
    hand.decide(model_id, threshold_id, {scan_id: 0.9})
    second = hand.threshold(model_id, hand.dataset(calibration=[scan_id]), k=2.0)
    third = hand.threshold(model_id, hand.dataset(calibration=[scan_id]), k=3.0)
    fourth = hand.threshold(model_id, hand.dataset(calibration=[scan_id]), k=4.0)
    for each in (second, third, fourth):
        hand.decide(model_id, each, {scan_id: 0.9})
    assert scan_details(hand.engine, "3").scan.id == scan_id == 3
    with pytest.raises(NotInRecord, match="4 is the id of a decision, which is on scan 3"):
        scan_details(hand.engine, "4")
    with pytest.raises(NotInRecord, match="There is no scan 5 in the record: name its id"):
        scan_details(hand.engine, "5")

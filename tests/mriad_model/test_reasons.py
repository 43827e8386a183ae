"""Verdicts and reasons in words: every one has them, and reasons are counted."""

import pytest

from db.repository.reports.unscored import SCORING_REASONS
from mriad_model.enums import DecisionReason, RejectionReason, Verdict
from mriad_model.reasons import (
    NO_REASON,
    REASON_TEXTS,
    REASON_WORDS,
    UNPREPARED_TEXTS,
    VERDICT_TEXTS,
    ReasonCount,
    count_reasons,
    figured_reason,
    reason_text,
    reason_words,
)


def test_every_verdict_and_reason_has_words_of_plain_english() -> None:
    assert set(VERDICT_TEXTS) == set(Verdict)
    assert set(REASON_TEXTS) == set(REASON_WORDS) == set(DecisionReason)
    assert {*UNPREPARED_TEXTS, RejectionReason.UNREGISTERED} == set(SCORING_REASONS)
    said = [*REASON_TEXTS.values(), *REASON_WORDS.values(), *UNPREPARED_TEXTS.values()]
    assert not [each for each in said if "_" in each or "fold" in each]
    assert max(map(len, REASON_WORDS.values())) <= 32


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("folds_disagree", "model's members disagree"),
        ("bad_geometry", "too large or too small for a head"),
        (None, ""),
    ],
)
def test_a_reason_is_said_in_few_words_whoever_gave_it(reason: str | None, words: str) -> None:
    assert reason_words(reason) == words


def test_a_decision_of_before_has_no_reason_to_say() -> None:
    assert reason_text(None) == ""


@pytest.mark.parametrize(
    ("reason", "figures"),
    [
        (DecisionReason.FOLDS_DISAGREE, "members' scores 2.31, distance from the threshold 0.84)"),
        (DecisionReason.NEAR_GATE, "(distance to the learned scans 0.95, limit 1)"),
        (DecisionReason.UNLIKE_LEARNED, "(distance to the learned scans 0.95, limit 1)"),
        (DecisionReason.NEAR_THRESHOLD, "could decide otherwise"),
    ],
)
def test_a_reason_has_the_figures_behind_it(reason: DecisionReason, figures: str) -> None:
    assert figured_reason(reason, 6.0, 6.84, 2.31, 0.95).endswith(figures)
    assert figured_reason(reason, 6.0, 6.84) == reason_text(reason)  # of a record of before


def test_reasons_are_counted_of_what_is_uncertain_or_not_scorable() -> None:
    uncertain, unscorable = Verdict.UNCERTAIN, Verdict.NOT_SCORABLE
    found = count_reasons(
        [
            (Verdict.SUSPICIOUS, "above_threshold"),
            (unscorable, "registration_failed"),
            *[(unscorable, "unlike_learned")] * 2,
            (uncertain, "near_gate"),
            (uncertain, None),
        ]
    )
    assert found == [
        ReasonCount(uncertain, "near_gate", 1),
        ReasonCount(uncertain, None, 1),
        ReasonCount(unscorable, "unlike_learned", 2),
        ReasonCount(unscorable, "registration_failed", 1),
    ]
    assert [each.text for each in found][1::2] == [NO_REASON, "registration failed"]

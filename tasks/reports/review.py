"""What a reviewer answers, as rows of the record: for the command line and for the pages alike."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine

from db.entities import Label, Review
from db.repository.reports.history import DecisionRow
from db.repository.reports.reviews import append_review, withdraw_review
from db.timestamps import now
from mriad_model.enums import LabelSource, LabelValue, ReviewVerdict
from mriad_model.errors import SettingsError

# Offered where a review is given; any other word is taken too.
COMMON_TAGS: Final = ("motion", "artefact", "postoperative", "lesion", "bleeding", "follow-up")
MOST_TAGS, LONGEST_TAG = 12, 40
TAG: Final = re.compile(r"\w+(-\w+)*")
NO_TAG: Final = "tag {tag!r}: a tag is a word of letters, digits and hyphens, at most {longest}"
SEVERAL_WORDS: Final = "tag {tag!r}: a tag is one word: give {hyphened}, or --tag once for each"
TOO_MANY_TAGS: Final = "a review carries at most {most} tags"


class Answer(StrEnum):
    """What a reviewer can answer."""

    NORMAL = "normal"
    SUSPICIOUS = "suspicious"
    HEALTHY = "healthy"
    ABNORMAL = "abnormal"
    WITHDRAW = "withdraw"

    @property
    def verdict(self) -> ReviewVerdict:
        """The answer as a verdict on the decision."""
        healthy = self in (Answer.NORMAL, Answer.HEALTHY)
        return ReviewVerdict.NORMAL if healthy else ReviewVerdict.SUSPICIOUS

    @property
    def label(self) -> LabelValue | None:
        """The answer as a label of the scan, where it is one."""
        return LabelValue(self.value) if self in (Answer.HEALTHY, Answer.ABNORMAL) else None


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """A row of `review` that was appended, and the decision that it is about."""

    review_id: int
    decision: DecisionRow
    reviewer: str
    verdict: ReviewVerdict
    label: LabelValue | None = None  # appended along with it
    withdrawn: Review | None = None  # the review that the row withdraws
    tags: tuple[str, ...] = ()


def tags_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are recorded: small letters, each once, sorted.

    Several in one text have blanks or commas between them.

    Raises:
        SettingsError: one of them is no tag, or they are too many.
    """
    words = {word.casefold() for text in texts for word in text.replace(",", " ").split()}
    for word in sorted(words):
        if len(word) > LONGEST_TAG or not TAG.fullmatch(word):
            raise SettingsError(NO_TAG.format(tag=word[: 2 * LONGEST_TAG], longest=LONGEST_TAG))
    if len(words) > MOST_TAGS:
        raise SettingsError(TOO_MANY_TAGS.format(most=MOST_TAGS))
    return tuple(sorted(words))


def tags_given(texts: Iterable[str]) -> tuple[str, ...]:
    """Tags as options give them: one each, or several with commas between them.

    Raises:
        SettingsError: as `tags_of`; or one is of several words, which would be as many tags.
    """
    parts = [part.strip() for text in texts for part in text.split(",")]
    for part in parts:
        if len(words := part.split()) > 1:
            tag, hyphened = (each[: 2 * LONGEST_TAG] for each in (part, "-".join(words)))
            raise SettingsError(SEVERAL_WORDS.format(tag=tag, hyphened=hyphened))
    return tags_of(parts)


def reviewed_decision(decisions: Sequence[DecisionRow], active: int | None) -> DecisionRow:
    """Of a scan's decisions the one that a review is about: the active threshold's, or the last."""
    return max(decisions, key=lambda each: (each.threshold_id == active, each.decided_at))


def answer_decision(
    engine: Engine,
    decision: DecisionRow,
    answer: Answer,
    reviewer: str,
    note: str,
    tags: Sequence[str] = (),
) -> ReviewResult:
    """Append a reviewer's verdict on a decision, with its tags, and the label that it may be."""
    scan_id, moment = decision.scan_id, now()
    row = Review(
        scan_id,
        decision.decision_id,
        reviewer,
        answer.verdict,
        note,
        moment,
        tags=" ".join(tags) or None,
    )
    label = None
    if answer.label is not None:
        label = Label(scan_id, answer.label, LabelSource.REVIEWER, reviewer, moment)
    review_id = append_review(engine, row, label)
    return ReviewResult(
        review_id, decision, reviewer, answer.verdict, answer.label, tags=tuple(tags)
    )


def withdraw_answer(
    engine: Engine,
    decisions: Sequence[DecisionRow],
    reviewer: str,
    note: str,
    shown: int | None = None,
    *,
    own: bool = False,
) -> ReviewResult:
    """Withdraw the last review of a scan that holds; `decisions` are all on the scan.

    `shown` is the id of the review that the reader saw last; with `own` none of another's.

    Raises:
        NotInRecord: no review of the scan holds.
        RecordError: the last is another than the one shown.
    """
    scan_id = decisions[0].scan_id
    review_id, last = withdraw_review(engine, scan_id, reviewer, note, now(), shown, own=own)
    (decision,) = (each for each in decisions if each.decision_id == last.decision_id)
    return ReviewResult(review_id, decision, reviewer, last.verdict, withdrawn=last)

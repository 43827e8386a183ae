"""`mriad review`: record a person's verdict on the decision on a scan, or withdraw it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from db.engine.connect import Engine
from db.entities import Label, Review
from db.repository.decisions import DecisionRow
from db.repository.models import current_threshold
from db.repository.reviews import append_review, standing_label, withdraw_review
from db.repository.scan_details import ScanDetails
from db.timestamps import now
from flows.cli.console import show_json, show_lines, show_notice, shown
from flows.cli.options import AsJson, Home, Reviewer, reviewer_name
from flows.cli.record_commands import details_of
from flows.context import read_context, write_context
from mriad_model.enums import LabelSource, LabelValue, Verdict
from mriad_model.errors import NotInRecord


class Word(StrEnum):
    """What a person can say of a scan."""

    NORMAL = "normal"
    SUSPICIOUS = "suspicious"
    HEALTHY = "healthy"
    ABNORMAL = "abnormal"
    WITHDRAW = "withdraw"

    @property
    def verdict(self) -> Verdict:
        """The word as one on a decision."""
        return Verdict.NORMAL if self in (Word.NORMAL, Word.HEALTHY) else Verdict.SUSPICIOUS

    @property
    def label(self) -> LabelValue | None:
        """The label that it is, if it is one."""
        return LabelValue(self.value) if self in (Word.HEALTHY, Word.ABNORMAL) else None


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """A row of `review` that was appended, and the decision that it is about."""

    review_id: int
    decision: DecisionRow
    reviewer: str
    verdict: Verdict
    label: LabelValue | None = None  # given along with it
    withdrawn: Review | None = None  # the review that the row withdraws


def review(
    scan: Annotated[
        str, typer.Argument(help="Its id, a path of it, or how its sha256 begins, as for show.")
    ],
    verdict: Annotated[
        Word,
        typer.Argument(
            help="normal, suspicious: of the decision. healthy, abnormal: a label as well. "
            "withdraw: the last review of the scan no longer holds, nor its label."
        ),
    ],
    note: Annotated[str, typer.Option(help="Why, or what was seen; kept in the record.")] = "",
    reviewer: Reviewer = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Record a person's verdict on the decision on a scan: the active threshold's, or the last.

    "normal" and "suspicious" agree or disagree with it. "healthy" and "abnormal" also label the
    scan: models may learn from a healthy one, and are compared on abnormal ones. "withdraw" takes
    the last review of the scan back, by one more row.
    """
    name = reviewer_name(reviewer)
    place = read_context(home)
    engine = place.record_to_read()
    story, current = details_of(engine, place.home, scan), current_threshold(engine)
    if not story.decisions:
        raise NotInRecord(
            f"scan {story.scan.id} has no decision to review yet; score it, or label it with: "
            "mriad ingest PATH --label healthy"
        )
    from tasks.runtime.connections import (  # noqa: PLC0415 - keeps the reading commands light
        database,
    )

    engine = database(str(write_context(home).home))
    if verdict is Word.WITHDRAW:
        said = _withdraw(engine, story, name, note)
    else:
        active = None if current is None else current.threshold.id
        said = _append(engine, story, active, verdict, name, note)
    _show(engine, said, as_json=as_json)


def _append(
    engine: Engine,
    story: ScanDetails,
    active: int | None,
    word: Word,
    name: str,
    note: str,
) -> ReviewResult:
    decision = max(story.decisions, key=lambda d: (d.threshold_id == active, d.decided_at))
    scan_id, moment = decision.scan_id, now()
    said = Review(scan_id, decision.decision_id, name, word.verdict, note, moment)
    label = None
    if word.label is not None:
        label = Label(scan_id, word.label, LabelSource.REVIEWER, name, moment)
    return ReviewResult(
        append_review(engine, said, label), decision, name, word.verdict, word.label
    )


def _withdraw(engine: Engine, story: ScanDetails, name: str, note: str) -> ReviewResult:
    review_id, last = withdraw_review(engine, story.decisions[0].scan_id, name, note, now())
    (decision,) = (each for each in story.decisions if each.decision_id == last.decision_id)
    return ReviewResult(review_id, decision, name, last.verdict, withdrawn=last)


def _show(engine: Engine, said: ReviewResult, *, as_json: bool) -> None:
    decision, last = said.decision, said.withdrawn
    label = standing_label(engine, decision.scan_id)
    if as_json:
        show_json(
            {
                "review_id": said.review_id,
                "scan_id": decision.scan_id,
                "decision_id": decision.decision_id,
                "path": decision.path,
                "decided": decision.verdict,
                "score": decision.score,
                "threshold": decision.threshold,
                "reviewer": said.reviewer,
                "verdict": said.verdict,
                "label": said.label,
                "withdrawn": last and last.id,
                "label_now": label and label.value,
            }
        )
        return
    show_lines(
        f"Scan {decision.scan_id}: {decision.path or 'no file'}",
        f"Decision {decision.decision_id}: {decision.verdict}, score {shown(decision.score)}, "
        f"limit {shown(decision.threshold)}",
    )
    if last is None:
        labelled = f", and labelled {said.label}" if said.label else ""
        show_lines(
            f"Reviewed as {said.verdict}{labelled} by {said.reviewer}. "
            f"To take it back: mriad review {decision.scan_id} withdraw"
        )
    else:
        show_lines(
            f"Withdrawn by {said.reviewer}: that {last.reviewer} reviewed it as {last.verdict}. "
            + (f"It is labelled {label.value}." if label else "It has no label.")
        )
    show_notice()

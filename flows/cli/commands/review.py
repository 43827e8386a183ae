"""`mriad review`: record a reviewer's verdict on the decision on a scan, or withdraw it."""

from typing import Annotated

import typer

from db.entities import Label
from db.repository.reports.reviews import standing_label
from db.repository.training.models import current_threshold
from flows.cli.commands.record_commands import details_of
from flows.cli.console import formatted, show_json, show_lines, show_notice
from flows.cli.documents.scans import review_document
from flows.cli.options import SCAN_NAMES, AsJson, Home, Reviewer, reviewer_name
from flows.runtime.context import read_context, write_context
from mriad_model.enums import LabelValue, Verdict
from mriad_model.errors import NotInRecord, SettingsError
from mriad_model.reasons import NO_REASON, VERDICT_TEXTS, reason_words
from tasks.reports.review import (
    Answer,
    ReviewResult,
    answer_decision,
    reviewed_decision,
    tags_given,
    withdraw_answer,
)

NO_DECISION = (
    "scan {scan} has no decision to review: {why}; a label can be given with: mriad ingest PATH "
    "--label healthy"
)
SCAN = "Scan {scan}: {path}"
DECISION = "Decision {0.decision_id}: {verdict}{why}, score {score}, limit {threshold}"
REVIEWED = (
    "Reviewed as {0.verdict}{labelled}{tagged} by {0.reviewer}. "
    "To take it back: mriad review {scan} withdraw"
)
TAGGED = ", with {tags},"
NO_TAGS = "a withdrawal carries no tags: leave out --tag"
LABELLED = ", and labelled {label}"
UNLIKE = (
    "Labelled healthy though it is not scorable ({why}): the next training learns from it. Where "
    "it is of another kind, withdraw the label."
)
WITHDRAWN = "{by} withdrew the review of {0.reviewer}, who reviewed it as {0.verdict}. {label}"
LABEL_NOW, NO_LABEL = "It is labelled {label}.", "It has no label."


def review(
    scan: Annotated[str, typer.Argument(help=SCAN_NAMES)],
    verdict: Annotated[
        Answer,
        typer.Argument(
            help="normal, suspicious: of the decision. healthy, abnormal: also a label. "
            "withdraw: takes back the last review of the scan, and its label."
        ),
    ],
    note: Annotated[str, typer.Option(help="Why, or what was seen; kept in the record.")] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(help="A word to find the scan by, such as motion; may be given again."),
    ] = None,
    reviewer: Reviewer = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Record a reviewer's verdict on the decision on a scan: the active threshold's, or the last.

    "normal" and "suspicious" agree or disagree with it. "healthy" and "abnormal" also label the
    scan: models may learn from a healthy one, and are compared on abnormal ones. "withdraw" takes
    back the last review of the scan, by one more row.
    """
    name, tags = reviewer_name(reviewer), tags_given(tag or ())
    if tags and verdict is Answer.WITHDRAW:
        raise SettingsError(NO_TAGS)
    place = read_context(home)
    engine = place.record_to_read()
    details, current = details_of(engine, place.home, scan), current_threshold(engine)
    if not details.decisions:
        why = details.why_undecided or "score it first"
        raise NotInRecord(NO_DECISION.format(scan=details.scan.id, why=why))
    from tasks.runtime.connections import database  # noqa: PLC0415

    engine = database(str(write_context(home).home))
    if verdict is Answer.WITHDRAW:
        result = withdraw_answer(engine, details.decisions, name, note)
    else:
        active = None if current is None else current.threshold.id
        decision = reviewed_decision(details.decisions, active)
        result = answer_decision(engine, decision, verdict, name, note, tags)
    label = standing_label(engine, details.decisions[0].scan_id)
    if as_json:
        show_json(review_document(result, label))
    else:
        _show(result, label)


def _show(result: ReviewResult, label: Label | None) -> None:
    decision, last = result.decision, result.withdrawn
    why = f" ({reason_words(decision.reason)})" if decision.reason else ""
    not_scorable = decision.verdict is Verdict.NOT_SCORABLE
    show_lines(
        SCAN.format(scan=decision.scan_id, path=decision.path or "no file"),
        DECISION.format(
            decision,
            verdict=VERDICT_TEXTS[decision.verdict],
            why=why,
            score=formatted(None if not_scorable else decision.score),
            threshold=formatted(decision.threshold),
        ),
    )
    if last is None:
        tagged = TAGGED.format(tags=", ".join(result.tags)) if result.tags else ""
        labelled = LABELLED.format(label=result.label) if result.label else ""
        show_lines(REVIEWED.format(result, labelled=labelled, tagged=tagged, scan=decision.scan_id))
        if not_scorable and result.label is LabelValue.HEALTHY:
            show_lines(UNLIKE.format(why=reason_words(decision.reason) or NO_REASON))
    else:
        text = LABEL_NOW.format(label=label.value) if label else NO_LABEL
        show_lines(WITHDRAWN.format(last, by=result.reviewer, label=text))
    show_notice()

"""`mriad history`: decisions, listed or counted. Starts neither Prefect nor torch."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from db.repository.reports.history import DecisionRow, decisions
from db.repository.reports.history_query import (
    DEFAULT_LIMIT,
    CountBy,
    CountRow,
    HistoryQuery,
    HistorySort,
    count_admitted,
    count_decisions,
    scanners,
)
from db.repository.reports.unscored import (
    UnscoredScan,
    count_unscored_admitted,
    counted_with,
    unscored_admitted,
)
from db.repository.training.models import current_threshold
from flows.cli.console import (
    Cell,
    short_time,
    show_csv,
    show_json,
    show_lines,
    show_notice,
    show_table,
)
from flows.cli.documents.fields import Document
from flows.cli.documents.scans import (
    COUNT_COLUMNS,
    HISTORY_COLUMNS,
    count_line,
    counts_document,
    decision_line,
    history_document,
    unscored_line,
)
from flows.cli.options import LARGEST_ID, AsJson, Home
from flows.runtime.context import read_context
from flows.runtime.messages import counted, say
from mriad_model.enums import Verdict
from mriad_model.errors import NotInRecord, SettingsError
from mriad_model.reasons import VERDICT_TEXTS, reason_words
from tasks.reports.review import tags_given

if TYPE_CHECKING:
    from sqlalchemy import Engine

TABLE = {  # a key of its documents, and the heading
    "scan_id": "scan",
    "decided_at": "when (UTC)",
    "verdict": "verdict",
    "reason": "why",
    "review": "review",
    "score": "score",
    "threshold": "limit",
    "p_value": "p",
    "threshold_id": "threshold",
    "model_id": "model",
    "decision_id": "decision",
    "path": "path",
    "active": "active",
}
# What a narrow terminal does without, the first first.
SPARE = ("decision", "model", "threshold", "why", "limit", "p")
COUNTS = {
    "decisions": "decisions",
    "suspicious": "suspicious",
    "uncertain": "uncertain",
    "not_scorable": "not scorable",
    "normal": "normal",
    "reviewed": "reviewed",
}
TITLES = {
    HistorySort.NEWEST: "Decisions, newest first",
    HistorySort.OLDEST: "Decisions, oldest first",
    HistorySort.SCORE: "Decisions, highest score first",
    HistorySort.P: "Decisions, lowest p first",
}
COUNTED = "Decisions by {by}"
MORE = "{limit} of {all} listed: {more} more; --limit {all} lists all"
PAST = "{decisions} {done} by thresholds that are not active: {active}; --active {does} its alone"
DATES = "2026-11-23, 2026-W48, 2026-11-23T06:00, today, yesterday, or how long ago: 12h, 7d, 2w"
NO_DECISIONS = "No decisions yet. Once there is a model (mriad train), mriad score makes them."
NONE_ADMITTED = "No decision is like that. With fewer options mriad history lists more."
YES_OR_NO = {True: "yes", False: "no", None: None}
MOST_SCANNERS = 8  # named in an error
NO_SCANNER = "no scanner of the record has {part!r} in its name; there are: {names}"
NO_SCANNERS = "no scan of the record names its scanner"


def history(
    verdict: Annotated[Verdict | None, typer.Option(help="Only this verdict.")] = None,
    since: Annotated[str | None, typer.Option(help=f"From then on (UTC): {DATES}.")] = None,
    until: Annotated[
        str | None, typer.Option(help=f"Up to then (UTC), a day or week to its end: {DATES}.")
    ] = None,
    scanner: Annotated[
        str | None, typer.Option(help="Only scans of scanners with this in their name.")
    ] = None,
    patient: Annotated[
        str | None,
        typer.Option(metavar="PSEUDONYM", help="Only this patient's; see: mriad pseudonym."),
    ] = None,
    min_score: Annotated[float | None, typer.Option(help="Only scores from this on.")] = None,
    max_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only p-values up to this.")
    ] = None,
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="Only scans that nobody has reviewed.")
    ] = False,
    reviewer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only scans that this person reviewed.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Only scans whose reviews carry this tag; given again, one of them."),
    ] = None,
    model: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_ID, help="Only decisions of this model.")
    ] = None,
    active: Annotated[
        bool, typer.Option("--active", help="Only decisions by the active threshold.")
    ] = False,
    sort: Annotated[
        HistorySort, typer.Option(help="The newest, oldest, highest score or lowest p first.")
    ] = HistorySort.NEWEST,
    limit: Annotated[
        int, typer.Option(min=1, max=LARGEST_ID, help="At most this many.")
    ] = DEFAULT_LIMIT,
    count_by: Annotated[
        CountBy | None, typer.Option(help="Count all of them by this, instead of a list.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with all columns.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List decisions, newest first, or count them."""
    if csv and as_json:
        raise SettingsError("give --csv or --json, not both")
    engine = read_context(home).record_to_read()
    current = current_threshold(engine)
    now = None if current is None else current.threshold.id
    query = HistoryQuery(
        verdict=verdict,
        since=since,
        until=until,
        scanner=scanner,
        model_id=model,
        threshold_id=(now or 0) if active else None,  # 0: none is active, so none decides
        limit=limit,
        patient=patient and patient.strip().lower(),
        min_score=min_score,
        max_p=max_p,
        unreviewed=unreviewed,
        reviewer=reviewer,
        tags=tags_given(tag or ()),
        sort=sort,
    )
    if scanner is not None:
        _require_scanner(engine, scanner)
    if count_by is not None:
        _show_counts(engine, query, count_by, now, csv=csv, as_json=as_json)
        return
    found = _merged(decisions(engine, query), unscored_admitted(engine, query), sort)[:limit]
    more = 0
    if len(found) == limit:
        more = count_admitted(engine, query) + count_unscored_admitted(engine, query) - limit
    rows = [each for each in found if isinstance(each, DecisionRow)]
    if more:
        say(MORE.format(limit=limit, all=limit + more, more=more))
    if past := sum(row.threshold_id != now for row in rows):
        say(past_decisions(past, now))
    if as_json:
        unscored = [each for each in found if isinstance(each, UnscoredScan)]
        show_json(history_document(rows, unscored, more, now))
    elif csv:
        show_csv([_in_words(_line(each, now, _without_figures)) for each in found], HISTORY_COLUMNS)
    else:
        cells = [_table_row(_line(each, now, _listed)) for each in found]
        # Where some decisions count no longer, which ones is the last thing to do without.
        spare = (*SPARE, "review") if past else ("active", *SPARE)
        _show_rows(engine, TITLES[sort], tuple(TABLE.values()), cells, spare)


def _show_rows(
    engine: "Engine",
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    spare: Sequence[str] = (),
) -> None:
    """The table; where it has no rows, that there are none, and what makes some."""
    if rows:
        show_table(title, columns, rows, spare)
    else:
        show_lines(NONE_ADMITTED if count_admitted(engine, HistoryQuery()) else NO_DECISIONS)
    show_notice()


def past_decisions(n: int, active: int | None, *, counts: bool = False) -> str:
    """How many of the decisions listed or counted are by other thresholds than the active one."""
    which = "no threshold is active" if active is None else f"threshold {active} is active"
    done, does = ("counted", "counts") if counts else ("listed", "lists")
    return PAST.format(decisions=counted(n, "decision"), active=which, done=done, does=does)


def _require_scanner(engine: "Engine", part: str) -> None:
    """Raise NotInRecord for an unknown scanner: a misspelt name is no scanner without decisions."""
    if scanners(engine, part):
        return
    known = scanners(engine)
    names = ", ".join(known[:MOST_SCANNERS]) + (", ..." if len(known) > MOST_SCANNERS else "")
    raise NotInRecord(NO_SCANNER.format(part=part, names=names) if known else NO_SCANNERS)


def _merged(
    rows: Sequence[DecisionRow], unscored: Sequence[UnscoredScan], sort: HistorySort
) -> list[DecisionRow | UnscoredScan]:
    """Decisions in their order, with scans that have no score where their time puts them.

    They come last where scores or p-values are sorted.
    """
    both: list[DecisionRow | UnscoredScan] = [*rows, *unscored]
    if sort in (HistorySort.SCORE, HistorySort.P):
        return both
    return sorted(both, key=lambda each: each.decided_at, reverse=sort is HistorySort.NEWEST)


def _line(
    found: DecisionRow | UnscoredScan,
    active: int | None,
    of_decision: Callable[[DecisionRow, int | None], Document],
) -> Document:
    return unscored_line(found) if isinstance(found, UnscoredScan) else of_decision(found, active)


def _in_words(line: Document) -> Document:
    """A line that says yes or no of a decision; nothing of a scan without a score."""
    return line | {"active": YES_OR_NO[line["active"]]}


def _without_figures(row: DecisionRow, active: int | None) -> Document:
    """A decision that is not scorable, without its score and p, as the views have it."""
    line = decision_line(row, active)
    if row.verdict is Verdict.NOT_SCORABLE:
        line |= dict.fromkeys(("score", "p_value"))
    return line


def _listed(row: DecisionRow, active: int | None) -> Document:
    """The same, without a threshold where it is not scorable: none was applied."""
    line = _without_figures(row, active)
    if row.verdict is Verdict.NOT_SCORABLE:
        line["threshold"] = None
    return line


def _table_row(line: Document) -> list[Cell]:
    said = {
        "decided_at": short_time(line["decided_at"]),
        "verdict": VERDICT_TEXTS[line["verdict"]],
        "reason": reason_words(line["reason"]) or None,
    }
    return [{**_in_words(line), **said}[name] for name in TABLE]


def _key_words(key: str | None, by: CountBy) -> str | None:
    """What is counted by, in words where it is a verdict or a reason."""
    if by is CountBy.REASON:
        return reason_words(key) or None
    return VERDICT_TEXTS[Verdict(key)] if by is CountBy.VERDICT and key else key


def _show_counts(
    engine: "Engine",
    query: HistoryQuery,
    by: CountBy,
    active: int | None,
    *,
    csv: bool,
    as_json: bool,
) -> None:
    rows: Sequence[CountRow] = count_decisions(engine, query, by)
    if query.threshold_id is None:
        here = sum(row.decisions for row in rows)
        by_active = count_admitted(engine, replace(query, threshold_id=active or 0))
        if past := here - by_active:
            say(past_decisions(past, active, counts=True))
    rows = counted_with(rows, unscored_admitted(engine, replace(query, limit=None)), by)
    if as_json:
        show_json(counts_document(rows, by, active))
    elif csv:
        show_csv([count_line(row, by) for row in rows], (by.value, *COUNT_COLUMNS))
    else:
        lines = [
            [_key_words(row.key, by), *(getattr(row, name) for name in COUNTS)] for row in rows
        ]
        _show_rows(engine, COUNTED.format(by=by.value), (by.value, *COUNTS.values()), lines)

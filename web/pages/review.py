"""Reviews from a page: one verdict, then the next scan; saved as `mriad review` saves them."""

from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.reports.reviews import standing_label, standing_reviews
from db.repository.training.models import current_threshold
from mriad_model.errors import NotInRecord, SettingsError
from mriad_model.plain_text import printable
from tasks.reports.review import (
    Answer,
    answer_decision,
    reviewed_decision,
    tags_of,
    withdraw_answer,
)
from web.pages.sign_in import keep_reviewer
from web.site import RowId, Site, form_of, site_of
from web.worklist.query import WorklistQuery, query_from
from web.worklist.query_result import select_scans
from web.worklist.review_index import is_open_to, withdrawable

LONGEST_NOTE: Final = 4000
TICKED: Final = "tag:"  # and a tag: a box that is ticked
NO_DECISION: Final = "Scan {scan} has no decision to review yet."
NOT_SHOWN: Final = "Say which review is withdrawn: load the page again."
NO_NAME: Final = "A review needs its reviewer's name."
router = APIRouter()


@router.post("/scan/{scan_id}/review")
def review(
    request: Request, scan_id: RowId, fields: Annotated[dict[str, str], Depends(form_of)]
) -> Response:
    """Save a review, then go to the next scan of the list that it was opened from."""
    site = site_of(request)
    query = query_from(parse_qsl(fields.get("query", "").lstrip("?")))
    given = "" if site.user_of(request) else printable(fields.get("reviewer", "").strip())
    name = given or site.reviewer_of(request)
    reader = name if site.blind else None
    onward = _onward(site, query, scan_id, fields.get("from", ""), reader)
    _save(site, scan_id, fields, name)
    answer: Response
    if "application/json" in request.headers.get("accept", ""):
        answer = JSONResponse(_document(site, scan_id, onward, reader))
    else:
        answer = RedirectResponse(onward, 303)
    if given:
        keep_reviewer(request, answer, name)
    return answer


def _onward(
    site: Site, query: WorklistQuery, scan_id: int, came_from: str, reader: str | None
) -> str:
    """Where to go next: found before saving, as saving may take the scan out of its list."""
    if came_from != "scan":
        return f"/{query.address()}"
    following = select_scans(site.index, site.engine, query, reader).after(scan_id)
    if following is None:
        return f"/{query.address()}"
    return f"/scan/{following}{query.address()}"


def _save(site: Site, scan_id: int, fields: dict[str, str], name: str) -> None:
    """Append the review.

    Raises:
        SettingsError: the verdict is invalid, or the reviewer has no name.
        NotInRecord: the scan has no decision, or no review that could be withdrawn.
        RecordError: the review to be withdrawn is not the last any more.
    """
    if not name:
        raise SettingsError(NO_NAME)
    try:
        answer = Answer(fields.get("answer", ""))
    except ValueError:
        raise SettingsError(f"Answer one of {', '.join(Answer)}") from None
    note = fields.get("note", "").strip()[:LONGEST_NOTE]
    ticked = [name.removeprefix(TICKED) for name in fields if name.startswith(TICKED)]
    tags = tags_of([*ticked, fields.get("tags", "")])
    made = decisions(site.engine, HistoryQuery(scan=scan_id, limit=None))
    if not made:
        raise NotInRecord(NO_DECISION.format(scan=scan_id))
    if answer is Answer.WITHDRAW:
        shown = fields.get("held", "")
        if not (shown.isascii() and shown.isdecimal() and int(shown[:18]) > 0):
            raise SettingsError(NOT_SHOWN)
        withdraw_answer(site.engine, made, name, note, int(shown[:18]), own=site.blind)
        return
    current = current_threshold(site.engine)
    decision = reviewed_decision(made, None if current is None else current.threshold.id)
    if seen := fields.get("decision"):  # what the reader saw, though another came since
        decision = next((each for each in made if str(each.decision_id) == seen), decision)
    answer_decision(site.engine, decision, answer, name, note, tags)


def _document(site: Site, scan_id: int, onward: str, reader: str | None) -> dict[str, Any]:
    """The scan's reviews as they are now, for the page's script."""
    held = standing_reviews(site.engine, scan_id)
    label = standing_label(site.engine, scan_id)
    if not is_open_to(reader, (each.reviewer for each in held)):
        held, label = [], standing_label(site.engine, scan_id, imported=True)
    last = withdrawable(reader, held)
    return {
        "scan_id": scan_id,
        "review": held[-1].verdict.value if held else None,
        "review_id": last.id if last else None,
        "reviewer": held[-1].reviewer if held else None,
        "label": label.value.value if label else None,
        "tags": sorted({tag for each in held for tag in each.tag_words}),
        "next": onward,
    }

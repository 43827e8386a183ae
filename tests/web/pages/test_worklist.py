"""The worklist: what waits, its filters and counts, downloads, reviews from it."""

import csv
import io
import re

import pytest

from db.entities import Rejection
from db.repository.intake.labels import labelled
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.reports.reviews import reviews, standing_reviews
from db.repository.training.models import activate
from mriad_model.enums import DecisionReason, LabelValue, RejectionReason, Verdict
from mriad_model.reasons import REASON_TEXTS
from tests.web.conftest import Pages
from web.worklist.query import SORTS


def test_what_nobody_reviewed_stands_worst_first(pages: Pages) -> None:
    mild, worst, normal = (
        pages.picture("mild.png", 0.6),
        pages.picture("worst.png", 0.9),
        pages.picture("fine.png", 0.2),
    )
    assert pages.listed() == [worst, mild]
    text = pages.get("/").text
    assert "2 scans to read" in text
    assert "+5.0" in text  # (0.9 - 0.4) / 0.1
    assert pages.listed("?verdict=any&sort=scan") == [mild, worst, normal]
    pages.review(worst, "suspicious")
    assert pages.listed() == [mild]
    assert pages.listed("?reviewed=yes") == [worst]
    assert pages.listed("?reviewed=any") == [worst, mild]
    pages.review(worst, "withdraw")
    assert pages.listed() == [worst, mild]


def test_uncertain_scans_wait_too_and_say_why(pages: Pages) -> None:
    near, unlike = DecisionReason.NEAR_THRESHOLD, DecisionReason.UNLIKE_LEARNED
    unsure = pages.picture("unsure.png", 0.7, verdict=Verdict.UNCERTAIN, reason=near)
    photograph = pages.picture("photo.png", 3.0, verdict=Verdict.NOT_SCORABLE, reason=unlike)
    sure = pages.picture("sure.png", 0.6)
    assert pages.listed() == [sure, unsure, photograph]  # silence never reads as normal
    assert REASON_TEXTS[near] in pages.get("/").text
    assert REASON_TEXTS[near] in pages.get(f"/scan/{unsure}").text
    assert pages.listed("?verdict=not_scorable") == [photograph]
    text = pages.get("/?verdict=not_scorable").text
    assert ">not scorable</span>" in text
    assert REASON_TEXTS[unlike] in text
    page = pages.get(f"/scan/{photograph}").text
    assert "can say nothing of this scan" in page
    assert "+26" not in text + page  # a score that says nothing, in standard deviations
    rows = pages.get("/worklist.json?verdict=any").json()["scans"]
    assert [each["reason"] for each in rows] == [None, near, unlike]
    figures = ("score", "sigmas", "threshold", "p_value")
    assert [rows[-1][name] for name in figures] == [None] * 4
    assert None not in [rows[0][name] for name in figures]
    (line,) = csv.DictReader(io.StringIO(pages.get("/worklist.csv?verdict=not_scorable").text))
    assert [line[name] for name in figures] == [""] * 4
    assert line["reason"] == unlike
    assert '<td class="number">3</td>' not in page  # among its decisions
    assert pages.listed("?verdict=any&above=20") == []
    assert pages.listed("?verdict=any&p=1&sort=p") == [unsure, sure]
    assert pages.listed("?verdict=any&sort=p")[-1] == photograph
    assert f'href="/scan/{photograph}"' not in pages.get("/population").text


@pytest.mark.parametrize("sort", list(SORTS))
def test_a_kept_order_is_that_of_a_sort(
    pages: Pages, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (0.9, 0.2, 0.9, 0.55, 0.1, 0.7, 0.55)
    for number, value in enumerate(values):
        pages.picture(
            f"{number}.png", value, now=f"2026-11-0{1 + number % 3}T00:00:00.000000+00:00"
        )
    query = f"?verdict=any&reviewed=any&sort={sort}"
    sorted_here = pages.listed(query)
    monkeypatch.setattr("web.worklist.query_result.MANY", 1)
    assert pages.listed(query) == sorted_here
    pages.review(sorted_here[0], "normal")
    assert pages.listed(f"{query}&reviewed=no") == sorted_here[1:]
    new = pages.picture("new.png", 0.8)
    found = pages.listed(query)
    assert sorted(found) == sorted([*sorted_here, new])
    monkeypatch.setattr("web.worklist.query_result.MANY", 100)
    assert pages.listed(query) == found


def test_a_query_lives_in_the_address(pages: Pages) -> None:
    one = pages.picture("p-one.png", 0.7, scanner="GE Signa", patient="aa", folder="inbox/mon")
    two = pages.picture("p-two.png", 0.8, scanner="Prisma", now="2026-11-05T00:00:00.000000+00:00")
    answers = {
        "?scanner=Prisma": [two],
        "?scanner=Prisma&scanner=GE+Signa": [two, one],
        "?scanner=none+of+ours": [],
        "?words=MON+one": [one],
        "?words=%25": [],  # a percent sign, as it stands
        "?patient=aa": [one],
        "?since=2026-11-05": [two],
        "?until=2026-11-01": [one],
        "?above=3.5": [two],
        "?below=3.5": [one],
        "?p=0.1": [],
        "?kind=dicom": [],
        "?kind=image&contrast=unknown": [two, one],
        "?run=1": [two, one],
        "?run=2": [],
        "?sort=oldest": [one, two],
        "?sort=newest": [two, one],
        "?words=&since=&run=": [two, one],
    }
    assert {query: pages.listed(query) for query in answers} == answers
    assert "GE Signa" in pages.get("/?scanner=Prisma").text  # its count, to change over


@pytest.mark.parametrize(
    "query",
    ["?since=yesteryear", "?above=much", "?above=nan", "?run=-1", "?sort=x", "?verdict=ill"],
)
def test_a_value_that_cannot_be_used_is_said(pages: Pages, query: str) -> None:
    answer = pages.get(f"/{query}")
    assert answer.status_code == 400
    assert query.partition("=")[2] in answer.text


def test_counts_stand_beside_each_value(pages: Pages) -> None:
    for number in range(3):
        pages.picture(f"g{number}.png", 0.9, scanner="GE")
    pages.picture("p.png", 0.9, scanner="Prisma")
    pages.picture("n.png", 0.1, scanner="Prisma")
    text = pages.get("/?scanner=Prisma").text
    assert "<span>GE</span> <b>3</b>" in text  # were it chosen
    assert "<span>Prisma</span> <b>1</b>" in text
    assert "<span>normal</span> <b>1</b>" in text
    assert "<span>not reviewed</span> <b>1</b>" in text


def test_a_scan_counts_once_by_the_active_threshold(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.6)
    assert pages.listed() == [scan_id]
    other = pages.hand.threshold(pages.model_id, 1, k=3.0, value=0.7)
    pages.hand.decide(pages.model_id, other, {scan_id: 0.6}, line=0.7)
    assert pages.listed() == [scan_id]  # the first threshold is still active
    activate(pages.site.engine, other, "stricter", "me")
    assert pages.listed() == []
    assert pages.listed("?verdict=normal") == [scan_id]
    activate(pages.site.engine, pages.threshold_id, "back", "me")
    assert pages.listed() == [scan_id]


def test_a_review_holds_after_a_recalibration(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    pages.review(scan_id, "suspicious")
    other = pages.hand.threshold(pages.model_id, 1, k=3.0, value=0.7)
    pages.hand.decide(pages.model_id, other, {scan_id: 0.9}, line=0.7)
    activate(pages.site.engine, other, "stricter", "me")
    assert pages.listed() == []
    assert pages.listed("?reviewed=yes") == [scan_id]


def test_what_comes_while_the_pages_are_served_is_listed(pages: Pages) -> None:
    assert pages.listed() == []
    assert "Nothing is scored yet" in pages.get("/").text
    found = [pages.picture(f"{number}.png", 0.6 + number / 100) for number in range(60)]
    assert pages.listed() == found[::-1]
    second = pages.get("/?page=2")
    assert "page 2 of 2" in second.text
    assert second.text.count("data-scan=") == 10


def test_scans_that_are_not_scorable_without_a_score_are_told_of(pages: Pages) -> None:
    engine = pages.site.engine
    hand, later = pages.hand, "2026-11-04T00:00:00.000000+00:00"
    failed, _ = (each.scan_id for each in register_scans(engine, [hand.seen("v"), hand.seen("w")]))
    rows = [
        Rejection(f"inbox/{name}.png", 10, 20, "ab", reason, "fit 0.2", hand.run(), later, 40)
        for name, reason in (
            ("v", RejectionReason.UNREGISTERED),
            ("w", RejectionReason.INCOMPLETE),
        )
    ]
    append_rejections(engine, rows)
    text = pages.get("/").text
    assert "2 scans not in this list: not scorable, without a score" in text
    assert "inbox/v.png</a>: registration failed: fit 0.2" in text
    assert "inbox/w.png</a>: incomplete: fit 0.2" in text
    assert "Nothing waits" not in text
    assert "(2 of them without a score)" in pages.get("/runs").text
    page = pages.get(f"/scan/{failed}").text
    assert "<b>Why not scorable:</b> registration failed: fit 0.2." in page
    assert "not decided" not in page
    pages.decide(failed, 0.2, now="2026-11-05T00:00:00.000000+00:00")  # by a later model
    assert "1 scan not in this list" in pages.get("/").text
    activate(engine, pages.hand.threshold(pages.model_id, 1, k=3.0), "stricter", "me")
    page = pages.get(f"/scan/{failed}").text
    assert "not active.</b> The active one has no score of it. <b>Why not scorable:</b>" in page


def test_a_review_by_its_key_is_saved_and_answered_as_json(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    session = pages.browser.cookies[pages.site.access.cookie]
    token = pages.site.access.form_token(session)
    answer = pages.browser.post(
        f"/scan/{scan_id}/review",
        data={"token": token, "answer": "abnormal"},
        headers={"Origin": "http://127.0.0.1:4280", "Accept": "application/json"},
    )
    assert answer.json() == {
        "scan_id": scan_id,
        "review": "suspicious",
        "review_id": 1,
        "reviewer": "reader",
        "label": "abnormal",
        "tags": [],
        "next": "/",
    }
    (row,) = standing_reviews(pages.site.engine)
    assert (row.scan_id, row.verdict, row.reviewer) == (scan_id, Verdict.SUSPICIOUS, "reader")
    assert [each.id for each in labelled(pages.site.engine, LabelValue.ABNORMAL)] == [scan_id]


@pytest.mark.parametrize("query", ["", "/scan/{}"])
def test_only_the_review_that_is_shown_is_withdrawn(pages: Pages, query: str) -> None:
    scan_id = pages.picture("a.png", 0.9)
    pages.review(scan_id, "normal", reviewer="ann")
    text = pages.get(query.format(scan_id) or "/?reviewed=any").text
    (shown,) = re.findall(r'name="held" value="(\d+)"', text)
    pages.review(scan_id, "abnormal", reviewer="bob")  # meanwhile, elsewhere
    answer = pages.review(scan_id, "withdraw", reviewer="ann", held=shown)
    assert answer.status_code == 409
    assert "reviewed by bob since" in answer.text
    assert pages.review(scan_id, "withdraw", held="").status_code == 400
    assert [each.reviewer for each in standing_reviews(pages.site.engine)] == ["ann", "bob"]
    assert pages.review(scan_id, "withdraw", held=int(shown) + 1).status_code == 303
    assert pages.review(scan_id, "withdraw", held=shown).status_code == 303
    assert standing_reviews(pages.site.engine) == []


def test_a_form_without_script_reviews_and_goes_back_to_its_list(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    answer = pages.review(scan_id, "normal", query="?sort=newest", note="burr hole", reviewer="Ann")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?sort=newest")
    (row,) = reviews(pages.site.engine)
    assert (row.reviewer, row.note) == ("Ann", "burr hole")
    pages.review(scan_id, "withdraw")
    assert reviews(pages.site.engine)[-1].reviewer == "Ann"  # kept in this browser


def test_from_a_scan_a_review_leads_to_the_next_of_the_list(pages: Pages) -> None:
    third, second, first = (pages.picture(f"{n}.png", v) for n, v in enumerate((0.6, 0.7, 0.8)))
    answer = pages.review(first, "normal", **{"from": "scan"})
    assert answer.headers["location"] == f"/scan/{second}"
    answer = pages.review(second, "normal", **{"from": "scan"})
    assert answer.headers["location"] == f"/scan/{third}"
    answer = pages.review(third, "normal", **{"from": "scan"})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("answer", ["", "ill", "withdraw"])
def test_what_is_no_answer_is_refused(pages: Pages, answer: str) -> None:
    scan_id = pages.picture("a.png", 0.9)
    assert pages.review(scan_id, answer).status_code in (400, 404)
    assert reviews(pages.site.engine) == []


def test_a_scan_that_is_not_there_cannot_be_reviewed(pages: Pages) -> None:
    assert pages.review(99, "normal").status_code == 404


def test_csv_holds_the_query_and_no_formula(pages: Pages) -> None:
    pages.picture("=cmd.png", 0.9, scanner="=1+1", folder="=x")
    pages.picture("fine.png", 0.1)
    text = pages.get("/worklist.csv").text
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["scanner"] == "'=1+1"
    assert row["path"] == "'=x/=cmd.png"
    assert float(row["sigmas"]) == pytest.approx(5.0)


def test_scans_are_found_again_by_tags(pages: Pages) -> None:
    blurred, both, plain = (pages.picture(f"{n}.png", 0.9 - n / 10) for n in range(3))
    pages.review(blurred, "normal", tags="Motion")
    pages.review(both, "suspicious", tags="lesion", **{"tag:motion": "on"})
    pages.review(plain, "normal")
    assert pages.listed("?reviewed=yes&tag=motion") == [blurred, both]
    assert pages.listed("?reviewed=yes&tag=lesion") == [both]
    assert pages.listed("?reviewed=yes&tag=nothing") == []
    text = pages.get("/?reviewed=any").text
    assert "?reviewed=any&amp;tag=motion" in text
    (found,) = pages.get("/worklist.json?reviewed=yes&tag=lesion").json()["scans"]
    assert found["tags"] == ["lesion", "motion"]
    lines = list(
        csv.DictReader(io.StringIO(pages.get("/worklist.csv?tag=lesion&reviewed=any").text))
    )
    assert [each["tags"] for each in lines] == ["lesion motion"]
    pages.review(both, "withdraw")
    assert pages.listed("?reviewed=any&tag=lesion") == []
    assert "motion" in pages.get(f"/scan/{blurred}").text


@pytest.mark.parametrize("tags", ["<script>", "a/b", "x" * 41, " ".join(map(str, range(13)))])
def test_what_is_no_tag_is_refused_and_nothing_saved(pages: Pages, tags: str) -> None:
    scan_id = pages.picture("a.png", 0.9)
    answer = pages.review(scan_id, "normal", tags=tags)
    assert answer.status_code == 400
    assert "tag" in answer.text
    assert standing_reviews(pages.site.engine) == []

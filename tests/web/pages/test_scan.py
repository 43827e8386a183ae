"""A scan's page: pictures, words, what was said; hostile text stays text."""

import io
import json
import os
from dataclasses import replace

import pytest
from PIL import Image
from starlette.testclient import TestClient

from db.entities import FindingLimit, Rejection
from db.repository.intake.rejections import append_rejections
from db.repository.scoring.decisions import FoundPart
from db.repository.scoring.findings import append_finding_limit
from mriad_model.enums import DecisionReason, RejectionReason, Side, Verdict
from mriad_model.recipes.built_in_recipes import DEFAULT
from tests.support.record.hand import NOON
from tests.web.conftest import SIDE, Pages

HOSTILE = "<script>alert(1)</script>"


def address_of(text: str, start: str, end: str = '"') -> str:
    return start + text.split(start)[1].split(end, maxsplit=1)[0]


def test_the_page_says_what_was_decided_and_why(pages: Pages) -> None:
    pages.hand.decide(pages.model_id, None, {2: 0.41})  # the calibration scan
    scan_id = pages.picture("a.png", 0.9, scanner="GE", patient="aa")
    earlier = pages.picture("before.png", 0.2, patient="aa")
    pages.review(scan_id, "suspicious", note="left occipital")
    text = pages.get(f"/scan/{scan_id}").text
    assert "+5.00" in text
    assert "0 of 1 calibration scans reach it" in text
    assert 'class="histogram"' in text
    assert "left occipital" in text
    assert f"/scan/{earlier}" in text  # the other exam
    assert "inbox/a.png" in text
    assert pages.hand.sha("a.png") in text


def test_the_source_lies_under_its_map(pages: Pages, stranger: TestClient) -> None:
    scan_id = pages.picture("a.png", 0.9)
    text = pages.get(f"/scan/{scan_id}").text
    for start in (f"/scans/{scan_id}/", "/pictures/1/"):
        answer = pages.get(address_of(text, start))
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "private, no-cache"
        tag = {"If-None-Match": f'"x", W/{answer.headers["etag"]}'}
        again = pages.get(address_of(text, start), headers=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert stranger.get(address_of(text, start), headers=tag).status_code == 403
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.size == (SIDE, SIDE)  # without the band of text
    assert pages.get(address_of(pages.get("/").text, "/pictures/1/")).status_code == 200
    assert pages.get(f"/scans/{scan_id}/{'0' * 16}/source.jpg").status_code == 404
    assert pages.get("/pictures/1/00000000/small.jpg").status_code == 404


def test_a_source_that_has_changed_since_is_not_shown(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    before = address_of(pages.get(f"/scan/{scan_id}").text, f"/scans/{scan_id}/")
    path = pages.site.home / "inbox/a.png"
    Image.new("L", (SIDE, SIDE), 7).save(path)
    os.utime(path)
    assert pages.get(before).status_code == 404
    text = pages.get(f"/scan/{scan_id}").text
    assert "source.jpg" not in text
    assert "has changed since it was scored" in text


def test_files_are_those_of_the_home_alone(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    (pages.site.home / f"heatmaps/{scan_id}.jpg").unlink()
    (pages.site.home / f"heatmaps/{scan_id}.jpg").symlink_to("/etc/hostname")
    text = pages.get(f"/scan/{scan_id}").text
    assert pages.get(address_of(text, "/pictures/1/")).status_code == 404


def test_hostile_text_is_shown_as_text(pages: Pages) -> None:
    scan_id = pages.picture(f"{HOSTILE.replace('/', '_')}.png", 0.9, scanner=HOSTILE)
    reject = Rejection(f"inbox/{HOSTILE}", 1, 1, "ab", RejectionReason.CORRUPT, HOSTILE, 1, NOON)
    append_rejections(pages.site.engine, [reject])
    pages.review(scan_id, "normal", note=HOSTILE, reviewer=HOSTILE)
    for address in ("/?reviewed=any", f"/scan/{scan_id}", "/rejections", f"/?words={HOSTILE}"):
        text = pages.get(address).text
        assert "<script>" not in text, address
        assert "&lt;script&gt;" in text, address
    assert json.loads(pages.get("/worklist.json?reviewed=any").text)["n"] == 1


@pytest.mark.parametrize("number", ["999", "1e9", "-1", "9" * 40, "0"])
def test_what_is_not_there_is_said(pages: Pages, number: str) -> None:
    pages.picture("a.png", 0.9)
    for address in (
        f"/scan/{number}",
        f"/pictures/{number}/0123456789abcdef/file",
        f"/scans/{number}/0123456789abcdef/source.jpg",
        f"/views/{number}/1.json",
        f"/views/1/1/axial/{number}/map.jpg",
    ):
        assert pages.get(address).status_code == 404, address
    for address in ("/runs?before=", "/rejections?before=", "/?run=", "/?page="):
        assert pages.get(address + number).status_code in (200, 400), address


def test_a_scan_without_a_decision_has_a_page(pages: Pages) -> None:
    text = pages.get("/scan/1").text  # it was trained on
    assert "not decided" in text


def test_runs_rejections_and_models_are_listed(pages: Pages) -> None:
    reject = Rejection("inbox/x", 1, 1, "ab", RejectionReason.CORRUPT, "cut off", 1, NOON)
    append_rejections(pages.site.engine, [reject])
    runs = pages.get("/runs").text
    assert "score_new_scans" in runs
    assert "under way, or was killed" in runs
    assert "/rejections?reason=corrupt" in runs
    assert "cut off" in pages.get("/rejections?reason=corrupt&run=1").text
    assert "cut off" not in pages.get("/rejections?reason=truncated").text
    assert pages.get("/rejections?reason=nonsense").status_code == 400
    assert ">active</span>" in pages.get("/models").text


PART = FoundPart(0.013, 9.0, (12.0, 40.0, 0.0), Side.LEFT)


def test_the_side_of_a_pictures_finding_is_the_pictures(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9, findings=[PART])
    page = pages.get(f"/scan/{scan_id}").text
    assert "<td>picture&#39;s left</td>" in page
    assert "<td>12, 40</td>" in page


def test_findings_of_a_scan_that_is_not_scorable_are_left_out(pages: Pages) -> None:
    verdict, reason = Verdict.NOT_SCORABLE, DecisionReason.UNLIKE_LEARNED
    scan_id = pages.picture("b.png", 0.9, verdict=verdict, reason=reason, findings=[PART])
    page = pages.get(f"/scan/{scan_id}").text
    assert "The model can say nothing of this scan." in page
    assert "unlike healthy" not in page
    assert "unlike healthy" in pages.get(f"/scan/{pages.picture('a.png', 0.9)}").text
    assert "<td>12, 40</td>" not in page
    assert "No finding" not in page


def test_findings_have_a_heading_and_the_average_of_healthy_scans(pages: Pages) -> None:
    limit = FindingLimit(pages.model_id, 8.0, 4.0, 0.01, 16, 0.94, pages.hand.run(), NOON)
    append_finding_limit(pages.site.engine, limit)
    page = pages.get(f"/scan/{pages.picture('a.png', 0.9, findings=[PART])}").text
    assert ">Findings</h2>" in page
    assert "A healthy scan has 0.94 findings on average." in page


def test_the_page_says_where_the_map_holds_an_asymmetry_and_the_model_no_gate(pages: Pages) -> None:
    mirrors, no_gate = (
        "the place that mirrors a lesion can light up too",
        "has no gate: a photograph",
    )
    page = pages.get(f"/scan/{pages.picture('a.png', 0.9, findings=[PART])}").text
    assert mirrors in page
    assert no_gate in page
    assert "no gate: a photograph is scored like a head" in pages.get("/models").text
    recipe = DEFAULT.to_json().replace('"asymmetry"', '"other"')
    model_id = pages.hand.model(1, "gated", recipe)
    gated = replace(pages, model_id=model_id, threshold_id=pages.hand.threshold(model_id, 1))
    page = pages.get(f"/scan/{gated.picture('b.png', 0.9, findings=[PART])}").text
    assert "<td>12, 40</td>" in page
    assert mirrors not in page
    assert "no gate" not in page


def test_a_p_value_is_told_in_plain_words(pages: Pages) -> None:
    pages.hand.decide(pages.model_id, None, {2: 0.41})  # the calibration scan
    common = pages.get(f"/scan/{pages.picture('a.png', 0.3)}").text
    assert "of healthy scans, about 25\u00a0% score this high or higher" in common
    least = pages.get(f"/scan/{pages.picture('b.png', 0.9)}").text
    assert "the smallest that 1 calibration scan can give; too few to say more" in least
    assert "score this high" not in least


def test_the_form_tells_labels_from_verdicts(pages: Pages) -> None:
    page = pages.get(f"/scan/{pages.picture('a.png', 0.9)}").text
    assert "<b>suspicious</b> are verdicts" in page
    assert "also label the scan" in page

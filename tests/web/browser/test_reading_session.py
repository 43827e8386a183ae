"""Whole tasks in Chromium: ten flagged scans by ten keys, a new threshold, the one before again."""

from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest

from db.entities import Arrival, RecordedWarning, Rejection
from db.repository.intake.arrivals import append_arrivals
from db.repository.intake.rejections import append_rejections
from db.repository.reports.reviews import standing_reviews
from db.repository.scoring.warnings import append_warnings
from db.repository.training.models import activate, current_threshold
from mriad_model.enums import RejectionReason, SettledBy, WarningKind
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tests.support.processes.waiting import until
from tests.support.record.hand import NOON
from tests.web.conftest import Pages
from tests.web.pages.test_threshold import draw
from web.pages.images.volumes import NIIVUE

# A file system has no slash in names, but reviewers, tags' notes and reasons may hold any letter.
HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>"
SHOWN = """() => {
  const picture = [...document.querySelectorAll(".stage:not([hidden]) img")].pop();
  return Boolean(picture && picture.complete && picture.naturalWidth);
}"""


def test_ten_flagged_scans_are_read_one_by_one_with_ten_keys(
    served: Pages, tab: Any, record_property: Any
) -> None:
    """Five pictures and five volumes, each looked at by itself, with no page loaded anew.

    `pytest -rA` prints how long it took until each could be seen; nothing is asserted of that.
    """
    scans = [
        served.volume(f"v{n}", 0.95 - n / 100)
        if n % 2
        else served.picture(f"{n}.png", 0.9 - n / 100)
        for n in range(10)
    ]
    waiting = served.browser
    waiting.cookies.set(served.site.access.cookie, served.site.access.new_session())
    order = [each["scan_id"] for each in waiting.get("/worklist.json").json()["scans"]]
    assert sorted(order) == sorted(scans)
    seconds = []
    started = perf_counter()
    tab.goto(f"{served.address}/scan/{order[0]}")
    loads: list[str] = []
    tab.on("load", lambda page: loads.append(page.url))
    for number, scan_id in enumerate(order):
        tab.wait_for_selector(f".scan-page[data-scan='{scan_id}']")
        tab.wait_for_function(SHOWN)
        seconds.append(perf_counter() - started)
        started = perf_counter()
        tab.keyboard.press("nshansnsha"[number])
    tab.wait_for_selector(".list-page")
    until(lambda: len(standing_reviews(served.site.engine)) == 10)
    assert [each.scan_id for each in standing_reviews(served.site.engine)] == order
    assert loads == []
    told = f"first scan seen after {seconds[0]:.2f} s, each other within {max(seconds[1:]):.2f} s"
    record_property("seen", told)
    print(told)  # noqa: T201 - for who measures


def test_a_volume_that_is_reached_from_a_picture_is_shown_in_three_planes(
    served: Pages, tab: Any
) -> None:
    if not NIIVUE.is_file():
        pytest.skip("no libraries from npm on this machine")
    picture, scan_id = served.picture("a.png", 0.99), served.volume("v", 0.5)
    tab.goto(f"{served.address}/scan/{picture}")
    tab.keyboard.press("j")
    tab.wait_for_selector(f".scan-page[data-scan='{scan_id}']")
    faults: list[str] = []
    tab.on("console", lambda each: faults.append(each.text) if each.type == "error" else None)
    tab.click("[data-do=view][value=planes]:not([disabled])")
    tab.wait_for_function("() => document.querySelector('[data-view=planes] canvas').width > 300")
    tab.wait_for_load_state("networkidle")
    assert tab.locator("#said.bad").count() == 0
    assert faults == []


def test_a_threshold_is_drawn_anew_from_the_slider(served: Pages, tab: Any) -> None:
    draw(served, replace(AUTOENCODER, uncertain=None))
    served.picture("a.png", 0.9)
    tab.goto(f"{served.address}/threshold?sigmas=1")
    loads: list[str] = []
    tab.on("load", lambda page: loads.append(page.url))
    tab.focus("#sigmas")
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => location.search === '?sigmas=1.2'")
    assert loads == []
    tab.keyboard.press("Tab")
    tab.click("summary:has-text('recalibrate to +1.20')")
    tab.click("button:has-text('Recalibrate')")
    tab.wait_for_url("**/threshold?sigmas=1.2&begun=1")
    assert served.begun == [["recalibrate", "--sigmas=1.2", ""]]


def test_the_threshold_before_is_gone_back_to_with_a_reason(served: Pages, tab: Any) -> None:
    later = served.hand.threshold(served.model_id, 1, k=2.0, value=0.6)
    activate(served.site.engine, later, "a try", "me")
    tab.goto(f"{served.address}/models")
    row = tab.locator(
        "tr", has=tab.locator(f"button:has-text('Activate threshold {served.threshold_id}')")
    )
    row.locator("summary").click()
    row.locator("button").click()  # without a reason the browser sends nothing
    assert served.begun == []
    row.locator("[name=reason]").fill(f"too many missed {HOSTILE}")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/models?begun={served.threshold_id}")
    current = current_threshold(served.site.engine)
    assert current is not None
    assert current.threshold.id == served.threshold_id
    assert current.activation.reason.startswith("too many missed")
    tab.click("text=Look again")
    tab.wait_for_selector(f"tr.active td:has-text('{served.threshold_id}')")
    assert HOSTILE in tab.inner_text("main")


def test_every_text_that_a_file_or_a_person_brings_is_shown_as_text(
    served: Pages, tab: Any
) -> None:
    """Path, scanner, contrast, pseudonym, note, reviewer, rejection, warning, folder."""
    engine, run_id = served.site.engine, served.hand.run()
    name = HOSTILE.replace("/", "_")
    scan_id = served.picture(f"{name}.png", 0.9, scanner=HOSTILE, patient=HOSTILE)
    served.picture("other.png", 0.8, patient=HOSTILE)
    reject = Rejection(
        f"inbox/{HOSTILE}", 1, 1, "ab", RejectionReason.CORRUPT, HOSTILE, run_id, NOON
    )
    append_rejections(engine, [reject])
    warning = RecordedWarning(WarningKind.SCANNER_DRIFT, "{}", HOSTILE, run_id, NOON)
    append_warnings(engine, [warning])
    append_arrivals(engine, [Arrival(HOSTILE, "ab" * 32, 1, SettledBy.QUIET, NOON)])
    tab.goto(f"{served.address}/scan/{scan_id}")
    tab.fill("#note", HOSTILE)
    tab.fill("#review [name=reviewer]", HOSTILE)
    tab.click("#review [value=suspicious]")
    until(lambda: len(standing_reviews(engine)) == 1)
    for address, times in {
        f"/scan/{scan_id}": 5,  # scanner, pseudonym, note and reviewer, held and listed
        "/?verdict=any&reviewed=any": 3,
        "/population": 1,
        "/trends": 2,
        "/rejections": 2,
        "/runs": 2,
    }.items():
        tab.goto(served.address + address)
        tab.wait_for_load_state("networkidle")
        text = tab.inner_text("body") + " ".join(tab.locator("svg text").all_text_contents())
        assert text.count("onerror=alert(2)") >= times, (address, text)
        assert tab.locator("main script, main img[onerror]").count() == 0


def test_on_a_tablet_the_list_comes_before_its_filters(served: Pages, tab: Any) -> None:
    scan_id = served.picture("a.png", 0.9)
    tab.set_viewport_size({"width": 820, "height": 1180})
    tab.goto(f"{served.address}/")
    row = tab.locator(f"#scan-{scan_id}").bounding_box()
    assert row["y"] + row["height"] < 400
    assert tab.locator("#search").is_hidden()
    tab.keyboard.press("/")
    assert tab.locator("#search").is_visible()
    assert tab.evaluate("() => document.activeElement.id") == "search"


def test_verdict_and_review_are_seen_without_scrolling(served: Pages, tab: Any) -> None:
    """At 1366 x 768, and there at 125 %."""
    scan_id = served.volume()
    for width, height in ((1366, 768), (1093, 614)):
        tab.set_viewport_size({"width": width, "height": height})
        tab.goto(f"{served.address}/scan/{scan_id}")
        for part in (".verdict .word", ".say", "#review .answers", "#review .tick", "#note"):
            box = tab.locator(part).bounding_box()
            assert box["y"] + box["height"] <= height, (width, part)
        assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

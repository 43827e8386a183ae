"""The pages in Chromium: signing in, reading a list by keys, maps, hostile text, foreign pages."""

import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest
from PIL import Image

from db.repository.reports.reviews import reviews, standing_reviews
from mriad_model.enums import Verdict
from tests.support.processes.waiting import until
from tests.web.conftest import Pages
from web.pages.images.volumes import NIIVUE


def test_ten_scans_are_reviewed_by_ten_keys_and_no_reload(served: Pages, tab: Any) -> None:
    scans = [served.picture(f"{n}.png", 0.9 - n / 100) for n in range(11)]
    tab.goto(f"{served.address}/")
    loads: list[str] = []
    tab.on("load", lambda page: loads.append(page.url))
    for number, key in enumerate("nshansnsha"):
        tab.keyboard.press(key)
        tab.wait_for_selector(f"#scan-{scans[number]}.done")
    until(lambda: len(standing_reviews(served.site.engine)) == 10)
    assert loads == []
    assert [each.scan_id for each in standing_reviews(served.site.engine)] == scans[:10]
    tab.wait_for_selector(f"#scan-{scans[10]}.selected")
    tab.keyboard.press("u")
    tab.wait_for_selector(f"#scan-{scans[9]}:not(.done)")
    assert reviews(served.site.engine)[-1].withdrawn is not None
    tab.goto(f"{served.address}/?reviewed=yes")  # as it is loaded, too, a row is done
    tab.wait_for_selector(f"#scan-{scans[0]}.done.selected")
    tab.keyboard.press("u")
    tab.wait_for_selector(f"#scan-{scans[0]}:not(.done)")
    assert scans[0] not in {each.scan_id for each in standing_reviews(served.site.engine)}


def test_a_picture_is_filtered_opened_and_reviewed(served: Pages, tab: Any) -> None:
    served.picture("worse.png", 0.9, scanner="GE")
    chosen = served.picture("chosen.png", 0.8, scanner="Prisma")
    following = served.picture("next.png", 0.7, scanner="Prisma")
    tab.goto(f"{served.address}/")
    tab.click("text=Prisma >> nth=0")
    tab.wait_for_url("**/?scanner=Prisma")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/scan/{chosen}?scanner=Prisma")
    over = tab.locator(".layers .map")
    assert over.evaluate("each => each.naturalWidth > 0 && getComputedStyle(each).opacity") == "0.6"
    tab.keyboard.press("Space")
    assert over.evaluate("each => getComputedStyle(each).opacity") == "0"
    assert tab.locator(".layers .source").evaluate("each => each.naturalWidth") > 0
    tab.keyboard.press("Space")
    assert over.evaluate("each => getComputedStyle(each).opacity") == "0.6"
    tab.fill("[name=note]", "left parietal")
    tab.locator("[name=note]").blur()
    tab.keyboard.press("s")
    tab.wait_for_url(f"**/scan/{following}?scanner=Prisma")
    (row,) = standing_reviews(served.site.engine)
    assert (row.scan_id, row.verdict, row.note) == (chosen, Verdict.SUSPICIOUS, "left parietal")
    tab.goto(f"{served.address}/scan/{chosen}")
    tab.keyboard.press("u")
    tab.wait_for_selector("#review:not(:has(.held))")
    assert standing_reviews(served.site.engine) == []


def test_tags_are_ticked_by_digits_and_enter_in_a_field_saves_nothing(
    served: Pages, tab: Any
) -> None:
    scan_id = served.picture("a.png", 0.9)
    tab.goto(f"{served.address}/scan/{scan_id}")
    tab.keyboard.press("1")
    tab.keyboard.press("t")
    tab.keyboard.type("Cyst")
    tab.keyboard.press("Enter")
    tab.keyboard.press("i")
    tab.keyboard.type("no s, n or h here")
    tab.keyboard.press("Enter")
    assert standing_reviews(served.site.engine) == []
    tab.keyboard.press("s")
    tab.wait_for_url(f"{served.address}/")
    (row,) = standing_reviews(served.site.engine)
    assert (row.tags, row.note) == ("cyst motion", "no s, n or h here")


def test_a_volume_shows_its_slices(served: Pages, tab: Any) -> None:
    scan_id = served.volume()
    tab.goto(f"{served.address}/scan/{scan_id}")
    tab.wait_for_selector("[data-do=view][value=coronal]:not([disabled])")
    tab.click("[value=coronal]")
    shown = tab.locator("[data-view=coronal] .map")
    until(lambda: shown.evaluate("each => each.naturalWidth") > 0)
    size = shown.evaluate("each => [each.naturalWidth, each.naturalHeight]")
    assert size == [20, 16]  # square pixels: 8 slices of 2 mm
    before = tab.inner_text("#slice-number")
    tab.keyboard.press(".")
    assert tab.inner_text("#slice-number") != before
    tab.keyboard.press("Space")
    assert shown.evaluate("each => getComputedStyle(each).opacity") == "0"
    assert "3.25 ml" in tab.inner_text(".findings")
    tab.click(".findings button")
    assert (
        tab.inner_text("#slice-number") == "20 of 24"
    )  # the finding's, in the plane that is shown
    tab.click("[value=axial]")
    assert tab.inner_text("#slice-number") == "7 of 8"


def test_a_volume_is_shown_in_three_planes(served: Pages, tab: Any) -> None:
    if not NIIVUE.is_file():
        pytest.skip("no libraries from npm on this machine")
    scan_id = served.volume()
    tab.goto(f"{served.address}/scan/{scan_id}")
    tab.click("[data-do=view][value=planes]:not([disabled])")
    canvas = tab.locator("[data-view=planes] canvas")

    def levels() -> int:
        with Image.open(io.BytesIO(canvas.screenshot())) as picture:
            return len(np.unique(np.asarray(picture.convert("L"))))

    until(lambda: levels() > 40)  # a black canvas with a crosshair has few
    assert tab.locator("#said.bad").count() == 0
    tab.keyboard.press("Space")
    assert not tab.is_checked("#map-on")


def test_hostile_text_runs_nowhere(served: Pages, tab: Any) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)<_script>"
    scan_id = served.picture(f"{hostile}.png", 0.9, scanner=hostile)
    tab.goto(f"{served.address}/")
    tab.locator(f"#scan-{scan_id}").get_by_text(hostile).first.wait_for()
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".scan-page")
    tab.fill("[name=note]", hostile)
    tab.fill("#review [name=reviewer]", hostile)
    tab.click("#review [value=suspicious]")
    tab.wait_for_url(f"{served.address}/")
    tab.goto(f"{served.address}/scan/{scan_id}")
    assert hostile in tab.inner_text("#review .held")


def test_a_foreign_page_can_neither_read_nor_review(served: Pages, tab: Any) -> None:
    scan_id = served.picture("a.png", 0.9)
    target = f"{served.address}/scan/{scan_id}/review"

    class Foreign(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            form = f'<form method="post" action="{target}"><input name="answer" value="normal">'
            body = f"{form}<button>go</button></form>".encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Foreign) as foreign:
        threading.Thread(target=foreign.serve_forever, daemon=True).start()
        tab.goto(f"http://127.0.0.1:{foreign.server_address[1]}/")
        with tab.expect_response(target) as answer:
            tab.click("button")
        assert answer.value.status == 403
        foreign.shutdown()
    assert standing_reviews(served.site.engine) == []

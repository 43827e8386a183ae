"""The pages in Chromium: signing in, reading a list by keys, maps, hostile text, foreign pages."""

import io
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from db.repository.intake.scans import register_scans
from db.repository.reports.reviews import reviews, standing_reviews
from db.repository.scoring.decisions import FoundPart, HeatmapFile, ScoredScan, append_scored
from mriad_model.enums import HeatmapKind, Side, Verdict
from tests.support.processes.waiting import until
from tests.support.record.hand import NOON, Hand
from tests.web.conftest import SECRET, Pages
from web.access import Access, sign_in_token
from web.app import create_app
from web.pages.images.volumes import NIIVUE
from web.site import Site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WHY_NOT = "no Chromium and playwright on this machine"
# Without a graphics card WebGL2 is drawn in software.
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
AFFINE = [-1.0, 0, 0, 0, 0, -1.0, 0, 0, 0, 0, 2.0, 0, 0, 0, 0, 1.0]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip(WHY_NOT)
    playwright = pytest.importorskip("playwright.sync_api", reason=WHY_NOT)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def served(site: Site) -> Iterator[Pages]:
    """The pages at a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    here = replace(site, access=Access(SECRET, (f"127.0.0.1:{port}",), site.access.used))
    app = create_app(here)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    hand = Hand(site.engine)
    yield Pages(here, hand, TestClient(app, base_url=f"http://127.0.0.1:{port}"), *hand.ready())
    server.should_exit = True
    thread.join()
    listener.close()


def address(pages: Pages) -> str:
    return f"http://{pages.site.access.hosts[0]}"


@pytest.fixture
def tab(chromium: Any, served: Pages) -> Iterator[Any]:
    """A tab that is signed in; it fails where a script of a page does, or says so."""
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: wrong.append(dialog.message))
    tab.goto(f"{address(served)}/sign-in?token={sign_in_token(SECRET)}")
    tab.wait_for_url(f"{address(served)}/")
    yield tab
    context.close()
    assert wrong == []


def test_ten_scans_are_reviewed_by_ten_keys_and_no_reload(served: Pages, tab: Any) -> None:
    scans = [served.picture(f"{n}.png", 0.9 - n / 100) for n in range(11)]
    tab.goto(f"{address(served)}/")
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


def test_a_picture_is_filtered_opened_and_reviewed(served: Pages, tab: Any) -> None:
    served.picture("worse.png", 0.9, scanner="GE")
    chosen = served.picture("chosen.png", 0.8, scanner="Prisma")
    following = served.picture("next.png", 0.7, scanner="Prisma")
    tab.goto(f"{address(served)}/")
    tab.click("text=Prisma >> nth=0")
    tab.wait_for_url("**/?scanner=Prisma")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/scan/{chosen}?scanner=Prisma")
    over = tab.locator(".layers .map")
    assert over.evaluate("each => each.naturalWidth > 0 && getComputedStyle(each).opacity") == "1"
    tab.keyboard.press("Space")
    assert over.evaluate("each => getComputedStyle(each).opacity") == "0"
    assert tab.locator(".layers .source").evaluate("each => each.naturalWidth") > 0
    tab.keyboard.press("Space")
    assert over.evaluate("each => getComputedStyle(each).opacity") == "1"
    tab.fill("[name=note]", "left parietal")
    tab.locator("[name=note]").blur()
    tab.keyboard.press("s")
    tab.wait_for_url(f"**/scan/{following}?scanner=Prisma")
    (row,) = standing_reviews(served.site.engine)
    assert (row.scan_id, row.verdict, row.note) == (chosen, Verdict.SUSPICIOUS, "left parietal")
    tab.goto(f"{address(served)}/scan/{chosen}")
    tab.keyboard.press("u")
    tab.wait_for_selector("#review:not(:has(.held))")
    assert standing_reviews(served.site.engine) == []


def test_tags_are_ticked_by_digits_and_enter_in_a_field_saves_nothing(
    served: Pages, tab: Any
) -> None:
    scan_id = served.picture("a.png", 0.9)
    tab.goto(f"{address(served)}/scan/{scan_id}")
    tab.keyboard.press("1")
    tab.keyboard.press("t")
    tab.keyboard.type("Cyst")
    tab.keyboard.press("Enter")
    tab.keyboard.press("i")
    tab.keyboard.type("no s, n or h here")
    tab.keyboard.press("Enter")
    assert standing_reviews(served.site.engine) == []
    tab.keyboard.press("s")
    tab.wait_for_url(f"{address(served)}/")
    (row,) = standing_reviews(served.site.engine)
    assert (row.tags, row.note) == ("cyst motion", "no s, n or h here")


def volume(pages: Pages) -> tuple[int, int]:
    """A volume of 8 slices with its view written, as `tasks.reports.volume_view` does: its ids."""
    seen = pages.hand.series(
        "v", ["inbox/v/1.dcm"], n_files=1, shape=[8, 24, 20], affine=AFFINE, contrast="FLAIR"
    )
    (found,) = register_scans(pages.site.engine, [seen])
    (pages.site.home / "heatmaps").mkdir(exist_ok=True)
    (pages.site.home / "heatmaps/v.jpg").write_bytes(b"")
    maps = [
        HeatmapFile(HeatmapKind.MONTAGE, 0, "heatmaps/v.jpg", "ab" * 32),
        HeatmapFile(HeatmapKind.VOLUME, 0, "heatmaps/v.nii.gz", "cd" * 32),
    ]
    row = ScoredScan(
        found.scan_id,
        0.9,
        (0.1, 0.9, 0.2),
        maps,
        Verdict.SUSPICIOUS,
        0.1,
        positions=(2, 5, 6),
        findings=[FoundPart(3.25, 9.0, (-5.0, -4.0, 12.0), Side.LEFT)],  # voxel 5, 4, 6
    )
    recipe = '{"volumes": {"slicing": {"plane": "axial"}}}'
    model_id = pages.hand.model(1, "volumes", recipe)
    threshold_id = pages.hand.threshold(model_id, 1)
    append_scored(pages.site.engine, model_id, threshold_id, [row], pages.hand.run(), NOON)
    folder = pages.site.home / f"views/{found.scan_id}-2-{'cd' * 8}"
    folder.mkdir(parents=True)
    voxels = np.arange(20 * 24 * 8, dtype=np.uint8).reshape(20, 24, 8)
    for name in ("source.nii", "map.nii"):
        nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0])).to_filename(folder / name)
    np.save(folder / "tables.npy", np.full((256, 4), 90, np.uint8))
    about = {"shape": voxels.shape, "spacing": [1.0, 1.0, 2.0]}
    (folder / "view.json").write_text(json.dumps(about))
    return found.scan_id, 2


def test_a_volume_shows_its_slices(served: Pages, tab: Any) -> None:
    scan_id, _ = volume(served)
    tab.goto(f"{address(served)}/scan/{scan_id}")
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
    assert tab.inner_text("#slice-number") == "7 of 8"
    assert tab.locator("[data-view=axial]").is_visible()


def test_a_volume_is_shown_in_three_planes(served: Pages, tab: Any) -> None:
    if not NIIVUE.is_file():
        pytest.skip("no libraries from npm on this machine")
    scan_id, _ = volume(served)
    tab.goto(f"{address(served)}/scan/{scan_id}")
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
    tab.goto(f"{address(served)}/")
    tab.locator(f"#scan-{scan_id}").get_by_text(hostile).first.wait_for()
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".scan-page")
    tab.fill("[name=note]", hostile)
    tab.fill("#review [name=reviewer]", hostile)
    tab.click("#review [value=suspicious]")
    tab.wait_for_url(f"{address(served)}/")
    tab.goto(f"{address(served)}/scan/{scan_id}")
    assert hostile in tab.inner_text("#review .held")


def test_a_foreign_page_can_neither_read_nor_review(served: Pages, tab: Any) -> None:
    scan_id = served.picture("a.png", 0.9)
    target = f"{address(served)}/scan/{scan_id}/review"

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

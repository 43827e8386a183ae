"""The viewer of a scan's page in Chromium: enlarging, the peaks of findings; `u` after a review."""

from typing import Any

import pytest

from db.repository.reports.reviews import reviews, standing_reviews
from db.repository.scoring.decisions import FoundPart
from mriad_model.enums import Side
from tests.web.conftest import SIDE, Pages

PART = FoundPart(0.013, 9.0, (12.0, 50.0, 0.0), Side.LEFT)
SHOWN = "() => document.querySelector('.layers .map').naturalWidth > 0"
# Where a place of the picture lies in the stage: 0 and 1 are its edges.
SEEN = """([x, y]) => {
  const stage = document.querySelector(".stage:not([hidden])").getBoundingClientRect();
  const layers = document.querySelector(".stage:not([hidden]) .layers").getBoundingClientRect();
  const side = Math.min(layers.width, layers.height);
  const left = layers.left + (layers.width - side) / 2 + x * side;
  const top = layers.top + (layers.height - side) / 2 + y * side;
  return [(left - stage.left) / stage.width, (top - stage.top) / stage.height];
}"""
RING = """() => {
  const ring = document.querySelector(".stage:not([hidden]) .mark:not([hidden]) circle");
  if (!ring) return null;
  const box = ring.getBoundingClientRect();
  const stage = document.querySelector(".stage:not([hidden])").getBoundingClientRect();
  return [(box.left + box.width / 2 - stage.left) / stage.width,
          (box.top + box.height / 2 - stage.top) / stage.height];
}"""


def test_a_picture_grows_about_its_centre_or_its_marked_finding(served: Pages, tab: Any) -> None:
    scan_id = served.picture("a.png", 0.9, findings=[PART])
    tab.goto(f"{served.address}/scan/{scan_id}")
    tab.wait_for_function(SHOWN)
    assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    for _ in range(3):
        tab.keyboard.press("+")
    assert tab.evaluate(SEEN, [0.5, 0.5]) == pytest.approx([0.5, 0.5], abs=0.03)
    tab.keyboard.press("0")
    assert tab.evaluate(RING) is None
    tab.keyboard.press("f")
    peak = [(12 + 0.5) / SIDE, (50 + 0.5) / SIDE]
    assert tab.evaluate(RING) == pytest.approx(tab.evaluate(SEEN, peak), abs=0.01)
    for _ in range(3):
        tab.keyboard.press("+")
    seen = tab.evaluate(SEEN, peak)
    assert tab.evaluate(RING) == pytest.approx(seen, abs=0.01)
    assert all(0 < each < 1 for each in seen)


def test_a_finding_of_a_volume_is_ringed_in_each_plane_at_its_slice(
    served: Pages, tab: Any
) -> None:
    tab.goto(f"{served.address}/scan/{served.volume()}")
    tab.click("[data-do=view][value=coronal]:not([disabled])")
    tab.wait_for_function("() => document.querySelector('[data-view=coronal] .map').naturalWidth")
    tab.keyboard.press("f")  # voxel 5, 4, 6 of 20, 24, 8; the grid runs to the left and to the back
    for plane, shown in (("coronal", "20 of 24"), ("axial", "7 of 8"), ("sagittal", "15 of 20")):
        tab.click(f"[data-do=view][value={plane}]")
        assert tab.inner_text("#slice-number") == shown
        tab.wait_for_function(RING)
    tab.keyboard.press(".")
    assert tab.evaluate(RING) is None


def test_the_next_scans_slices_are_drawn_while_this_one_is_read(served: Pages, tab: Any) -> None:
    volume = served.volume(value=0.8)
    scan_id = served.picture("a.png", 0.9)
    with tab.expect_request(f"**/views/{volume}/*.json"), tab.expect_request("**/file"):
        tab.goto(f"{served.address}/scan/{scan_id}")
    assert tab.url.endswith(f"/scan/{scan_id}")
    tab.wait_for_load_state("networkidle")  # no answer is left unread: it would hold a connection


def test_space_on_a_montage_says_that_its_map_stays(served: Pages, tab: Any) -> None:
    tab.goto(f"{served.address}/scan/{served.volume()}")
    tab.keyboard.press(" ")
    assert "the montage keeps its map" in tab.inner_text("#said")


def test_u_on_the_next_scan_withdraws_the_review_just_saved(served: Pages, tab: Any) -> None:
    scans = [served.picture(f"{n}.png", 0.9 - n / 100) for n in range(3)]
    tab.goto(f"{served.address}/scan/{scans[0]}")
    tab.keyboard.press("s")
    tab.wait_for_selector(f".scan-page[data-scan='{scans[1]}']")
    tab.wait_for_selector(f"#said a[href='/scan/{scans[0]}']")
    tab.keyboard.press("u")
    tab.wait_for_selector(f".scan-page[data-scan='{scans[0]}']")  # to be answered anew
    assert standing_reviews(served.site.engine) == []
    assert reviews(served.site.engine)[-1].scan_id == scans[0]
    assert tab.inner_text(".steps").startswith("1 of 3")
    tab.goto(f"{served.address}/")
    assert tab.inner_text("#list-title") == "3 scans to read"
    tab.keyboard.press("n")
    tab.wait_for_selector("#list-title:has-text('2 scans to read')")

"""Every page of a home that has little in it yet."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tests.support.record.hand import Hand
from tests.web.conftest import ORIGIN, SECRET
from web.access import SignIn, sign_in_token
from web.rendering import NAVIGATION
from web.site import Site

ADDRESSES = (
    *(address for address, _ in NAVIGATION),
    "/?verdict=any&reviewed=any&sort=newest&words=a",
    "/worklist.csv",
    "/worklist.json",
    "/population?scan=1",
    "/rejections",
)


def calibrated(hand: Hand) -> None:
    model_id, _ = hand.ready(AUTOENCODER.to_json())
    hand.decide(model_id, None, {2: 0.4})  # the calibration scan's score


HOMES: dict[str, Callable[[Hand], object]] = {
    "fresh": lambda _: None,
    "scans without decisions": lambda hand: hand.scans("a", "b"),
    "a model without decisions": calibrated,
}


@pytest.fixture(params=HOMES)
def browser(request: pytest.FixtureRequest, site: Site, app: SignIn) -> TestClient:
    HOMES[request.param](Hand(site.engine))
    browser = TestClient(app, base_url=ORIGIN)
    assert browser.get(f"/sign-in?token={sign_in_token(SECRET)}").status_code == 200
    return browser


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_opens_on_a_home_without_decisions(browser: TestClient, address: str) -> None:
    answer = browser.get(address)
    assert answer.status_code == 200
    if address == "/":
        assert "Nothing is scored yet" in answer.text
        assert "has been reviewed" not in answer.text
        assert "mriad score" in answer.text
    if address == "/population":
        assert "0 scans" in answer.text


def test_every_scan_that_is_not_normal_has_been_reviewed_only_where_scans_were_decided(
    site: Site, app: SignIn
) -> None:
    hand = Hand(site.engine)
    model_id, threshold_id = hand.ready()
    hand.decide(model_id, threshold_id, {hand.scans("a")[0]: 0.1})
    browser = TestClient(app, base_url=ORIGIN)
    browser.get(f"/sign-in?token={sign_in_token(SECRET)}")
    text = browser.get("/").text
    assert "every scan that is not normal has been reviewed" in text
    assert "Nothing is scored yet" not in text

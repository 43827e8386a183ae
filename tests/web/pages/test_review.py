"""Reviews from the pages: two readers of one scan, who may not see each other's."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from db.repository.reports.reviews import standing_reviews
from mriad_model.enums import LabelSource, LabelValue
from tests.web.conftest import ORIGIN, SECRET, Pages
from web.access import sign_in_token
from web.app import create_app
from web.pages.population import CALIBRATION


def as_reader(pages: Pages, name: str) -> Pages:
    """The same pages in the browser of another reader."""
    browser = TestClient(pages.browser.app, base_url=ORIGIN)
    assert browser.get(f"/sign-in?token={sign_in_token(SECRET)}").status_code == 200
    found = replace(pages, browser=browser)
    assert found.form("/reviewer", reviewer=name).status_code == 303
    return found


@pytest.fixture
def blind(pages: Pages) -> tuple[Pages, Pages]:
    """Two readers of one site whose readings are blind."""
    site = replace(pages.site, blind=True)
    browser = TestClient(create_app(site), base_url=ORIGIN)
    both = replace(pages, site=site, browser=browser)
    return as_reader(both, "Ann"), as_reader(both, "Bob")


def test_neither_reader_sees_the_other_before_a_word_of_ones_own(
    blind: tuple[Pages, Pages],
) -> None:
    ann, bob = blind
    scan_id = ann.picture("a.png", 0.9, patient="p1")
    other = ann.picture("b.png", 0.2, patient="p1")
    ann.review(scan_id, "abnormal", note="left parietal", tags="cyst")
    assert ann.listed() == []
    assert bob.listed() == [scan_id]  # it waits for a second reading
    addresses = (
        "/",
        "/?verdict=any&reviewed=any",
        f"/scan/{scan_id}",
        f"/scan/{other}",  # that lists it among exams of the patient
        "/worklist.json?reviewed=any",
        "/worklist.csv?reviewed=any",
    )
    for address in addresses:
        text = bob.get(address).text
        for secret in ("Ann", "left parietal", "cyst", ", labelled", '"abnormal"', ",abnormal"):
            assert secret not in text.replace('value="abnormal"', ""), (address, secret)
    assert bob.listed("?reviewed=any&tag=cyst") == []
    assert bob.review(scan_id, "normal").status_code == 303
    text = bob.get(f"/scan/{scan_id}").text
    assert "left parietal" in text
    assert "Ann" in text
    assert bob.listed("?reviewed=any&tag=cyst") == [scan_id]
    assert "Bob" in ann.get(f"/scan/{scan_id}").text


def test_an_imported_label_is_listed_whether_or_not_another_reader_labelled(
    blind: tuple[Pages, Pages],
) -> None:
    ann, bob = blind
    scan_id = ann.picture("a.png", 0.9)
    ann.hand.label(scan_id, LabelValue.HEALTHY, LabelSource.FOLDER)

    def labels() -> list[str | None]:
        scans = bob.get("/worklist.json?reviewed=any").json()["scans"]
        return [each["label"] for each in scans]

    assert labels() == ["healthy"]
    ann.review(scan_id, "abnormal")
    assert labels() == ["healthy"]
    bob.review(scan_id, "normal")
    assert labels() == ["abnormal"]


def test_trends_of_a_blind_reader_count_ones_own_verdicts(blind: tuple[Pages, Pages]) -> None:
    ann, bob = blind
    scan_id = ann.picture("a.png", 0.9)
    bob.review(scan_id, "suspicious")
    ann.review(scan_id, "normal")
    assert "<b>1 of 1</b> suspicious scans that you have" in bob.get("/trends").text
    assert "<b>0 of 1</b> suspicious scans that you have" in ann.get("/trends").text


def test_population_shows_a_blind_reader_no_calibration_scan_that_another_labelled(
    blind: tuple[Pages, Pages],
) -> None:
    ann, bob = blind
    (calibrates,) = ann.hand.scans("calibrates")
    ann.hand.decide(ann.model_id, ann.threshold_id, {calibrates: 0.41})
    row = f">{CALIBRATION}<"
    assert row in bob.get("/population").text
    assert ann.review(calibrates, "normal").status_code == 303
    assert row in ann.get("/population").text
    assert row not in bob.get("/population").text
    assert bob.review(calibrates, "normal").status_code == 303
    assert row in bob.get("/population").text


def test_a_blind_reader_withdraws_ones_own_review_alone(blind: tuple[Pages, Pages]) -> None:
    ann, bob = blind
    scan_id = ann.picture("a.png", 0.9)
    ann.review(scan_id, "suspicious")
    refused = bob.review(scan_id, "withdraw", held=1)
    assert refused.status_code == 404
    bob.review(scan_id, "normal")
    assert ann.review(scan_id, "withdraw", held=1).status_code == 303  # though Bob came since
    (held,) = standing_reviews(ann.site.engine)
    assert held.reviewer == "Bob"
    assert ann.listed() == [scan_id]
    assert "Bob" not in ann.get(f"/scan/{scan_id}").text.replace("Bobby", "")


def test_where_readings_are_not_blind_all_see_all(pages: Pages) -> None:
    ann, bob = as_reader(pages, "Ann"), as_reader(pages, "Bob")
    scan_id = ann.picture("a.png", 0.9)
    ann.review(scan_id, "suspicious", note="left parietal")
    assert "left parietal" in bob.get(f"/scan/{scan_id}").text
    assert bob.listed() == []

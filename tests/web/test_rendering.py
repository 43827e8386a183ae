"""What all pages say and hide."""

import re

import pytest

from mriad_model.enums import NOTICE
from tests.web.conftest import Pages
from web.app import STATIC
from web.rendering import NAVIGATION, figure, interval, percent, sigmas


@pytest.mark.parametrize("address", [address for address, _ in NAVIGATION] + ["/scan/1"])
def test_each_page_says_that_it_is_for_research(pages: Pages, address: str) -> None:
    answer = pages.get(address)
    assert answer.status_code == 200
    assert NOTICE in answer.text


def test_no_screen_is_too_narrow_for_the_notice() -> None:
    rules = re.findall(r"\.notice \{([^}]*)\}", (STATIC / "pages.css").read_text())
    assert rules
    assert not any("display: none" in rule or "visibility" in rule for rule in rules)


def test_numbers_are_short_and_missing_ones_are_dashes() -> None:
    assert figure(0.12345) == "0.123"
    assert figure(None) == figure(float("nan")) == sigmas(None) == sigmas(float("nan"))
    assert sigmas(-1.26).endswith("1.3 σ")  # noqa: RUF001
    assert sigmas(2.0, 2) == "+2.00 σ"  # noqa: RUF001


def test_a_percent_sign_stays_on_its_line_and_an_interval_has_one_number_of_decimals() -> None:
    assert percent(0.112) == "11.2\u00a0%"
    assert interval(0.00519, 0.0713) == "0.52\u00a0% to 7.13\u00a0%"
    assert interval(0.112, 0.255, "-") == "11.2\u00a0%-25.5\u00a0%"
    assert interval(0.5, 1.0) == "50\u00a0% to 100\u00a0%"

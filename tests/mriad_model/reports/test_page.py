"""Every page: complete, self-contained, and inert whatever files are called."""

import re
from dataclasses import replace

import pytest

from mriad_model.enums import NOTICE
from mriad_model.reports.evaluation_report import render_evaluation
from mriad_model.reports.run_report import (
    render_score_report,
)
from tests.support.reports import (
    EVIL,
    PNG,
    PROVENANCE,
    Page,
    evaluation,
    evaluation_page,
    night,
    night_page,
)

PAGES = [pytest.param(evaluation_page, id="evaluation"), pytest.param(night_page, id="night")]


@pytest.mark.parametrize("render", PAGES)
def test_the_notice_comes_first_and_last(render) -> None:
    text = Page(render()).text
    body = text[text.index(NOTICE) :].strip()
    assert body.startswith(NOTICE)
    assert body.endswith(NOTICE)


@pytest.mark.parametrize("render", PAGES)
def test_nothing_is_loaded_from_elsewhere(render) -> None:
    html = render()
    page = Page(html)
    assert page.addresses
    loaded = [each for each in page.addresses if each != "index.html"]  # the list of reports
    assert all(address.startswith("data:image/") for address in loaded)
    assert not re.search(r"https?://|@import|url\(", html)
    assert "default-src 'none'" in html


@pytest.mark.parametrize("render", PAGES)
def test_a_file_named_like_a_script_is_only_a_name(render) -> None:
    page = Page(render())
    assert "script" not in page.tags
    assert EVIL in page.text
    assert "49" not in re.findall(r"\d+\.png", page.text)


def test_the_same_report_gives_the_same_page() -> None:
    assert render_evaluation(evaluation(), PROVENANCE) == evaluation_page()
    assert render_score_report(night()) == night_page()


def test_pictures_are_declared_as_what_they_are() -> None:
    report = night(1)
    scan = report.suspicious[0]
    for data, kind in ((PNG, "png"), (b"\xff\xd8\xff", "jpeg"), (b"RIFF0000WEBP", "webp")):
        found = replace(report, suspicious=[replace(scan, heatmap=data)])
        assert f"data:image/{kind};base64," in render_score_report(found)

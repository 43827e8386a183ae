"""Nothing serious that axe-core finds on any page, and every action has a key."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from db.entities import RecordedWarning, Rejection, Report
from db.repository.intake.rejections import append_rejections
from db.repository.reports.reports import append_report
from db.repository.reports.reviews import standing_reviews
from db.repository.scoring.warnings import append_warnings
from mriad_model.enums import DecisionReason, RejectionReason, Verdict, WarningKind
from mriad_model.reports.run_report import render_score_report
from tests.support.places import REPOSITORY
from tests.support.processes.waiting import until
from tests.support.record.hand import NOON
from tests.support.reports import night
from tests.web.conftest import Pages, record_in, serving, signed_in, site_in

AXE: Final = REPOSITORY / "web/node_modules/axe-core/axe.min.js"
GRAVE: Final = ("serious", "critical")
ADDRESSES: Final = (
    "/",
    "/?verdict=any&reviewed=any&sort=newest",
    "/?words=nothing",
    "/scan/{picture}",
    "/scan/{volume}",
    "/scan/{refused}",
    "/scan/1",  # without a decision
    "/population",
    "/trends",
    "/runs",
    "/rejections",
    "/models",
    "/models/compare?one=1&other=2",
    "/threshold",
    "/nowhere",
)
OPEN_ALL: Final = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"


def with_something_on_every_page(served: Pages) -> dict[str, int]:
    """The ids of its scans."""
    ids = {
        "volume": served.volume(),
        "picture": served.picture("a.png", 0.9, scanner="GE", patient="p1"),
        "other": served.picture("b.png", 0.8, scanner="Prisma", patient="p1"),
        "refused": served.picture(
            "c.png", 2.0, verdict=Verdict.NOT_SCORABLE, reason=DecisionReason.UNLIKE_LEARNED
        ),
        "normal": served.picture("d.png", 0.2, scanner="GE"),
    }
    browser = served.browser
    browser.cookies.set(served.site.access.cookie, served.site.access.new_session())
    token = served.site.access.form_token(browser.cookies[served.site.access.cookie])
    for reviewer in ("Ann", "Bob"):
        answer = browser.post(
            f"/scan/{ids['other']}/review",
            data={"token": token, "answer": "abnormal", "tags": "cyst", "reviewer": reviewer},
            headers={"Origin": served.address},
            follow_redirects=False,
        )
        assert answer.status_code == 303
    engine, run_id = served.site.engine, served.hand.run()
    reject = Rejection("inbox/x", 1, 1, "ab", RejectionReason.CORRUPT, "cut off", run_id, NOON)
    append_rejections(engine, [reject])
    warning = RecordedWarning(WarningKind.DRIFT, json.dumps({}), "Scores drift.", run_id, NOON)
    append_warnings(engine, [warning])
    (served.site.home / "reports").mkdir(exist_ok=True)
    (served.site.home / "reports/score-run-1.html").write_text(render_score_report(night()))
    append_report(engine, Report(run_id, "reports/score-run-1.html", None, NOON, NOON))
    return ids


@pytest.fixture(scope="module")
def site_once(
    chromium: Any, migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pages, dict[str, int], Any, list[str]]]:
    """Pages with something on each, a tab that is signed in to them, and what went wrong in it."""
    folder = tmp_path_factory.mktemp("pages")
    with (
        record_in(migrated, folder) as engine,
        serving(site_in(folder, engine)) as served,
        signed_in(chromium, served) as (tab, wrong),
    ):
        yield served, with_something_on_every_page(served), tab, wrong


@pytest.fixture
def seen(
    site_once: tuple[Pages, dict[str, int], Any, list[str]],
) -> Iterator[tuple[Pages, dict[str, int], Any]]:
    """For one test that looks at them, and changes nothing."""
    *seen, wrong = site_once
    yield tuple(seen)
    assert wrong == []


def grave_faults(tab: Any) -> list[str]:
    """What axe-core finds on the page that is open, of the two gravest kinds."""
    tab.evaluate(AXE.read_text())
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']} {node['html'][:120]}"
        for each in found["violations"]
        for node in each["nodes"]
        if each["impact"] in GRAVE
    ]


needs_axe = pytest.mark.skipif(not AXE.is_file(), reason="no libraries from npm on this machine")


@needs_axe
@pytest.mark.parametrize("address", ADDRESSES)
def test_axe_finds_nothing_serious_on_any_page(
    seen: tuple[Pages, dict[str, int], Any], address: str
) -> None:
    served, filled, tab = seen
    tab.goto(served.address + address.format(**filled))
    tab.wait_for_load_state("networkidle")
    tab.evaluate(OPEN_ALL)
    assert grave_faults(tab) == []


@needs_axe
def test_axe_finds_nothing_serious_in_the_list_of_keys_and_in_a_report(
    seen: tuple[Pages, dict[str, int], Any],
) -> None:
    served, _, tab = seen
    tab.goto(f"{served.address}/")
    tab.keyboard.press("?")
    tab.wait_for_selector("dialog[open]")
    assert grave_faults(tab) == []
    # As a file: the pages serve reports in a sandbox, in which axe-core does not run either.
    tab.goto((served.site.home / "reports/score-run-1.html").as_uri())
    assert grave_faults(tab) == []


def test_what_is_done_by_mouse_is_done_by_keys(served: Pages, tab: Any) -> None:
    filled = with_something_on_every_page(served)
    for letter, path in {
        "p": "population", "t": "trends", "r": "runs", "m": "models", "h": "threshold", "w": "",
    }.items():  # fmt: skip
        tab.keyboard.press("g")
        tab.keyboard.press(letter)
        tab.wait_for_url(f"{served.address}/{path}")
    tab.goto(f"{served.address}/scan/{filled['picture']}")
    for _ in range(3):
        tab.keyboard.press("[")
    assert tab.locator("#opacity").evaluate("each => each.value") == "30"
    shown = tab.locator(".layers .map").evaluate("each => getComputedStyle(each).opacity")
    assert float(shown) == pytest.approx(0.3)
    tab.goto(f"{served.address}/scan/{filled['volume']}")
    tab.wait_for_selector("[data-do=view][value=coronal]:not([disabled])")
    tab.keyboard.press("f")
    assert tab.inner_text("#slice-number") == "7 of 8"
    tab.keyboard.press("v")
    assert tab.locator("[data-view=axial]").is_hidden()
    tab.keyboard.press("u")
    tab.wait_for_selector("#said.bad")  # nobody has reviewed it
    tab.keyboard.press("a")
    until(lambda: len(standing_reviews(served.site.engine, filled["volume"])) == 1)


def test_the_keys_on_the_page_are_those_of_the_handbook() -> None:
    root = REPOSITORY
    told = (root / "web/templates/base.html.j2").read_text().split('class="keys"')[1]
    shown = set(re.findall(r"<kbd>(.*?)</kbd>", told.split("</dl>")[0]))
    table = (root / "docs/web.md").read_text().split("## Keys")[1].split("##")[0]
    written = {each.replace("-", "−") for each in re.findall(r"`([^`]{1,2})`", table)}  # noqa: RUF001
    assert shown - {"Enter", "Space", "Esc"} == written

"""Days by scanner, rejections, what reviews say of the flags, how far readers agree."""

from dataclasses import replace

from db.entities import RecordedWarning, Rejection
from db.repository.intake.rejections import append_rejections
from db.repository.scoring.warnings import append_warnings
from mriad_model.enums import RejectionReason, WarningKind
from mriad_model.evaluation.metrics.agreement import FEWEST
from tests.support.record.hand import NOON
from tests.web.conftest import Pages

FIFTH = "2026-11-05T09:00:00.000000+00:00"


def test_a_line_a_day_and_scanner(pages: Pages) -> None:
    for number, value in enumerate((0.9, 0.8, 0.2, 0.1)):
        pages.picture(f"g{number}.png", value, scanner="GE", now=FIFTH)
    pages.picture("old.png", 0.9, scanner="Prisma")
    text = pages.get("/trends?days=7").text
    line = text.split("2026-11-05</a>")[1].split("</tr>", maxsplit=1)[0]
    assert "GE" in line
    assert (
        '<td class="number">4</td><td class="number">2</td><td class="number">50\u00a0%</td>'
        in line
    )
    assert "Prisma" in text
    assert "Prisma" not in pages.get("/trends?days=1").text
    assert pages.get("/trends?days=0").status_code == 400


def test_a_line_says_what_reviews_confirm_and_which_warnings_name_its_scanner(pages: Pages) -> None:
    scans = [pages.picture(f"{n}.png", 0.9, scanner="GE", now=FIFTH) for n in range(4)]
    pages.picture("p.png", 0.9, scanner="Prisma", now=FIFTH)
    for scan_id, word in zip(scans, ("suspicious", "normal", "suspicious"), strict=False):
        pages.review(scan_id, word)
    drift = RecordedWarning(
        WarningKind.SCANNER_DRIFT, '{"scanner": "GE"}', "Scores drift.", pages.hand.run(), FIFTH
    )
    append_warnings(pages.site.engine, [drift])
    ge, prisma = pages.get("/trends").text.split("2026-11-05</a>")[1:3]
    assert "2 of 3 <span" in ge
    assert ">scanner drift</a>" in ge
    assert " of " not in prisma.split("</tr>")[0]
    assert "scanner drift" not in prisma.split("</tr>")[0]


def test_rejections_are_counted_by_day_and_reason(pages: Pages) -> None:
    pages.picture("a.png", 0.9, now=FIFTH)
    rows = [
        Rejection(name, 3, 5, None, reason, "", pages.hand.run(), FIFTH, ctime_ns=5)
        for name, reason in (
            ("b", RejectionReason.EMPTY),
            ("c", RejectionReason.EMPTY),
            ("d", RejectionReason.TOO_LARGE),
        )
    ]
    old = replace(rows[0], path="e", created_at=NOON.replace("11-01", "10-01"))
    append_rejections(pages.site.engine, [*rows, old])
    text = pages.get("/trends?days=7").text.split("Rejections in this time")[1]
    assert "2 empty</a>, <a" in text
    assert "1 too large</a>" in text
    assert "2026-10-01" not in text


def test_what_reviews_say_of_the_flags(pages: Pages) -> None:
    first, second = pages.picture("a.png", 0.9), pages.picture("b.png", 0.8)
    assert "no suspicious scan has been reviewed yet" in pages.get("/trends").text
    pages.review(first, "suspicious", reviewer="Ann")
    pages.review(second, "normal", reviewer="Ann")
    text = pages.get("/trends").text
    assert "<b>1 of 2</b> suspicious scans" in text
    assert "no scan has been reviewed by two readers yet" in text
    pages.review(first, "suspicious", reviewer="Bob")
    pages.review(second, "suspicious", reviewer="Bob")
    assert "on <b>1 of 2</b> scans that several reviewed" in pages.get("/trends").text


def test_two_readers_agree_beyond_chance_or_are_too_few(pages: Pages) -> None:
    scans = [pages.picture(f"{n}.png", 0.9) for n in range(FEWEST)]
    for number, scan_id in enumerate(scans):
        word = "suspicious" if number % 2 else "normal"
        pages.review(scan_id, word, reviewer="Ann")
        if number:
            pages.review(scan_id, "suspicious" if number == 2 else word, reviewer="Bob")
    text = pages.get("/trends").text
    assert "Ann, Bob" in text
    assert f"too few: {FEWEST} needed" in text
    assert "Blind reading is off" in text
    pages.review(scans[0], "normal", reviewer="Bob")
    line = pages.get("/trends").text.split("Ann, Bob")[1].split("</tr>", maxsplit=1)[0]
    assert '<td class="number">20</td><td class="number">95\u00a0%' in line
    assert ">0.90 <span" in line


def test_without_decisions_the_page_says_so(pages: Pages) -> None:
    assert "Nothing has been decided yet" in pages.get("/trends").text

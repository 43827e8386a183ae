"""The page of a scoring run."""

from dataclasses import replace

from mriad_model.delivery.pending import PendingFolder, PendingFolders, PendingReason
from mriad_model.enums import DecisionReason, RejectionReason, Verdict
from mriad_model.rejections import RejectedItem
from mriad_model.reports.changes import (
    ActiveNow,
    Changes,
)
from mriad_model.reports.page import MOST_ROWS, SCAN_MARK
from mriad_model.reports.run_report import (
    MOST_FOLDERS,
    MOST_PICTURES,
    MOST_WAITING,
    HealthyFlagged,
    SuspiciousScan,
    WarningLine,
    render_score_report,
)
from tests.support.reports import CHANGES, EVIL, PNG, PROVENANCE, Page, night, night_page


def test_a_page_bears_the_head_of_the_record() -> None:
    assert PROVENANCE.head is not None
    assert PROVENANCE.head in Page(night_page()).text
    without = replace(night(), provenance=replace(PROVENANCE, head=None))
    assert "is its head" not in render_score_report(without)


def test_the_worst_scan_comes_first_with_its_distance_from_healthy() -> None:
    text = Page(render_score_report(night(3))).text
    assert text.index("inbox/2.png") < text.index("inbox/1.png") < text.index("inbox/0.png")
    assert "+6.0" in text  # (2 - 0.5) / 0.25


def test_a_page_says_what_the_figures_at_a_picture_are() -> None:
    text = " ".join(Page(render_score_report(night(3))).text.split())
    assert "score 2 = +6.0 \N{GREEK SMALL LETTER SIGMA} above healthy, p 0.050" in text
    assert "in each picture and below it, is in the model's own unit; beside it, how many" in text


def test_a_run_of_thousands_stays_a_page_and_says_how_many_more_there_are() -> None:
    html = render_score_report(night(MOST_ROWS + 50, MOST_ROWS + 7))
    assert Page(html).tags.count("img") == MOST_PICTURES
    assert "50 more suspicious scans are in the record" in html
    assert "7 more are in the record" in html


def test_scans_not_scored_are_counted_with_the_reason() -> None:
    text = Page(night_page()).text
    assert "Notscored73" in "".join(text.split())
    assert "no model of this kind" in text


def test_a_night_that_left_folders_for_another_time_is_no_silent_one() -> None:
    waiting = [
        PendingFolder(f"inbox/{i:03}{EVIL}", PendingReason.COPYING, 2, None)
        for i in range(MOST_WAITING + 9)
    ]
    left = PendingFolders(waiting, 1200, missing=f"/srv/{EVIL}")
    report = replace(night(0, 0), new=0, scored=0, skipped=(), pending=left)
    page = Page(render_score_report(report))
    text = " ".join(page.text.split())
    assert "The watched folder is missing /srv/" in text
    assert "1200 deliveries are not scored yet inbox/000" in text
    assert "and 1197 more" in text
    assert f"And 1100 more; the table beside this page holds {MOST_WAITING + 9}." in text
    assert "not known" in text
    assert "None: the watched folder is missing." in text
    assert "script" not in page.tags


def test_a_silent_night_is_not_an_empty_page() -> None:
    report = replace(night(0, 0), new=0, scored=0, skipped=())
    text = Page(render_score_report(report)).text
    assert "0 suspicious of 0 scored scans" in text
    assert "No file was rejected." in text


def test_a_calibration_too_small_for_so_many_looks_is_said_to_be() -> None:
    report = night()
    assert "cannot be told" not in Page(night_page()).text  # 7 looks, 98 scans: 69 are enough
    many = replace(report, scored=100)
    assert "needs at least 999 healthy calibration scans" in Page(render_score_report(many)).text
    twins = replace(report, threshold=replace(report.threshold, n_groups=40))
    assert (
        "of 7 scans stands out cannot be told: that needs at least 69"
        in Page(render_score_report(twins)).text
    )
    assert "and there are 40 (near-duplicates" in Page(render_score_report(twins)).text
    assert "None of 7 stands out at a false" in Page(night_page()).text


def test_scans_that_stand_out_among_all_of_the_night_are_marked() -> None:
    report = night()
    first, *rest = report.suspicious
    found = replace(report, suspicious=[replace(first, stands_out=True), *rest], n_stand_out=1)
    text = Page(render_score_report(found)).text
    assert "1 of 7 stand out at a false discovery rate of 10 %" in text
    assert text.count("stands out") == 1


def test_what_came_of_the_promised_rate_stands_beside_it() -> None:
    report = night()
    line = replace(report.threshold, promise="5.0 % (95 % interval 0.6 % to 13 %)")
    healthy = HealthyFlagged(40, 3, "7.5 % (95 % interval 1.6 % to 20 %)", 4, 3)
    page = Page(render_score_report(replace(report, threshold=line, healthy=healthy)))
    text = " ".join(page.text.split())
    assert "it flags 5.0 % (95 % interval 0.6 % to 13 %) of healthy scans" in text
    assert "called healthy, seen by neither training nor calibration, 3 flagged: 7.5 %" in text
    assert "of 4 that a reviewer called healthy or normal, 3 flagged (reviewers look" in text
    assert "What came of it" not in Page(night_page()).text


def test_a_quantile_threshold_is_named_as_one() -> None:
    report = night()
    quantile = replace(report, threshold=replace(report.threshold, policy="quantile", k=0.95))
    assert "quantile 0.95" in Page(render_score_report(quantile)).text


def test_the_morning_after_tells_what_came_what_warns_and_how_long_it_took() -> None:
    report = replace(
        night(),
        kinds=[("picture files", 7)],
        folders=[(f"inbox/ward-{i}", 30 - i) for i in range(MOST_FOLDERS + 2)],
        warnings=[WarningLine("2026-11-23T05:59:00.1+00:00", f"Scores have drifted. {EVIL}")],
        since="2026-11-22T06:00:00.5+00:00",
        steps=[("prepare", 75.2), ("score", 0.4)],
        csv="score-run-3.csv",
        model=replace(night().model, active_since="2026-11-22T01:00:00+00:00", why="better"),
    )
    page = Page(render_score_report(report))
    text = " ".join(page.text.split())
    assert "7 picture files" in text
    assert "inbox/ward-0" in text
    assert "And 2 more folders." in text
    assert "A warning 2026-11-23 05:59:00 UTC: Scores have drifted." in text
    assert "1 since the last report, 2026-11-22 06:00:00 UTC" in text
    assert "prepare1 min 15 s" in text
    assert "Activesince 2026-11-22 01:00:00 UTC: better" in text
    assert "score-run-3.csv" in page.addresses
    assert "script" not in page.tags
    quiet = " ".join(Page(night_page()).text.split())
    assert "New scans None." in quiet
    assert "None. Recent scores are compared" in quiet


def test_a_night_tells_what_changed_since_its_scans_were_decided() -> None:
    active_now = ActiveNow(3, 5, "2026-11-20T03:00:00+00:00")
    page = render_score_report(replace(night(), changes=CHANGES, active_now=active_now))
    text = " ".join(Page(page).text.split())
    assert "A new model was trained and not activated" in text
    assert "Model 2 stayed active" in text
    assert "Threshold 5 of model 3 is active since 2026-11-20 03:00:00 UTC" in text
    assert "to activate it: mriad activate 5" in text
    (tried,) = CHANGES.comparisons
    later = Changes(comparisons=[replace(tried, promoted=True, active=False)])
    text = Page(render_score_report(replace(night(), changes=later))).text
    assert "It replaced model 2, but is no longer active." in text
    assert "mriad activate" not in text
    assert "A new model" not in Page(render_score_report(night())).text


def test_uncertain_and_not_scorable_scans_are_told_with_their_reason_and_not_as_normal() -> None:
    uncertain = SuspiciousScan(
        f"inbox/u{EVIL}", 7, 107, 1.25, 0.25, None, verdict=Verdict.UNCERTAIN,
        reason=DecisionReason.NEAR_THRESHOLD,
    )  # fmt: skip
    unlike = SuspiciousScan(
        "inbox/photo.png", 8, 108, 98.75, 0.0125, PNG, verdict=Verdict.NOT_SCORABLE,
        reason=DecisionReason.UNLIKE_LEARNED,
    )  # fmt: skip
    failed = RejectedItem(
        "inbox/v.nii", RejectionReason.UNREGISTERED, f"fit 0.2 {EVIL}", of_scan=True, scan_id=32
    )
    report = replace(
        night(0, 0),
        unsure=[uncertain, unlike],
        unscored=[failed],
        n_uncertain=3,
        n_not_scorable=2,
    )
    page = Page(render_score_report(report))
    text = " ".join(page.text.split())
    assert "Uncertain3" in "".join(page.text.split())
    assert "Notscorable2" in "".join(page.text.split())
    assert "other calibration scans could decide otherwise" in text
    assert "2 more uncertain scans are in the record" in text
    assert "another sequence, plane or source, or no head" in text
    assert "registration failed: fit 0.2" in text
    assert "98.75" not in text  # a score that says nothing
    assert "0.0125" not in text
    assert page.tags.count("script") == 0


def test_a_scan_without_a_score_is_named_by_its_id_and_leads_to_its_page() -> None:
    failed = RejectedItem(
        "inbox/v.nii", RejectionReason.UNREGISTERED, "fit 0.2", of_scan=True, scan_id=32
    )
    report = replace(night(0, 0), unscored=[failed], n_not_scorable=1)
    found = SCAN_MARK.findall(render_score_report(report))
    assert [scan_id for _, _, scan_id in found] == ["32"]
    served = replace(report.provenance, pages="http://127.0.0.1:8600")
    page = render_score_report(replace(report, provenance=served))
    assert 'href="http://127.0.0.1:8600/scan/32">32</a>' in page
    of_before = replace(failed, scan_id=None)
    page = render_score_report(replace(report, unscored=[of_before]))
    assert SCAN_MARK.findall(page) == []
    assert ">None<" not in page

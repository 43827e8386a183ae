"""Reports: complete, self-contained, and inert whatever files are called."""

import csv
import io
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest

from mriad_model.delivery.pending import PendingFolder, PendingFolders, PendingReason
from mriad_model.detection.training import TrainingSummary
from mriad_model.enums import NOTICE, RejectionReason
from mriad_model.evaluation.metrics import Advantage, Interval, measure, roc_band
from mriad_model.evaluation.protocol import EvaluationProtocol
from mriad_model.evaluation.results import FoldResult, Picture, RowKind, ScoreRow
from mriad_model.evaluation.roc import FoldScores
from mriad_model.evaluation.summary import EvaluatedRow, EvaluationReport, Rival, Sigmas
from mriad_model.recipes import DEFAULT
from mriad_model.rejections import RejectedItem
from mriad_model.reports.changes import (
    ActiveNow,
    ChangeLine,
    Changes,
    ModelComparison,
    compared_figures,
    comparison_scans_text,
    why_in_words,
)
from mriad_model.reports.evaluation_report import render_evaluation
from mriad_model.reports.page import MOST_ROWS, Provenance
from mriad_model.reports.run_report import (
    MOST_FOLDERS,
    MOST_PICTURES,
    MOST_WAITING,
    ModelLine,
    ScoreReport,
    SuspiciousScan,
    ThresholdLine,
    WarningLine,
    render_score_report,
)
from mriad_model.reports.table import worklist_csv
from mriad_model.reports.weekly_report import DayLine, ReviewTally, RunLine, WeekReport, render_week

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
EVIL = "\"><script>alert(1)</script>'{{ 7*7 }}.png"
PROVENANCE = Provenance(
    created_at="2026-11-23T06:00:00Z",
    source="inbox",
    software_version="0.1.0",
    git_sha="abc1234",
    libraries={"torch": "2.13.0", "numpy": "2.4.6"},
    device="cpu",
    seconds=12.5,
    run_id=3,
    head="1234:abababababababababababababababab:2026-11-23T06:00:00Z",
)


def evaluation(
    protocol: EvaluationProtocol = EvaluationProtocol.HELDOUT, *, abnormal: int = 6
) -> EvaluationReport:
    fold = FoldScores(
        repeat=0,
        fold=0,
        healthy_ids=(0, 1, 2, 3),
        healthy_scores=(0.0, 1.0, 2.0, 0.5),
        abnormal_ids=tuple(range(10, 10 + abnormal)),
        abnormal_scores=tuple(1.5 + i for i in range(abnormal)),
        threshold_value=1.2,
        mean=0.5,
        sd=0.7,
        n_calibration=9,
    )
    metrics = measure([fold], resamples=50)
    line = FoldResult(
        protocol=protocol,
        repeat=0,
        fold=0,
        recipe="{}",
        plan="{}",
        n_files=25,
        n_folded_away=5,
        n_contradictory=2,
        n_train=12,
        n_validation=4,
        n_calibration=9,
        rows=(ScoreRow("model", RowKind.MODEL, fold),),
        training=TrainingSummary(5, 3, 0.01, 2.0, 12, 4),
        epochs=(),
        pictures=(),
        seconds=3.0,
    )
    return EvaluationReport(
        protocol=protocol,
        recipe=DEFAULT.to_json(),
        plan='{"k": 1.0, "policy": "sigmas", "seed": 0}',
        n_files=25,
        n_folded_away=5,
        n_contradictory=2,
        rows=(
            EvaluatedRow("model", RowKind.MODEL, metrics),
            EvaluatedRow("autoencoder", RowKind.DETECTOR, metrics),
            EvaluatedRow("entropy", RowKind.BASELINE, metrics, 0.763),
        ),
        rival=None,
        roc=roc_band([fold], 20),
        sigmas=Sigmas((0.0, 1.0), (2.0,) if abnormal else (), 1.0),
        folds=(line,),
        pictures=(Picture(EVIL, "healthy", 2.5, True, PNG),),
        seconds=3.0,
    )


def night(n_suspicious: int = 2, rejections: int = 1) -> ScoreReport:
    scans = [
        SuspiciousScan(f"inbox/{i}.png", i, 100 + i, float(i), 0.05, PNG)
        for i in range(n_suspicious)
    ]
    return ScoreReport(
        provenance=PROVENANCE,
        model=ModelLine(1, "f" * 64, "default", "2026-11-22T00:00:00Z"),
        threshold=ThresholdLine(4, "sigmas", 1.0, 0.5, 0.25, 98, 0.75),
        new=7,
        known=5,
        scored=7,
        n_suspicious=n_suspicious,
        suspicious=scans,
        rejections=[
            RejectedItem(f"inbox/broken{i}.jpg", RejectionReason.TRUNCATED, EVIL)
            for i in range(rejections)
        ],
        skipped=[(71, EVIL), (2, "no model of this kind")],
    )


class Page(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += data


@cache
def evaluation_page() -> str:
    return render_evaluation(evaluation(), PROVENANCE)


@cache
def night_page() -> str:
    return render_score_report(night())


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
    assert all(address.startswith("data:image/") for address in page.addresses)
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


def test_a_page_bears_the_head_of_the_record() -> None:
    assert PROVENANCE.head is not None
    assert PROVENANCE.head in Page(night_page()).text
    without = replace(night(), provenance=replace(PROVENANCE, head=None))
    assert "is its head" not in render_score_report(without)


def test_memorisation_is_shouted_in_the_seed_protocol_and_only_there() -> None:
    banner = "MEMORISATION: train, threshold and test are the same images"
    assert banner in render_evaluation(evaluation(EvaluationProtocol.SEED), PROVENANCE)
    assert "MEMORISATION" not in evaluation_page()


def test_an_evaluation_shows_rows_folds_rejections_and_recipe() -> None:
    lines = [RejectedItem("no/x.jpg", RejectionReason.TRUNCATED, "ends early")] * 2
    text = Page(render_evaluation(evaluation(), PROVENANCE, lines)).text
    for expected in (
        "Autoencoder alone",
        "Grey-level entropy",
        "area with the direction taken from the labels: 0.763",
        "5 counted once per group",
        "2 excluded: their group has both labels",
        "2 truncated.",
        "max_minus_median",
        "torch 2.13.0",
    ):
        assert expected in text


def test_a_lead_that_could_be_chance_is_said_to_be_none() -> None:
    for low, unsure in ((-0.02, True), (0.02, False)):
        rival = Rival("entropy", True, 0.763, Advantage(0.05, Interval(low, 0.12)))
        text = Page(render_evaluation(replace(evaluation(), rival=rival), PROVENANCE)).text
        assert "with its direction taken from the labels" in text
        assert ("neither is shown to be better" in text) == unsure


def test_an_evaluation_without_abnormal_images_says_so_and_has_no_roc() -> None:
    html = render_evaluation(evaluation(abnormal=0), PROVENANCE)
    assert "n/a" in html
    assert "ROC curve" not in html


def test_the_worst_scan_comes_first_with_its_distance_from_healthy() -> None:
    text = Page(render_score_report(night(3))).text
    assert text.index("inbox/2.png") < text.index("inbox/1.png") < text.index("inbox/0.png")
    assert "+6.0" in text  # (2 - 0.5) / 0.25


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


def test_the_longest_waiting_stand_first_and_each_folder_once() -> None:
    old, new = (
        PendingFolder(name, PendingReason.COPYING, 1, f"2026-11-0{day}")
        for day, name in ((1, "old"), (2, "new"))
    )
    both = PendingFolders([new], 1).and_also(
        PendingFolders([old, replace(new, why=PendingReason.CHANGED)], 2)
    )
    assert (both.folders, both.n) == ([old, new], 2)


def test_a_silent_night_is_not_an_empty_page() -> None:
    report = replace(night(0, 0), new=0, scored=0, skipped=())
    text = Page(render_score_report(report)).text
    assert "0 suspicious of 0 scored scans" in text
    assert "No file was rejected." in text


def test_a_calibration_too_small_for_so_many_looks_is_said_to_be() -> None:
    report = night()
    assert "that takes" not in Page(night_page()).text  # 7 looks, 98 scans: 69 are enough
    assert (
        "that takes 999 calibration scans"
        in Page(render_score_report(replace(report, scored=100))).text
    )


def test_a_quantile_threshold_is_named_as_one() -> None:
    report = night()
    quantile = replace(report, threshold=replace(report.threshold, policy="quantile", k=0.95))
    assert "quantile 0.95" in Page(render_score_report(quantile)).text


def test_pictures_are_declared_as_what_they_are() -> None:
    report = night(1)
    scan = report.suspicious[0]
    for data, kind in ((PNG, "png"), (b"\xff\xd8\xff", "jpeg"), (b"RIFF0000WEBP", "webp")):
        found = replace(report, suspicious=[replace(scan, heatmap=data)])
        assert f"data:image/{kind};base64," in render_score_report(found)


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


def test_the_table_beside_the_page_is_csv_that_calculates_nothing() -> None:
    lines = [
        {"result": "suspicious", "path": 'inbox/a, "b".png', "score": 2.5, "scan_id": 7},
        {"result": "rejected", "path": "=HYPERLINK(1)", "reason": "empty"},
    ]
    rows = list(csv.DictReader(io.StringIO(worklist_csv(lines))))
    assert [row["path"] for row in rows] == ['inbox/a, "b".png', "'=HYPERLINK(1)"]
    assert rows[0]["score"] == "2.5"
    assert {row["notice"] for row in rows} == {NOTICE}


FIGURES = {
    "n_healthy": 22,
    "n_abnormal": 3,
    "needed": 15,
    "auroc_margin": 0.05,
    "rate_margin": 0.1,
    "implanted": {"current": 0.8, "candidate": 0.7, "difference": -0.1, "at_least": -0.125},
    "abnormal": {"current": 0.9, "candidate": 0.8, "difference": -0.1, "at_least": -0.3},
    "false_positives": {"current": 3, "candidate": 2, "n": 22, "at_most": 0.027},
    "caught": {"current": 0.46, "candidate": 0.31},
}
CHANGES = Changes(
    lines=[ChangeLine("2026-11-20T01:00:00+00:00", "threshold 4 activated", f"trained {EVIL}")],
    comparisons=[
        ModelComparison(
            created_at="2026-11-20T03:00:00+00:00",
            promoted=False,
            active=False,
            why=f"it may be worse {EVIL}",
            candidate_model=3,
            candidate_threshold=5,
            current_model=2,
            current_threshold=4,
            scans=comparison_scans_text(FIGURES),
            confidence="90 %",
            figures=compared_figures(FIGURES),
        )
    ],
)


def week(**changes: object) -> WeekReport:
    report = WeekReport(
        provenance=PROVENANCE,
        since="2026-11-16T06:00:00.000000+00:00",
        until="2026-11-23T06:00:00.000000+00:00",
        days=[DayLine("2026-11-20", 3, 1, 40, 38, 5, 2), DayLine("2026-11-21", 1, 0, 2, 2, 0, 0)],
        scans=39,
        n_suspicious=2,
        runs=[
            RunLine(
                9, "nightly", "2026-11-21T02:00:00+00:00", 62.0, "completed", "2 new", "a.html"
            ),
            RunLine(8, "nightly", "2026-11-20T02:00:00+00:00", None, "running or interrupted", ""),
        ],
        suspicious=list(night().suspicious),
        warnings=[WarningLine("2026-11-20T02:01:00+00:00", "Scores have drifted.")],
        changes=CHANGES,
        reviews=ReviewTally(agreed=3, called_normal=2),
    )
    return replace(report, **changes)


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


def test_a_reason_stands_without_the_figures_beside_it() -> None:
    told = "AUROC on implanted lesions 0.700 against 0.800, 2 of 22 healthy scans flagged"
    refused = f"refused: it may flag more healthy scans than the margin allows; {told}"
    plain = "it may flag more healthy scans than the margin allows"
    assert why_in_words(refused, promoted=False, compared=True) == plain
    assert why_in_words(f"promoted: {told}", promoted=True, compared=True).startswith(
        "it is no worse than"
    )
    few = "refused: 6 healthy scans are too few to tell; 15 are needed"
    assert why_in_words(few, promoted=False, compared=False) == few.removeprefix("refused: ")
    forced = f"promoted because it was forced, otherwise {few}"
    assert why_in_words(forced, promoted=True, compared=False) == forced


def test_a_week_tells_its_runs_flags_warnings_comparisons_and_reviews() -> None:
    page = Page(render_week(week()))
    text = " ".join(page.text.split())
    assert "2 suspicious of 39 scans decided in the days to 2026-11-23" in text
    assert "2026-11-20314038" in text.replace(" ", "")  # the day's runs, failures, new, scored
    assert "threshold 4 activated" in text
    assert "New model 3 not activated, 2026-11-20 03:00:00 UTC" in text
    assert "22 healthy scans and 3 abnormal ones that neither was trained on" in text
    cells = text.replace(" ", "")
    assert "healthyscans0.7000.800atleast−0.125atleast−0.050maybeworsethanallowed" in cells  # noqa: RUF001
    assert "abnormalscans0.8000.900atleast−0.300atleast−0.050toofewtodecide" in cells  # noqa: RUF001
    assert "flagged2of223of22atmost+2.7%atmost+10.0%withinthemargin" in cells
    assert "Drawnlesionsflagged31.0%46.0%−15.0%–forinformationonly" in cells  # noqa: RUF001
    assert "5 decisions reviewed: 3 agreed with, 2 suspicious ones called normal" in text
    assert "running or interrupted" in text
    assert "1 min 2 s" in text
    assert "Scores have drifted." in text
    assert "No model is active." in text
    assert "a.html" in page.addresses
    assert "script" not in page.tags
    assert NOTICE in text


def test_a_week_in_which_nothing_happened_says_so() -> None:
    quiet = week(
        days=[], scans=0, n_suspicious=0, runs=[], suspicious=[], warnings=[], changes=Changes(),
        reviews=ReviewTally(),
    )  # fmt: skip
    text = " ".join(Page(render_week(quiet)).text.split())
    assert "No runs." in text
    assert "No decision was reviewed" in text
    assert "no new model was trained" in text

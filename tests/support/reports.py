"""Reports with something in every part, and a page as a browser sees it."""

from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.enums import RejectionReason
from mriad_model.evaluation.metrics.roc import FoldScores
from mriad_model.evaluation.metrics.scan_metrics import measure, roc_band
from mriad_model.evaluation.protocol import EvaluationProtocol
from mriad_model.evaluation.results import FoldResult, Picture, RowKind, ScoreRow
from mriad_model.evaluation.summary import EvaluatedRow, EvaluationReport, Sigmas
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from mriad_model.rejections import RejectedItem
from mriad_model.reports.changes import (
    ChangeLine,
    Changes,
    ModelComparison,
    compared_figures,
    comparison_scans_text,
)
from mriad_model.reports.evaluation_report import render_evaluation
from mriad_model.reports.page import Provenance
from mriad_model.reports.run_report import (
    ModelLine,
    ScoreReport,
    SuspiciousScan,
    ThresholdLine,
    WarningLine,
    render_score_report,
)
from mriad_model.reports.weekly_report import DayLine, ReviewTally, RunLine, WeekReport

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
        recipe=AUTOENCODER.to_json(),
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

"""Drift as a night's run meets it: a row, a sentence, once."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from db.entities import Label, Model, Scan, Sighting, Threshold
from db.repository.intake.labels import append_labels
from db.repository.intake.scans import register_scans
from db.repository.reports.history import decisions, tally
from db.repository.reports.history_query import HistoryQuery
from db.repository.scoring.decisions import ScoredScan, append_scored
from db.repository.scoring.scores import calibration_scores
from db.repository.scoring.warnings import warnings
from db.repository.training.models import (
    activate,
    activations,
    append_model,
    append_threshold,
    freeze_dataset,
    threshold_by_id,
)
from db.timestamps import now
from mriad_model.detection.decisions.thresholds import fit_threshold
from mriad_model.enums import (
    DecisionReason,
    LabelSource,
    LabelValue,
    Policy,
    Role,
    ScanKind,
    Verdict,
    WarningKind,
)
from mriad_model.recipes.built_in_recipes import AUTOENCODER, DEFAULT
from mriad_model.recipes.recipe import Recipe
from tasks.calibration.thresholds import append_proposal, decide_again, propose
from tasks.scoring.drift import check_drift
from tests.tasks.conftest import Bench

RNG = np.random.default_rng(0)
LINE = 1.0


@pytest.fixture
def nights(bench: Bench) -> "Nights":
    return Nights(bench)


class Nights:
    """A model with forty calibration scans of mean 0 and sd 1, and the scans of its nights."""

    def __init__(self, bench: Bench, recipe: Recipe = AUTOENCODER) -> None:
        self.bench, self.n = bench, 0
        calibrates = self.scans(40, None)
        members = [(each, Role.CALIBRATION, each) for each in calibrates]
        dataset = freeze_dataset(bench.engine, members, bench.run_id)
        model = Model("a" * 64, "models/a", recipe.to_json(), dataset, "{}", bench.run_id, now())
        self.model = append_model(bench.engine, model)
        threshold = Threshold(
            self.model, dataset, Policy.SIGMAS, 0.0, 1.0, 40, 1.0, LINE, bench.run_id, now()
        )
        self.threshold = append_threshold(bench.engine, threshold)
        self.again = replace(threshold, k=1.5)
        activate(bench.engine, self.threshold, "first", "me")
        self.decide(calibrates, RNG.normal(size=40))

    def scans(self, n: int, scanner: str | None) -> list[int]:
        rows = []
        for _ in range(n):
            self.n += 1
            name = f"{self.n:064d}"
            kind = ScanKind.IMAGE
            scan = Scan(name, kind, None, None, None, scanner, "{}", 1, self.bench.run_id, now())
            rows.append((scan, [Sighting(0, f"{name}.png", 1, 2, 3, self.bench.run_id, now())]))
        return [each.scan_id for each in register_scans(self.bench.engine, rows)]

    def decide(
        self, scan_ids: Sequence[int], values: Sequence[float], gate: float | None = None
    ) -> None:
        """Decide as a threshold without an interval does; not scorable above a gate of 1."""
        unlike = gate is not None and gate > 1
        rows = [
            ScoredScan(
                scan_id,
                float(value),
                verdict=Verdict.NOT_SCORABLE
                if unlike
                else Verdict.SUSPICIOUS
                if value > LINE
                else Verdict.NORMAL,
                p_value=0.5,
                gate=gate,
            )
            for scan_id, value in zip(scan_ids, values, strict=True)
        ]
        append_scored(self.bench.engine, self.model, self.threshold, rows, self.bench.run_id, now())

    def night(
        self,
        n: int,
        shift: float = 0.0,
        scanner: str | None = None,
        gate: float | None = None,
    ) -> list[int]:
        ids = self.scans(n, scanner)
        self.decide(ids, RNG.normal(shift, size=n), gate)
        return ids

    def label(
        self,
        scan_ids: Sequence[int],
        value: LabelValue,
        source: LabelSource = LabelSource.FOLDER,
    ) -> None:
        said = [Label(each, value, source, "me", now()) for each in scan_ids]
        append_labels(self.bench.engine, said)

    def check(self) -> list[str]:
        return check_drift.fn(str(self.bench.home), self.bench.next_night().run_id)


def test_quiet_nights_are_quiet(nights: Nights) -> None:
    nights.night(29, shift=3.0)
    assert nights.check() == []  # too few to say
    nights.night(300)
    assert nights.check() == []


def test_a_drift_is_a_row_that_asks_for_recalibration_and_changes_nothing(nights: Nights) -> None:
    nights.night(100, shift=1.5)
    before = activations(nights.bench.engine)
    (text,) = nights.check()
    assert "score higher than the 40 healthy scans" in text
    assert "recalibrate" in text
    (row,) = warnings(nights.bench.engine)
    assert (row.kind, row.text) == (WarningKind.DRIFT, text)
    subject = json.loads(row.subject)
    assert subject["threshold_id"] == nights.threshold
    assert subject["n"] == 100
    assert subject["p"] <= 0.001
    assert activations(nights.bench.engine) == before


def test_the_same_is_not_said_every_night_but_again_of_another_threshold(nights: Nights) -> None:
    nights.night(100, shift=1.5)
    assert len(nights.check()) == 1
    nights.night(10, shift=1.5)
    assert nights.check() == []
    nights.threshold = append_threshold(nights.bench.engine, nights.again)
    activate(nights.bench.engine, nights.threshold, "recalibrated", "me")
    nights.night(100, shift=1.5)
    assert len(nights.check()) == 1


def test_a_scanner_that_drifts_is_named(nights: Nights) -> None:
    nights.night(60, scanner="GE Signa")
    nights.night(60, shift=-1.5, scanner="Philips Ingenia")
    (text,) = nights.check()
    assert "of the scanner Philips Ingenia score lower than" in text
    (row,) = warnings(nights.bench.engine)
    assert row.kind is WarningKind.SCANNER_DRIFT


def test_scans_that_a_person_called_abnormal_are_no_drift(nights: Nights) -> None:
    nights.night(60)
    ill = nights.night(60, shift=4.0)
    nights.label(ill, LabelValue.ABNORMAL)
    assert nights.check() == []


def test_a_drifted_threshold_is_drawn_anew_from_scans_called_healthy_since(nights: Nights) -> None:
    engine = nights.bench.engine
    nights.label(nights.night(60, shift=1.5)[:50], LabelValue.HEALTHY)
    flagged = nights.night(10, shift=3.0)
    nights.label(flagged, LabelValue.HEALTHY, LabelSource.REVIEWER)  # drawn by their score
    old = propose(engine, Policy.SIGMAS, 1.0)
    new = propose(engine, Policy.SIGMAS, 1.0, new_healthy=True)
    assert (old.fit.n, new.fit.n) == (40, 90)
    assert new.fit.value > old.fit.value + 0.5
    row = threshold_by_id(engine, append_proposal(engine, new, nights.bench.run_id))
    again = calibration_scores(engine, row.model_id, row.dataset_id)
    assert len(again) == row.n == 90
    assert fit_threshold([each.value for each in again]).value == row.value


def test_with_no_new_healthy_scan_the_threshold_is_the_same(nights: Nights) -> None:
    engine = nights.bench.engine
    proposal = propose(engine, Policy.SIGMAS, 1.0, new_healthy=True)
    assert append_proposal(engine, proposal, nights.bench.run_id) == nights.threshold


def test_a_scanner_whose_scans_are_not_scorable_is_named_and_is_no_drift_of_scores(
    nights: Nights,
) -> None:
    nights.night(60, scanner="GE Signa")
    nights.night(60, shift=9.0, scanner="Philips Ingenia", gate=1.5)
    (text,) = nights.check()
    assert text.startswith(
        "60 of the last 60 scans of the scanner Philips Ingenia are not scorable"
    )
    (row,) = warnings(nights.bench.engine)
    assert row.kind is WarningKind.NOT_SCORABLE
    assert json.loads(row.subject)["not_scorable"] == 60
    assert nights.check() == []  # not every night


def test_a_few_scans_that_are_not_scorable_are_no_warning(nights: Nights) -> None:
    nights.night(100)
    nights.night(4, gate=1.5)
    assert nights.check() == []


def test_a_new_threshold_turns_no_scan_that_is_not_scorable(bench: Bench) -> None:
    nights = Nights(bench, DEFAULT)
    unlike = nights.night(3, shift=50.0, gate=1.2)
    near = nights.night(4, shift=-50.0, gate=0.95)
    clear = nights.night(5, shift=50.0, gate=0.3)
    proposal = propose(bench.engine, Policy.SIGMAS, 1.5)
    nights.threshold = append_proposal(bench.engine, proposal, bench.run_id)
    assert decide_again(bench.engine, nights.threshold, bench.run_id) == 40 + 12
    query = HistoryQuery(threshold_id=nights.threshold, limit=None)
    found = {row.scan_id: (row.verdict.value, row.reason) for row in decisions(bench.engine, query)}
    assert {found[i] for i in unlike} == {("not_scorable", DecisionReason.UNLIKE_LEARNED)}
    assert {found[i] for i in near} == {("uncertain", DecisionReason.NEAR_GATE)}
    assert {found[i] for i in clear} == {("suspicious", DecisionReason.ABOVE_THRESHOLD)}
    counted = tally(bench.engine, [bench.run_id])
    assert counted.scored == counted.decisions - 6  # each is decided twice

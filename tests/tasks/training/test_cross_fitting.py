"""Cross-fitted models: no threshold comes from a score by a member that saw the scan's group."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from db.engine.integrity import broken_chains
from db.entities import Threshold
from db.repository.reports.history import decisions
from db.repository.scoring.scores import calibration_scores, stored_scores
from db.repository.scoring.warnings import warnings
from db.repository.training.models import (
    activate,
    append_threshold,
    dataset_folds,
    dataset_groups,
    dataset_roles,
    freeze_dataset,
    model_by_id,
    model_folds,
    threshold_by_id,
)
from db.timestamps import now
from mriad_model.detection import scan_scores
from mriad_model.detection.decisions.head_gate import HeadGate
from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_scores import ScanScores, score_scans
from mriad_model.enums import Policy, Role, WarningKind
from mriad_model.errors import RecordError, TooFewScans
from mriad_model.phantom.lesions import Lesion
from mriad_model.preprocessing.slices import PreparedScan
from mriad_model.promotion.comparison import PromotionCriteria
from mriad_model.promotion.power import from_metrics
from mriad_model.recipes.built_in_recipes import VOLUME
from mriad_model.recipes.recipe import CrossFitting
from tasks.calibration.thresholds import append_proposal, propose
from tasks.maintenance.verify import replay_decisions
from tasks.maintenance.verify_model import Foundations
from tasks.maintenance.verify_report import ReplayReport
from tasks.promotion.candidate_figures import compare_candidate
from tasks.promotion.compare_models import score_comparison_scans
from tasks.promotion.retrain import deal_roles, decide_promotion
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.source_files import load_scans
from tasks.scoring.power import check_power
from tasks.scoring.selection import ActiveModel, find_undecided
from tasks.training import power
from tasks.training.cross_fitting import unseen
from tasks.training.train import require_calibration
from tests.support.memory import KIND, PLACES, SEEN
from tests.support.scans.laid_heads import laying_once
from tests.support.scans.phantoms import score, teach, write_head
from tests.support.sites import N_GROUPS, RECIPE, TWINS, Site, write
from tests.tasks.conftest import Bench


def test_no_calibration_score_is_by_a_member_that_saw_the_scan_s_group(site: Site) -> None:
    engine = site.bench.engine
    dataset_id, model_id, threshold_id = site.train()
    folds, groups = dataset_folds(engine, dataset_id), dataset_groups(engine, dataset_id)
    assert len(folds) == N_GROUPS + len(TWINS)
    assert len(set(groups.values())) == N_GROUPS
    assert set(dataset_roles(engine, dataset_id).values()) == {Role.TRAIN}
    of_group: dict[int, set[int]] = {}
    for scan_id, fold in folds.items():
        of_group.setdefault(groups[scan_id], set()).add(fold)
    assert all(len(each) == 1 for each in of_group.values())
    # The detector cannot but tell, from what lies in the model's file, whether it saw a group.
    scores = {each.scan_id: each.value for each in calibration_scores(engine, model_id, dataset_id)}
    assert scores.keys() == folds.keys()
    assert max(scores.values()) < SEEN / 3
    members = loaded_model(site.home, model_id, "cpu").members
    learned = np.stack([each.detectors[KIND].tensors()["learned"].numpy() for each in members])
    assert learned.shape == (3, PLACES)
    assert (learned.sum(axis=0)[learned.any(axis=0)] == 2).all()  # each group teaches two of three
    threshold = threshold_by_id(engine, threshold_id)
    assert (threshold.n, threshold.n_groups) == (len(scores), N_GROUPS)
    assert broken_chains(engine) == []


def test_power_is_measured_out_of_fold_on_one_scan_a_group(site: Site) -> None:
    engine = site.bench.engine
    dataset_id, model_id, threshold_id = site.train()
    implants = from_metrics(model_by_id(engine, model_id).metrics)
    groups = dataset_groups(engine, dataset_id)
    assert {each.group for each in implants} == set(groups.values())
    assert len(implants) == 12 * N_GROUPS  # every kind and size in each
    assert all(each.score is not None and each.score < SEEN / 3 for each in implants)
    # A detector that only remembers does not see what is implanted: the night says so, each night.
    for run in (site.bench.run_id, site.bench.next_night().run_id):
        (told,) = check_power.fn(site.home, run)
        assert f"threshold {threshold_id} is a silent detector" in told
    assert [each.kind for each in warnings(engine)] == [WarningKind.SILENT_DETECTOR] * 2
    assert propose(engine, Policy.SIGMAS, -9.0).power.found.share == 1.0  # without inference
    assert propose(engine, Policy.SIGMAS, 99.0).power.found.share == 0.0


def test_a_cross_fitted_threshold_is_verified_out_of_fold(site: Site) -> None:
    _, _, threshold_id = site.train()
    report = ReplayReport()
    engine, folder = site.bench.engine, site.bench.home / "work" / "verify"
    foundations = Foundations(site.home, "cpu", folder, quick=False, report=report)
    threshold = threshold_by_id(engine, threshold_id)
    assert foundations.weak(threshold, model_by_id(engine, threshold.model_id)) == []
    assert report.faults == []
    assert report.calibration.identical == N_GROUPS + len(TWINS)


def test_scans_of_folds_are_decided_as_calibration_scans_are(site: Site) -> None:
    _, model_id, threshold_id = site.train()
    model = ActiveModel(model_id, threshold_id, RECIPE.to_json())
    pending = find_undecided.fn(site.home, site.bench.run_id, model, site.found)
    assert len(pending.scan_ids) == N_GROUPS + len(TWINS)
    assert pending.training_scans == []


def test_a_threshold_from_another_fold_is_refused(site: Site) -> None:
    engine, run = site.bench.engine, site.bench.run_id
    dataset_id, model_id, threshold_id = site.train()
    folds, groups = dataset_folds(engine, dataset_id), dataset_groups(engine, dataset_id)
    members = [(scan_id, Role.TRAIN, groups[scan_id]) for scan_id in folds]
    turned = freeze_dataset(engine, members, run, {i: (f + 1) % 3 for i, f in folds.items()})
    assert turned != dataset_id
    drawn = replace(threshold_by_id(engine, threshold_id), dataset_id=turned, id=None)
    with pytest.raises(RecordError, match=r"calibration scan .* is in fold"):
        append_threshold(engine, drawn)
    stranger = Threshold(model_id, dataset_id, Policy.SIGMAS, 0, 1, 9, 1, 1, run, now())
    assert append_threshold(engine, stranger) > threshold_id
    twin = next(i for i in folds if list(groups.values()).count(groups[i]) == 2)
    parted = {i: (f + (i == twin)) % 3 for i, f in folds.items()}
    with pytest.raises(RecordError, match="two folds in one dataset"):
        freeze_dataset(engine, members, run, parted)
    with pytest.raises(RecordError, match="has a fold and does not train"):
        freeze_dataset(engine, [(members[0][0], Role.CALIBRATION, 0)], run, {members[0][0]: 0})


def test_recalibrating_with_new_healthy_scans_keeps_the_folds(site: Site) -> None:
    dataset_id, _, _ = site.train()
    engine = site.bench.engine
    plain = propose(engine, Policy.SIGMAS, 1.0)
    assert plain.fit.n == N_GROUPS + len(TWINS)
    assert append_proposal(engine, plain, site.bench.run_id)
    again = propose(engine, Policy.RATE, 0.2, new_healthy=True)
    threshold = threshold_by_id(engine, append_proposal(engine, again, site.bench.run_id))
    assert threshold.dataset_id == dataset_id


def test_a_retraining_keeps_each_group_s_fold_and_compares_out_of_fold(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = site.bench.engine
    dataset_id, model_id, threshold_id = site.train()
    before = dataset_folds(engine, dataset_id)
    for group in range(N_GROUPS, N_GROUPS + 6):
        write(site.folder, group)
    write(site.folder, 4, twin=True)  # of a group that the model knows
    scan_ids = before.keys() | {scan_id for scan_id, _ in site.take().seen}
    current = ActiveModel(model_id, threshold_id, RECIPE.to_json())
    work = str(site.bench.home / "work" / "retrain")
    trial = deal_roles.fn(site.home, site.bench.run_id, current, 0, work)
    after = trial.dataset.folds
    assert after.keys() == scan_ids
    assert {i: after[i] for i in before} == before
    groups = dataset_groups(engine, trial.dataset.id)
    compared = {scan_id for scan_id, _ in trial.healthy}
    assert len({groups[i] for i in compared}) == len(compared) == N_GROUPS + 6
    candidate_id, candidate_line = site.fit(trial.dataset.id, trial.dataset.scans[Role.TRAIN])
    assert compared <= unseen(engine, model_id, compared, groups)
    assert compared <= unseen(engine, candidate_id, compared, groups)
    # A new twin of a scan that the current model knows is in none of its folds: two members saw it.
    (twin,) = (i for i in scan_ids - before.keys() if groups[i] in {groups[j] for j in before})
    assert twin not in compared
    assert twin not in unseen(engine, model_id, [twin], groups)
    assert model_folds(engine, candidate_id) == after
    # Of both models the member that is asked has seen none of what it is compared on.
    run = site.bench.run_id
    both = [model_id, candidate_id]
    asked: list[tuple[int, int | None]] = []

    def noted(
        fitted: FittedModel, prepared: Sequence[PreparedScan], folds: Sequence[int | None]
    ) -> list[ScanScores]:
        asked.append((len(prepared), folds[0]))
        return score_scans(fitted, prepared, folds)

    monkeypatch.setattr(scan_scores, "score_scans", noted)
    scored = score_comparison_scans.fn(site.home, run, both, trial.healthy, [], work, "cpu")
    assert scored.healthy == [scan_id for scan_id, _ in trial.healthy]
    for each in scored.scores.values():
        assert max(each.healthy) < SEEN / 3
    # The current model never met the new ones. It is compared by one member there too, and its
    # score in the record is the mean of all, as any night would give it.
    assert all((fold is None) is (n == 1) for n, fold in asked)
    assert (1, None) in asked
    recorded = stored_scores(engine, model_id, scored.healthy)
    for scan_id, value in zip(scored.healthy, scored.scores[model_id].healthy, strict=True):
        assert value == pytest.approx(recorded[scan_id].value)
        assert (recorded[scan_id].spread is None) is (scan_id in before)
    activate(engine, threshold_id, "back", "me")
    terms = PromotionCriteria(auroc_margin=0.99, rate_margin=0.5)
    settled = decide_promotion.fn(
        site.home, run, current, candidate_line, trial, scored, terms, force=False
    )
    assert f"of {N_GROUPS + 6} healthy scans flagged" in settled.reason
    dataset = trial.dataset
    figures = compare_candidate.fn(site.home, run, dataset, candidate_line, work, "cpu")
    assert figures.active_model_id == model_id
    assert figures.model is not None
    assert figures.model["n_healthy"] == N_GROUPS + 6


def test_few_healthy_scans_keep_a_rate_that_a_split_of_them_could_not(site: Site) -> None:
    dataset = site.bench.freeze(RECIPE)
    require_calibration(site.home, dataset, Policy.RATE, 0.1)  # takes 9
    with pytest.raises(TooFewScans, match=r"takes 19 healthy .* there are 12"):
        require_calibration(site.home, dataset, Policy.RATE, 0.05)
    split = site.bench.freeze(replace(RECIPE, cross_fitting=CrossFitting(below=12)))
    assert split.folds == {}
    with pytest.raises(TooFewScans, match="takes 9 healthy"):
        require_calibration(site.home, split, Policy.RATE, 0.1)


def test_volumes_are_cross_fitted_from_training_to_replay(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, home, n = bench.engine, str(bench.home), 8
    for number in range(n):
        write_head(tmp_path / "healthy" / f"sub-{number:02}_T1w.nii.gz", number)
    recipe = VOLUME
    with laying_once():
        threshold = threshold_by_id(engine, teach(bench, tmp_path / "healthy", recipe))
    assert (threshold.n, threshold.n_groups) == (n, n)  # split, two would calibrate
    folds = model_folds(engine, threshold.model_id)
    assert sorted(folds.values()) == [0, 0, 0, 1, 1, 1, 2, 2]
    rows = calibration_scores(engine, threshold.model_id, threshold.dataset_id)
    fitted = loaded_model(home, threshold.model_id, "cpu")
    assert isinstance(fitted.gate, HeadGate)
    prepared = {each.scan_id: each.slices for each in bench.prepare(sorted(folds), recipe)}
    in_mean = [fitted.resemblances(each.batch)[0] for each in prepared.values()]
    assert fitted.gate.usual > np.median(np.log1p(np.negative(in_mean)))  # by the others' mean
    for row in rows:
        others = replace(fitted, members=(fitted.members[folds[row.scan_id]],))
        assert score_scans(others, [prepared[row.scan_id]])[0].score == row.value
    monkeypatch.setattr(power, "VOLUMES", 2)
    monkeypatch.setattr(power, "IN_VOLUMES", 2)
    loaded = partial(load_scans, home, bench.run_id)
    work = str(bench.home / "work" / "implants")
    implants = power.implant_scores(home, threshold.dataset_id, fitted, work, loaded)
    assert len(implants) == 2
    assert {each.healthy for each in implants} <= {row.value for row in rows}  # out of fold too
    write_head(tmp_path / "new" / "ill_T1w.nii.gz", 40, Lesion.INFARCT)
    score(bench, tmp_path / "new")
    (new,) = decisions(engine)
    assert stored_scores(engine, threshold.model_id, [new.scan_id])[new.scan_id].spread
    report = replay_decisions.fn(home, None, "cpu", str(bench.home / "work" / "replay"))
    assert (report.identical, report.mismatched) == (1, [])
    assert (report.calibration.identical, report.faults) == (n, [])

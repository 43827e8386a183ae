"""Scans labelled abnormal that join the training: they calibrate nothing, nor does their group."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from db.repository.scoring.scores import calibration_scores
from db.repository.training.models import (
    dataset_folds,
    dataset_groups,
    dataset_roles,
    freeze_dataset,
)
from mriad_model.datasets.labels import Labelling
from mriad_model.detection.training import adaptation
from mriad_model.detection.training.adaptation import require_learns_abnormal
from mriad_model.enums import LabelValue, Policy, Role
from mriad_model.errors import RecordError, SettingsError, TooFewScans
from mriad_model.recipes.built_in_recipes import AUTOENCODER, DEFAULT, VOLUME
from mriad_model.recipes.recipe import Recipe
from tasks.promotion.retrain import deal_roles
from tasks.runtime.model_cache import loaded_model
from tasks.scoring.preprocess import preprocess_chunk
from tasks.scoring.selection import ActiveModel, find_undecided, wanted_scans
from tasks.training.labelled_abnormal import labelled_abnormal
from tasks.training.train import FrozenDataset, calibrate, freeze_healthy, train
from tests.support.memory import KIND, SEEN
from tests.support.sites import N_GROUPS, RECIPE, TWINS, Site, write

SPLIT = replace(RECIPE, cross_fitting=None)
OF_HEALTHY, ILL = 3, (70, 71)  # a group with a healthy scan; groups of abnormal scans alone


@pytest.fixture
def ill(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[int]:
    """Three abnormal scans: one is a near-duplicate of a healthy one."""
    monkeypatch.setattr(adaptation, "NETWORK", KIND)
    folder = tmp_path / "ill"
    folder.mkdir()
    write(folder, OF_HEALTHY, twin=True)
    for group in ILL:
        write(folder, group)
    found = site.bench.ingest(folder)
    site.bench.label(folder, Labelling("me", LabelValue.ABNORMAL), found.seen)
    return {scan_id for scan_id, _ in found.seen}


def freeze(site: Site, recipe: Recipe = RECIPE) -> FrozenDataset:
    work = str(site.bench.home / "work" / "frozen")
    given = site.home, site.bench.run_id, 0, recipe.to_json(), work
    return freeze_healthy.fn(*given, use_abnormal=True)


def fitted(site: Site, dataset: FrozenDataset, recipe: Recipe = RECIPE) -> int:
    """The model of a dataset, calibrated."""
    folders = {}
    for role in (Role.TRAIN, Role.VALIDATION, Role.CALIBRATION, Role.LABELLED_ABNORMAL):
        folder = str(site.bench.home / "work" / f"{recipe.name}-{role.value}")
        wanted = wanted_scans(dataset.scans[role])
        n = preprocess_chunk.fn(site.home, site.bench.run_id, recipe.to_json(), wanted, folder)
        folders[role] = [folder] if n else []
    trained = train.fn(
        site.home,
        site.bench.run_id,
        dataset.id,
        recipe.to_json(),
        folders[Role.TRAIN],
        folders[Role.VALIDATION],
        "cpu",
        abnormal_folders=folders[Role.LABELLED_ABNORMAL],
    )
    healthy = folders[Role.TRAIN] if dataset.folds else folders[Role.CALIBRATION]
    run, k = site.bench.run_id, 1.0
    calibrate.fn(site.home, run, trained.model_id, dataset.id, healthy, Policy.SIGMAS, k, "cpu")
    return trained.model_id


def learned(site: Site, model_id: int) -> list[set[int]]:
    """The groups that each member remembers, by their numbers in the pictures."""
    members = loaded_model(site.home, model_id, "cpu").members
    tensors = [each.detectors[KIND].tensors()["learned"].numpy() for each in members]
    return [set(np.flatnonzero(each).tolist()) for each in tensors]


def test_a_member_that_scores_a_group_s_healthy_scans_learned_no_abnormal_one_of_it(
    site: Site, ill: set[int]
) -> None:
    engine = site.bench.engine
    dataset = freeze(site)
    roles, groups = dataset_roles(engine, dataset.id), dataset_groups(engine, dataset.id)
    assert {i for i, role in roles.items() if role is Role.LABELLED_ABNORMAL} == ill
    folds = dataset_folds(engine, dataset.id)
    assert not folds.keys() & ill
    assert len(folds) == N_GROUPS + len(TWINS)
    shared = {groups[i] for i in ill} & {groups[i] for i in folds}
    assert len(shared) == 1
    model_id = fitted(site, dataset)
    scores = calibration_scores(engine, model_id, dataset.id)
    assert {each.scan_id for each in scores} == folds.keys()
    assert max(each.value for each in scores) < SEEN  # in none did the member know the group
    plain = learned(site, model_id)
    own = [len(each) for each in plain]
    alone = learned(site, fitted(site, site.bench.freeze(RECIPE)))
    more = [len(a - b) for a, b in zip(plain, alone, strict=True)]
    assert own == [len(b) + n for b, n in zip(alone, more, strict=True)]
    assert more == [len(ILL)] * 3  # all members learn of both; the shared group no further one


def test_without_folds_a_healthy_scan_of_their_group_trains(site: Site, ill: set[int]) -> None:
    dataset = freeze(site, SPLIT)
    engine = site.bench.engine
    roles, groups = dataset_roles(engine, dataset.id), dataset_groups(engine, dataset.id)
    taught = {groups[i] for i in ill}
    assert {role for i, role in roles.items() if groups[i] in taught and i not in ill} == {
        Role.TRAIN
    }
    assert {Role.VALIDATION, Role.CALIBRATION} <= set(roles.values())
    model_id = fitted(site, dataset, SPLIT)
    assert max(e.value for e in calibration_scores(engine, model_id, dataset.id)) < SEEN


def test_the_record_refuses_to_calibrate_by_the_group_of_an_abnormal_scan(
    site: Site, ill: set[int]
) -> None:
    healthy, abnormal = next(iter(site.found.seen))[0], min(ill)
    members = [(healthy, Role.CALIBRATION, 1), (abnormal, Role.LABELLED_ABNORMAL, 1)]
    with pytest.raises(RecordError, match="group 1 has two roles"):
        freeze_dataset(site.bench.engine, members, site.bench.run_id)
    with pytest.raises(RecordError, match="has a fold and does not train"):
        freeze_dataset(site.bench.engine, members[1:], site.bench.run_id, {abnormal: 0})


def test_they_are_neither_scored_nor_compared_and_stay_in_a_retraining(
    site: Site, ill: set[int], tmp_path: Path
) -> None:
    dataset = freeze(site)
    model_id = fitted(site, dataset)
    model = ActiveModel(model_id, 1, RECIPE.to_json())
    read = site.bench.next_night().ingest(tmp_path / "ill")
    everything = replace(read, seen=[(i, "") for i in sorted(ill)])
    pending = find_undecided.fn(site.home, site.bench.run_id, model, everything)
    assert (pending.scan_ids, set(pending.training_scans)) == ([], ill)
    for group in (80, 81):
        write(site.folder, group)
    site.take()
    more = tmp_path / "more"
    more.mkdir()
    write(more, 90)
    new = site.bench.ingest(more)
    site.bench.label(more, Labelling("me", LabelValue.ABNORMAL), new.seen)
    work = str(site.bench.home / "work" / "retrain")
    trial = deal_roles.fn(site.home, site.bench.run_id, model, 0, work)
    assert {i for i, _ in trial.dataset.scans[Role.LABELLED_ABNORMAL]} == ill
    assert [i for i, _ in trial.abnormal] == [new.seen[0][0]]
    groups = dataset_groups(site.bench.engine, trial.dataset.id)
    assert not {groups[i] for i, _ in trial.healthy} & {groups[i] for i in ill}


def test_masks_lie_beside_the_pictures_or_in_a_folder_and_what_is_wrong_with_one_is_said(
    site: Site, ill: set[int], tmp_path: Path
) -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[32:64, 64:96] = 255
    cv2.imwrite(str(tmp_path / "ill" / f"{ILL[0]}a_mask.png"), mask)
    cv2.imwrite(str(tmp_path / "ill" / f"{ILL[1]}a_mask.png"), mask[:64])
    dataset = freeze(site)
    folder = str(site.bench.home / "work" / "ill")
    wanted = wanted_scans(dataset.scans[Role.LABELLED_ABNORMAL])
    preprocess_chunk.fn(site.home, site.bench.run_id, RECIPE.to_json(), wanted, folder)
    found = labelled_abnormal(site.home, dataset.id, [folder], RECIPE)
    assert (len(found.of_scan), found.n_masks) == (3, 1)
    assert len(found.warnings) == 1
    assert "71a_mask.png is not used: it is of (64, 128) pixels" in found.warnings[0]
    (told,) = (each for each in found.of_scan.values() if each.masked[0])
    size = RECIPE.preprocessing.size
    assert told.lesions.sum() == pytest.approx(size**2 / 16, rel=0.1)
    masks = tmp_path / "masks"
    masks.mkdir()
    cv2.imwrite(str(masks / f"{OF_HEALTHY:02}b.png"), mask)
    again = labelled_abnormal(site.home, dataset.id, [folder], RECIPE, str(masks))
    assert (again.n_masks, again.warnings) == (1, [])


def test_without_an_abnormal_scan_and_for_other_recipes_it_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_learns_abnormal(DEFAULT)
    for recipe in (AUTOENCODER, VOLUME):
        with pytest.raises(SettingsError, match="learns from healthy scans alone"):
            require_learns_abnormal(recipe)
    monkeypatch.setattr(adaptation, "NETWORK", KIND)
    with pytest.raises(TooFewScans, match="--label abnormal"):
        freeze(site)

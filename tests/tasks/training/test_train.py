"""Which scans are in a dataset, in which role, also where a model is adapted to another scanner."""

import json
from pathlib import Path

import numpy as np
import pytest

from db.repository.scoring.scores import calibration_scores
from db.repository.training.models import dataset_groups, lineage, model_by_id, model_folds
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue, Role
from mriad_model.errors import SettingsError, TooFewScans
from mriad_model.phantom.scanner import Contrast
from mriad_model.promotion.growth import GrowthCriteria
from mriad_model.recipes.built_in_recipes import VOLUME_AUTOENCODER
from tasks.promotion.growth import growth_of_pool
from tasks.promotion.retrain import deal_roles
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import Progress, listening, seconds_by_step
from tasks.scoring.selection import ActiveModel, find_undecided
from tasks.training.cross_fitting import unseen
from tasks.training.train import FrozenDataset, freeze_healthy
from tests.support.memory import SEEN
from tests.support.scans.phantoms import write_head
from tests.support.sites import N_GROUPS, RECIPE, TWINS, Site, write
from tests.tasks.conftest import Bench

OTHERS = range(40, 50)  # groups of the other scanner


def freeze_for(site: Site, model_id: int) -> FrozenDataset:
    work = str(site.bench.home / "work" / "other")
    return freeze_healthy.fn(site.home, site.bench.run_id, 0, RECIPE.to_json(), work, model_id)


class Adapted:
    """A site that adapted its first model to ten healthy pictures of another scanner."""

    def __init__(self, site: Site) -> None:
        self.own, self.base_id, _ = site.train()
        for group in OTHERS:
            write(site.folder, group)
        write(site.folder, 4, twin=True)  # of a group that the first model knows
        self.new = {scan_id for scan_id, _ in site.take().seen}
        self.dataset = freeze_for(site, self.base_id)
        self.model_id, self.threshold_id = site.fit(
            self.dataset.id, self.dataset.scans[Role.TRAIN], self.base_id
        )


def test_a_model_is_adapted_to_scans_that_are_new_to_it_and_calibrated_by_them(
    site: Site,
) -> None:
    done, engine = Adapted(site), site.bench.engine
    before = dataset_groups(engine, done.own).keys()
    adapted_to = set(done.dataset.scan_ids)
    assert not adapted_to & before
    assert len(adapted_to) == len(OTHERS)  # not the new twin of a scan that the model learned
    scores = calibration_scores(engine, done.model_id, done.dataset.id)
    assert {each.scan_id for each in scores} == adapted_to
    assert max(each.value for each in scores) < SEEN  # by the member that did not learn it
    # It began where the other left off: what that had learned is in it.
    own, origin = (loaded_model(site.home, i, "cpu") for i in (done.model_id, done.base_id))
    for fold, member in enumerate(own.members):
        learned = member.detectors["memory"].tensors()["learned"].numpy()
        began = origin.members[fold].detectors["memory"].tensors()["learned"].numpy()
        assert np.all(learned >= began)
        assert learned.sum() > began.sum()
    assert json.loads(model_by_id(engine, done.model_id).metrics)["from_model_id"] == done.base_id
    assert [each.id for each in lineage(engine, done.model_id)] == [done.base_id]


def test_all_that_a_training_does_tells_how_far_it_is_and_what_it_took(site: Site) -> None:
    """Each step comes to its end, and none goes beyond it."""
    heard: list[Progress] = []
    with listening(heard.append):
        site.train()
    last = {each.step: (each.done, each.total, each.unit) for each in heard}
    groups = (N_GROUPS, N_GROUPS, "scans")  # of a group one scan
    scans = (N_GROUPS + len(TWINS),) * 2
    assert last["implanting"] == groups
    assert last["calibrating"] == (*scans, "scans")
    done = [each.done for each in heard if each.step == "implanting"]
    assert list(dict.fromkeys(done))[:3] == [0, 1, 2]
    begun = [each.step for each in heard if each.done == 0]  # before the first of it is done
    assert {"looking for twins", "training", "implanting", "calibrating"} <= set(begun)
    steps = seconds_by_step(site.bench.run_id)
    assert {"look for twins", "train", "implant lesions", "calibrate"} <= steps.keys()


def test_what_the_first_model_learned_is_not_unseen_by_the_adapted_one(site: Site) -> None:
    done, engine = Adapted(site), site.bench.engine
    groups = dataset_groups(engine, done.own) | dataset_groups(engine, done.dataset.id)
    first = set(dataset_groups(engine, done.own))
    assert not unseen(engine, done.model_id, first, {})
    assert unseen(engine, done.model_id, done.dataset.scan_ids, {}) == set(done.dataset.scan_ids)
    assert len(groups) == len(first) + len(done.dataset.scan_ids)
    model = ActiveModel(done.model_id, done.threshold_id, RECIPE.to_json())
    pending = find_undecided.fn(site.home, site.bench.run_id, model, site.found)
    assert (pending.scan_ids, set(pending.training_scans)) == ([], first)


def test_a_retraining_adapts_the_same_model_again_without_the_first_scanner_s_scans(
    site: Site,
) -> None:
    done, engine = Adapted(site), site.bench.engine
    twin = done.new - set(done.dataset.scan_ids)
    growth = growth_of_pool(engine, done.model_id, RECIPE.to_json(), GrowthCriteria()).growth
    assert (growth.n_before, growth.n_new) == (len(OTHERS), len(twin))
    write(site.folder, 60)
    more = {scan_id for scan_id, _ in site.take().seen} - done.new
    current = ActiveModel(done.model_id, done.threshold_id, RECIPE.to_json())
    work = str(site.bench.home / "work" / "retrain")
    trial = deal_roles.fn(site.home, site.bench.run_id, current, 0, work)
    assert trial.from_model_id == done.base_id
    assert set(trial.dataset.scan_ids) == set(done.dataset.scan_ids) | (
        more - dataset_groups(engine, done.own).keys()
    )
    folds = model_folds(engine, done.model_id)
    assert {i: trial.dataset.folds[i] for i in folds} == folds


def test_without_a_new_healthy_scan_there_is_nothing_to_adapt_to(site: Site) -> None:
    _, model_id, _ = site.train()
    with pytest.raises(
        TooFewScans, match=f"none of the 15 healthy scans .* is new to model {model_id}"
    ):
        freeze_for(site, model_id)


def test_of_several_contrasts_one_has_to_be_chosen_and_is_learned_alone(
    bench: Bench, folder: Path
) -> None:
    for number in range(6):
        write_head(folder / f"head-{number}_T1w.nii.gz", number, contrast=Contrast.T1)
        write_head(folder / f"head-{number}_FLAIR.nii.gz", number, contrast=Contrast.FLAIR)
    seen = bench.ingest(folder).seen
    bench.label(folder, Labelling("me", LabelValue.HEALTHY), seen)
    with pytest.raises(SettingsError, match=r"6 FLAIR, 6 T1w.*--contrast"):
        bench.freeze(VOLUME_AUTOENCODER)
    dataset = bench.freeze(VOLUME_AUTOENCODER.with_contrast(["FLAIR"]))
    assert dataset.contrasts == ["FLAIR"] * 6

"""A site with few healthy pictures, whose model remembers which groups it learned."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from db.repository.training.models import activate
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue, Policy, Role
from mriad_model.recipes.built_in_recipes import SEED
from mriad_model.recipes.recipe import CrossFitting, DetectorRecipe
from tasks.intake.ingest import Ingested
from tasks.scoring.preprocess import preprocess_chunk
from tasks.scoring.selection import wanted_scans
from tasks.training.train import calibrate, train
from tests.support.memory import KIND
from tests.tasks.conftest import Bench

RECIPE = replace(
    SEED,
    name="memory",
    detectors=(DetectorRecipe(KIND),),
    calibrate_by_group=True,
    cross_fitting=CrossFitting(folds=3, below=30),
)
N_GROUPS = 12
TWINS = (2, 5, 7)  # groups with two files


def write(folder: Path, group: int, *, twin: bool = False) -> None:
    """A picture whose first pixel names its group; a twin is a little darker."""
    rng = np.random.default_rng(group)
    picture = np.kron(rng.uniform(40, 240, (8, 8)), np.ones((16, 16)))
    if twin:
        picture *= 0.96
    picture[0, 0] = 10 + 3 * group
    name = f"{group:02}{'b' if twin else 'a'}.png"
    cv2.imwrite(str(folder / name), picture.round().astype(np.uint8))


class Site:
    """A bench with healthy pictures of twelve groups, three of them with a twin."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder, self.home = bench, folder, str(bench.home)
        for group in range(N_GROUPS):
            write(folder, group)
        for group in TWINS:
            write(folder, group, twin=True)
        self.found = self.take()

    def take(self) -> Ingested:
        """Ingest what is new, and label it healthy."""
        found = self.bench.ingest(self.folder)
        self.bench.label(self.folder, Labelling("me", LabelValue.HEALTHY), found.seen)
        return found

    def train(self) -> tuple[int, int, int]:
        """Dataset, model and threshold, which is activated."""
        dataset = self.bench.freeze(RECIPE)
        return dataset.id, *self.fit(dataset.id, dataset.scans[Role.TRAIN])

    def fit(
        self, dataset_id: int, scans: list[tuple[int, int]], from_model_id: int | None = None
    ) -> tuple[int, int]:
        run, recipe = self.bench.run_id, RECIPE.to_json()
        folder = str(self.bench.home / "work" / f"train-{dataset_id}")
        preprocess_chunk.fn(self.home, run, recipe, wanted_scans(scans), folder)
        scratch = str(self.bench.home / "work" / f"scratch-{dataset_id}")
        trained = train.fn(
            self.home, run, dataset_id, recipe, [folder], [], "cpu", scratch, from_model_id
        )
        threshold_id = calibrate.fn(
            self.home, run, trained.model_id, dataset_id, [folder], Policy.RATE, 0.1, "cpu"
        )
        activate(self.bench.engine, threshold_id, "trained", "me")
        return trained.model_id, threshold_id

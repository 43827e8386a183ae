from dataclasses import replace

from db.entities import Model
from db.repository.scoring.decisions import ScoredScan, append_scored
from db.repository.training.models import append_model, freeze_dataset
from db.timestamps import now
from mriad_model.enums import Role
from mriad_model.recipes.built_in_recipes import AUTOENCODER, SEED
from tasks.runtime.connections import database
from tasks.scoring.calibration_scores import calibration_of


def test_the_recipe_says_whether_groups_are_counted(bench, heads):
    seen = bench.ingest(heads / "no").seen
    first, second, third, other = sorted(each[0] for each in seen)[:4]
    engine = database(str(bench.home))
    members = [(first, Role.CALIBRATION, 3), (second, Role.CALIBRATION, 3)]
    members += [(third, Role.CALIBRATION, 8), (other, Role.TRAIN, 9)]
    dataset = freeze_dataset(engine, members, bench.run_id)
    found = {}
    for recipe in (SEED, AUTOENCODER, replace(AUTOENCODER, calibrate_by_group=False)):
        name = f"{recipe.name} {recipe.calibrate_by_group}"
        row = Model(name, f"models/{name}", recipe.to_json(), dataset, "{}", bench.run_id, now())
        model = append_model(engine, row)
        rows = [ScoredScan(i, float(i), [float(i)]) for i in (first, second, third, other)]
        append_scored(engine, model, None, rows, run_id=bench.run_id, now=now())
        found[name] = calibration_of(engine, model, dataset)
    assert all(each.values == [first, second, third] for each in found.values())
    groups = {name: each.groups for name, each in found.items()}
    assert groups == {"seed False": None, "autoencoder True": (3, 3, 8), "autoencoder False": None}

"""A home with a few rows and the files that they name, made without a flow."""

import gzip
import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from sqlalchemy import Engine

from db.engine.connect import open_record
from db.entities import Model, RunEnd
from db.repository.intake.scans import register_scans
from db.repository.runs import end_run
from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
from db.repository.training.models import activate, append_model
from mriad_model.enums import HeatmapKind, RunStatus, Verdict
from mriad_model.files import write_atomically
from tasks.runtime.home import prepare_home
from tests.support.record.hand import NOON, Hand

N_HEATMAPS = 3


@dataclass(frozen=True)
class KeptHome:
    """The home, its record, and the rows' ids."""

    home: Path
    engine: Engine
    hand: Hand
    model_id: int
    threshold_id: int

    @property
    def model_file(self) -> Path:
        return next((self.home / "models").iterdir())

    @property
    def heatmap_files(self) -> list[Path]:
        return sorted(p for p in (self.home / "heatmaps").rglob("*") if p.is_file())


def kept_home(folder: Path, url: str | None = None) -> KeptHome:
    """A home in which one model has decided three scans."""
    home = prepare_home(folder)
    engine = open_record(home, url)
    hand = Hand(engine)
    train, calibration = hand.scans("taught", "calibrates")
    dataset_id = hand.dataset(train=[train], calibration=[calibration])
    weights = b"weights"
    name = hashlib.sha256(weights).hexdigest()
    write_atomically(home / "models" / f"{name[:12]}.safetensors", weights)
    model_id = append_model(
        engine,
        Model(name, f"models/{name[:12]}.safetensors", "{}", dataset_id, "{}", hand.run(), NOON),
    )
    threshold_id = hand.threshold(model_id, dataset_id)
    activate(engine, threshold_id, "first", "me")
    rows = []
    for scan_id in hand.scans(*(f"scan {n}" for n in range(N_HEATMAPS))):
        data, path = f"map {scan_id}".encode(), f"heatmaps/model-{model_id}/ab/{scan_id}.jpg"
        write_atomically(home / path, data)
        picture = HeatmapFile(HeatmapKind.SLICE, 0, path, hashlib.sha256(data).hexdigest())
        rows.append(ScoredScan(scan_id, 0.7, (0.7,), (picture,), Verdict.SUSPICIOUS, 0.25))
    append_scored(engine, model_id, threshold_id, rows, hand.run(), NOON)
    end_run(engine, RunEnd(hand.run(), RunStatus.COMPLETED, "{}", NOON))
    return KeptHome(home, engine, hand, model_id, threshold_id)


AFFINE = np.array([[-2.0, 0, 0, 10], [0, 2, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])
VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def home_with_a_map(folder: Path) -> KeptHome:
    """The same, with a picture that is not scorable and a volume, the last decided, with a map."""
    kept = kept_home(folder)
    seen = [kept.hand.seen("photograph"), kept.hand.series("v", ["in/v/1", "in/v/2"])]
    photograph, volume = (each.scan_id for each in register_scans(kept.engine, seen))
    path = f"heatmaps/model-{kept.model_id}/v.nii.gz"
    data = gzip.compress(nib.Nifti1Image(VALUES, AFFINE).to_bytes())
    write_atomically(kept.home / path, data)
    map_file = HeatmapFile(HeatmapKind.VOLUME, 0, path, hashlib.sha256(data).hexdigest())
    rows = [
        ScoredScan(photograph, 9.9, (9.9,), (), Verdict.NOT_SCORABLE, 0.25),
        ScoredScan(volume, 9.9, (9.9,), (map_file,), Verdict.SUSPICIOUS, 0.25),
    ]
    append_scored(kept.engine, kept.model_id, kept.threshold_id, rows, kept.hand.run(), NOON)
    return kept


def copied(kept: KeptHome, folder: Path, url: str | None = None) -> KeptHome:
    """A copy of a home whose record nobody has open, at most in a database copied to `url`."""
    shutil.copytree(kept.home, folder)
    engine = open_record(folder, url)
    return replace(kept, home=folder, engine=engine, hand=Hand(engine, runs=dict(kept.hand.runs)))

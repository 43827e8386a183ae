"""A small hand that fills a record with what a test needs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, text

from db.engine.connect import reading
from db.entities import Label, Model, Run, Scan, Sighting, Threshold
from db.repository.intake.labels import append_labels
from db.repository.intake.scans import register_scans
from db.repository.runs import start_run
from db.repository.scoring.decisions import Appended, ScoredScan, append_scored
from db.repository.training.models import activate, append_model, append_threshold, freeze_dataset
from mriad_model.enums import LabelSource, LabelValue, Policy, Role, ScanKind, Verdict

NOON = "2026-11-01T12:00:00.000000+00:00"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def lay_models(home: Path, *names: str) -> None:
    """The files of models of these names, as the record has them."""
    (home / "models").mkdir(exist_ok=True)
    for name in names:
        (home / "models" / name).write_text(name)


@dataclass(frozen=True)
class Hand:
    """Fills a record with what a test needs, and counts its rows."""

    engine: Engine
    noon: str = NOON
    runs: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def sha(text: str) -> str:
        return sha(text)

    def run(self, name: str = "flow-run") -> int:
        if name not in self.runs:
            run = Run("score_new_scans", name, "0.1.0", None, "{}", "cpu", NOON)
            self.runs[name] = start_run(self.engine, run)
        return self.runs[name]

    def seen(
        self,
        name: str,
        scanner: str | None = None,
        path: str | None = None,
        patient: str | None = None,
    ) -> tuple[Scan, list[Sighting]]:
        run_id = self.run()
        scan = Scan(sha(name), ScanKind.IMAGE, patient, None, None, scanner, "{}", 1, run_id, NOON)
        sighting = Sighting(0, path or f"inbox/{name}.png", 10, 20, 30, run_id, NOON, ctime_ns=40)
        return scan, [sighting]

    def series(
        self,
        name: str,
        paths: Sequence[str],
        run: str = "flow-run",
        n_files: int | None = None,
        kind: ScanKind = ScanKind.DICOM,
        **grid: object,
    ) -> tuple[Scan, list[Sighting]]:
        """A volume of a slice a file, as this run saw it."""
        geometry = json.dumps({"files": n_files or len(paths), **grid})
        run_id, uid, n = self.run(run), f"1.2.{len(name)}", len(paths)
        scan = Scan(sha(name), kind, "p", "1.2", uid, "GE", geometry, n, run_id, NOON)
        return scan, [Sighting(0, path, 10, 20, 30, run_id, NOON, ctime_ns=40) for path in paths]

    def scans(
        self, *names: str, scanner: str | None = None, patient: str | None = None
    ) -> list[int]:
        seen = [self.seen(name, scanner, patient=patient) for name in names]
        return [each.scan_id for each in register_scans(self.engine, seen)]

    def label(
        self,
        scan_id: int,
        value: LabelValue = LabelValue.HEALTHY,
        source: LabelSource = LabelSource.FOLDER,
    ) -> int:
        return append_labels(self.engine, [Label(scan_id, value, source, "me", NOON)])

    def dataset(self, **roles: Sequence[int]) -> int:
        members = [(scan_id, Role(role), scan_id) for role, ids in roles.items() for scan_id in ids]
        return freeze_dataset(self.engine, members, self.run())

    def model(
        self, dataset_id: int, name: str = "weights", recipe: str = "{}", metrics: str = "{}"
    ) -> int:
        model = Model(sha(name), f"models/{name}", recipe, dataset_id, metrics, self.run(), NOON)
        return append_model(self.engine, model)

    def threshold(self, model_id: int, dataset_id: int, k: float = 1.0, value: float = 0.5) -> int:
        threshold = Threshold(
            model_id, dataset_id, Policy.SIGMAS, 0.4, 0.1, 3, k, value, self.run(), NOON
        )
        return append_threshold(self.engine, threshold)

    def ready(self, recipe: str = "{}") -> tuple[int, int]:
        """A model and its active threshold: (model id, threshold id)."""
        train, calibration = self.scans("taught", "calibrates")
        dataset_id = self.dataset(train=[train], calibration=[calibration])
        model_id = self.model(dataset_id, recipe=recipe)
        threshold_id = self.threshold(model_id, dataset_id)
        activate(self.engine, threshold_id, "first", "me")
        return model_id, threshold_id

    def decide(
        self,
        model_id: int,
        threshold_id: int | None,
        values: dict[int, float],
        now: str = NOON,
        line: float = 0.5,
    ) -> Appended:
        rows = [
            ScoredScan(
                scan_id,
                value,
                (value,),
                verdict=Verdict.SUSPICIOUS if value > line else Verdict.NORMAL,
                p_value=0.25,
            )
            for scan_id, value in values.items()
        ]
        return append_scored(self.engine, model_id, threshold_id, rows, run_id=self.run(), now=now)

    def count(self, table: str) -> int:
        with reading(self.engine) as connection:
            return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

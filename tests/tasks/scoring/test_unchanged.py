"""A folder in which nothing is new: each file as it was, each scan decided or learned."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.entities import Rejection, Scan, Sighting, Threshold, Unscored
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.scoring.unscored import append_unscored
from db.repository.training.models import activate, active_threshold
from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.paths import escape_path, recorded_path
from mriad_model.readers.folders import FoundFile, found_file
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from mriad_model.rejections import split_rejections
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tasks.scoring import unchanged
from tasks.scoring.unchanged import Unchanged, unchanged_folder
from tests.support.record.hand import NOON, Hand, sha

LATER = "2026-11-02T12:00:00.000000+00:00"


class Folder:
    """A folder, and the record of a home in which its files can be noted."""

    def __init__(self, place: Path) -> None:
        self.home, self.scans = prepare_home(place / "home"), place / "scans"
        self.scans.mkdir()
        self.hand = Hand(database(str(self.home)))

    def file(self, name: str) -> FoundFile:
        (self.scans / name).write_bytes(name.encode())
        return found_file(self.scans / name)

    def picture(self, name: str) -> int:
        return self.read(ScanKind.IMAGE, name)

    def read(self, kind: ScanKind, *names: str) -> int:
        run_id = self.hand.run()
        sightings = [
            Sighting(0, self.path(f), f.size, f.mtime_ns, f.inode, run_id, NOON, f.ctime_ns)
            for f in map(self.file, names)
        ]
        scan = Scan(sha(names[0]), kind, None, None, None, None, "{}", 1, run_id, NOON)
        (registered,) = register_scans(self.hand.engine, [(scan, sightings)])
        return registered.scan_id

    def reject(self, name: str, reason: RejectionReason) -> None:
        f, run_id = self.file(name), self.hand.run()
        row = Rejection(
            self.path(f), f.size, f.mtime_ns, None, reason, "why", run_id, NOON, f.ctime_ns
        )
        append_rejections(self.hand.engine, [row])

    def active(self) -> Threshold:
        return active_threshold(self.hand.engine).threshold

    def path(self, file: FoundFile) -> str:
        return recorded_path(file.path, self.home)

    def look(self) -> Unchanged | None:
        engine = self.hand.engine
        folder = escape_path(self.scans)
        return unchanged_folder(engine, self.home, folder, "*", active_threshold(engine))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """One picture is decided, the model learned from another, and a third file is no scan."""
    made = Folder(tmp_path)
    taught, decided = made.picture("taught.png"), made.picture("decided.png")
    dataset = made.hand.dataset(train=[taught], calibration=[decided])
    model = made.hand.model(dataset, recipe=AUTOENCODER.to_json())
    threshold = made.hand.threshold(model, dataset)
    activate(made.hand.engine, threshold, "first", "me")
    made.hand.decide(model, threshold, {decided: 0.3})
    made.reject("note.txt", RejectionReason.UNSUPPORTED)
    yield made
    made.hand.engine.dispose()


def test_what_is_decided_learned_or_rejected_is_counted(folder: Folder) -> None:
    found = folder.look()
    assert found is not None
    assert (found.known, found.training_scans, found.empty) == (2, 1, False)
    assert [(Path(each.path).name, each.reason) for each in found.rejected] == [
        ("note.txt", RejectionReason.UNSUPPORTED)
    ]


def test_a_new_file_is_something_to_do(folder: Folder) -> None:
    folder.file("new.png")
    assert folder.look() is None


def test_a_file_that_has_changed_is_something_to_do(folder: Folder) -> None:
    with (folder.scans / "decided.png").open("ab") as file:
        file.write(b"more")
    assert folder.look() is None


def test_a_scan_that_the_threshold_has_not_decided_is_something_to_do(folder: Folder) -> None:
    folder.picture("undecided.png")
    assert folder.look() is None


def test_a_scan_that_the_model_could_give_no_score_is_listed_and_another_model_tries_it(
    folder: Folder,
) -> None:
    engine, run_id, active = folder.hand.engine, folder.hand.run(), folder.active()
    scan_id, f = folder.picture("a.nii"), found_file(folder.scans / "a.nii")
    why = (RejectionReason.UNREGISTERED, "fit 0.2")
    row = Rejection(folder.path(f), f.size, f.mtime_ns, None, *why, run_id, LATER, f.ctime_ns)
    append_rejections(engine, [row])
    assert folder.look() is None
    append_unscored(engine, [Unscored(scan_id, active.model_id, *why, run_id, LATER)])
    found = folder.look()
    assert found is not None
    assert (found.known, found.training_scans) == (3, 1)
    (line,) = split_rejections(found.rejected).not_scorable
    assert (Path(line.path).name, line.detail) == ("a.nii", "fit 0.2")
    another = folder.hand.model(active.dataset_id, "another", AUTOENCODER.to_json())
    activate(engine, folder.hand.threshold(another, active.dataset_id), "better", "me")
    assert folder.look() is None


def test_a_scan_of_another_kind_is_nothing_to_do_once_a_run_has_said_so(folder: Folder) -> None:
    scan_id = folder.read(ScanKind.DICOM, "1.dcm", "2.dcm")
    assert folder.look() is None
    f, run_id = found_file(folder.scans / "1.dcm"), folder.hand.run()
    why = (RejectionReason.OTHER_KIND, "the model learned picture files")
    row = Rejection(folder.path(f), f.size, f.mtime_ns, None, *why, run_id, LATER, f.ctime_ns)
    append_rejections(folder.hand.engine, [row])
    found = folder.look()
    assert found is not None
    assert (found.known, found.incompatible) == (3, 1)
    (line,) = split_rejections(found.rejected).limited
    assert (line.reason, line.scan_id) == (RejectionReason.OTHER_KIND, scan_id)
    folder.picture("new.png")
    assert folder.look() is None


def test_a_threshold_that_is_active_since_has_decided_nothing(folder: Folder) -> None:
    active = folder.active()
    another = folder.hand.threshold(active.model_id, active.dataset_id, k=2.0)
    activate(folder.hand.engine, another, "second", "me")
    assert folder.look() is None


def test_a_file_that_could_not_be_read_is_tried_again(folder: Folder) -> None:
    folder.reject("locked.png", RejectionReason.UNREADABLE)
    assert folder.look() is None


def test_a_volume_of_many_files_is_one_scan(folder: Folder) -> None:
    active = active_threshold(folder.hand.engine)
    series = folder.read(ScanKind.DICOM, "1.dcm", "2.dcm", "3.dcm")
    folder.hand.decide(active.threshold.model_id, active.threshold.id, {series: 0.3})
    found = folder.look()
    assert found is not None
    assert found.known == 3


def test_a_folder_of_very_many_files_is_left_to_a_run(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "MOST_FILES", 3)
    assert folder.look() is not None
    monkeypatch.setattr(unchanged, "MOST_FILES", 2)
    assert folder.look() is None


def test_a_folder_without_files_is_empty(folder: Folder) -> None:
    for file in folder.scans.iterdir():
        file.unlink()
    assert folder.look() == Unchanged(0, 0, [])

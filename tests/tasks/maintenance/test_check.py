"""`mriad check`: says what is wrong with a home, and only that."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from db.engine import integrity
from db.engine.sqlite import DATABASE
from db.entities import Arrival
from db.repository.intake.arrivals import append_arrivals
from mriad_model.enums import SettledBy
from mriad_model.errors import RecordError
from tasks.maintenance.check import CheckReport, ProblemKind, check
from tests.support.record.hand import NOON
from tests.support.record.kept import N_HEATMAPS, KeptHome, kept_home
from tests.support.record.postgresql import Server
from tests.support.record.tampering import tamper


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptHome]:
    made = kept_home(tmp_path / "home")
    yield made
    made.engine.dispose()


def checked(kept: KeptHome, *, contents: bool = True) -> CheckReport:
    return check(kept.engine, kept.home, contents=contents)


def kinds(report: CheckReport) -> list[ProblemKind]:
    return [each.kind for each in report.problems]


def test_a_home_as_it_should_be_has_no_problem(kept: KeptHome) -> None:
    report = checked(kept)
    assert report.ok
    assert (report.problems, report.orphans, report.unfinished_runs) == ([], [], [])
    assert report.open_arrivals == []
    assert (report.checked.heatmaps, report.checked.models) == (N_HEATMAPS, 1)
    assert (report.checked.scans, report.checked.decisions) == (N_HEATMAPS + 2, N_HEATMAPS)


def test_no_garbage_is_looked_for_among_the_names_of_files(
    kept: KeptHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, damages = list[bool](), integrity.damages

    def noted(engine: Engine) -> list[str]:
        looked.append(gc.isenabled())
        return damages(engine)

    monkeypatch.setattr(integrity, "damages", noted)
    assert checked(kept).ok
    assert looked == [False]
    assert gc.isenabled()


def test_missing_and_changed_files_are_problems(kept: KeptHome) -> None:
    first, second, third = kept.heatmap_files
    first.unlink()
    second.write_bytes(b"another map")
    third.unlink()
    third.mkdir()
    kept.model_file.write_bytes(b"other weights")
    report = checked(kept)
    assert kinds(report) == [
        ProblemKind.CHANGED_MODEL,
        ProblemKind.MISSING_HEATMAP,
        ProblemKind.CHANGED_HEATMAP,
        ProblemKind.UNREADABLE,
    ]
    assert first.name in report.problems[1].text
    assert not report.ok
    assert kinds(checked(kept, contents=False)) == [ProblemKind.MISSING_HEATMAP]
    kept.model_file.unlink()
    assert kinds(checked(kept, contents=False))[0] is ProblemKind.MISSING_MODEL


def test_a_quick_check_looks_at_no_heatmap_that_its_walk_has_seen(
    kept: KeptHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = kept.heatmap_files[0]
    gone.unlink()
    looked: list[Path] = []

    def lstat(path: Path) -> os.stat_result:
        looked.append(path)
        return os.lstat(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert kinds(checked(kept, contents=False)) == [ProblemKind.MISSING_HEATMAP]
    assert [each for each in looked if each.is_relative_to(kept.home / "heatmaps")] == [gone]


def test_files_that_no_row_names_are_listed_and_stay(kept: KeptHome) -> None:
    left = [
        kept.home / "heatmaps" / "model-1" / "ab" / ".0123456789abcdef.tmp",
        kept.home / "heatmaps" / "model-9" / "cd" / "ef.jpg",
        kept.home / "models" / "unnamed.safetensors",
        kept.home / "models" / os.fsdecode(b"\xff\n\\.safetensors"),
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        path.chmod(0o600)
    report = checked(kept)
    assert report.ok
    assert report.orphans == sorted(
        [
            "heatmaps/model-1/ab/.0123456789abcdef.tmp",
            "heatmaps/model-9/cd/ef.jpg",
            "models/unnamed.safetensors",
            "models/\\xff\\x0a\\\\.safetensors",
        ]
    )
    assert all(path.exists() for path in left)


def test_what_a_killed_run_left_open_is_listed_and_not_wrong(kept: KeptHome) -> None:
    killed = kept.hand.run("killed")
    arrived = Arrival("inbox/a", "f", 1, SettledBy.QUIET, NOON)
    (arrival_id,) = append_arrivals(kept.engine, [arrived])
    report = checked(kept)
    assert report.ok
    assert [each.id for each in report.unfinished_runs] == [killed]
    assert [each.id for each in report.open_arrivals] == [arrival_id]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "UPDATE decision SET score_id = (SELECT max(id) FROM score) WHERE id = 1",
            "decision 1 is of scan 3 by a threshold of model 1, and names a score of scan 5",
        ),
        (
            "UPDATE dataset_scan SET role = 'calibration' WHERE role = 'train'",
            "model 1 names dataset 1, which has no scan for train",
        ),
        ("DELETE FROM dataset_scan WHERE role = 'train'", "dataset 1 is not the set of scans"),
        (
            "INSERT INTO dataset SELECT 2, 'b', run_id, created_at FROM dataset;"
            "INSERT INTO dataset_scan SELECT 2, scan_id, 'train', 1, NULL FROM dataset_scan;"
            "UPDATE model SET dataset_id = 2",
            "threshold 1 was drawn through 1 scans that model 1 learned from",
        ),
    ],
)
def test_a_chain_that_was_broken_is_a_problem(kept: KeptHome, change: str, told: str) -> None:
    tamper(kept.engine, *change.split(";"))
    report = checked(kept)
    assert set(kinds(report)) == {ProblemKind.BROKEN_LINK, ProblemKind.BROKEN_CHAIN}
    assert any(each.text.startswith(told) for each in report.problems), report.problems


def test_a_row_that_names_none_is_a_problem(kept: KeptHome) -> None:
    tamper(kept.engine, "PRAGMA foreign_keys = OFF", "DELETE FROM score WHERE id = 2")
    report = checked(kept)
    assert set(kinds(report)) == {ProblemKind.DAMAGED_RECORD, ProblemKind.BROKEN_LINK}
    assert "row 2 of decision names a row of score that is not there" in [
        each.text for each in report.problems
    ]


def test_a_row_without_a_number_is_not_called_none(kept: KeptHome) -> None:
    tamper(kept.engine, "PRAGMA foreign_keys = OFF", "INSERT INTO slice_score VALUES (99, 0, 1.0)")
    assert "a row of slice_score names a row of score that is not there" in [
        each.text for each in checked(kept).problems
    ]


def test_an_index_that_lacks_a_row_is_a_problem(kept: KeptHome) -> None:
    index = "FROM sqlite_master WHERE name = 'ix_label_scan_id'"
    tamper(
        kept.engine,
        "PRAGMA writable_schema = ON",
        f"CREATE TABLE aside AS SELECT * {index}",
        f"DELETE {index}",
    )
    tamper(kept.engine, "INSERT INTO label VALUES (1, 1, 'healthy', 'csv', 'me', '')")
    tamper(
        kept.engine,
        "PRAGMA writable_schema = ON",
        "INSERT INTO sqlite_master SELECT * FROM aside",
        "DROP TABLE aside",
    )
    report = checked(kept)
    assert kinds(report) == [ProblemKind.DAMAGED_RECORD] * 2 + [ProblemKind.BROKEN_LINK]
    assert "row 1 missing from index ix_label_scan_id" in [each.text for each in report.problems]


def test_a_file_that_is_damaged_through_is_one_plain_line(kept: KeptHome) -> None:
    kept.engine.dispose()
    data = bytearray((kept.home / DATABASE).read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    (kept.home / DATABASE).write_bytes(data)
    with pytest.raises(RecordError, match="damaged; restore it from a backup"):
        checked(kept)


def test_a_record_in_postgresql_is_checked_too(postgresql: Server, tmp_path: Path) -> None:
    url = postgresql.create()
    kept = kept_home(tmp_path / "home", url)
    assert checked(kept).ok
    kept.heatmap_files[0].unlink()
    tamper(kept.engine, "UPDATE score SET scan_id = 1 WHERE id = 2")
    assert kinds(checked(kept)) == [
        ProblemKind.BROKEN_LINK,
        ProblemKind.BROKEN_CHAIN,
        ProblemKind.MISSING_HEATMAP,
    ]
    kept.engine.dispose()
    postgresql.drop(url)


def test_what_others_can_read_or_change_is_a_problem(kept: KeptHome) -> None:
    assert checked(kept, contents=False).ok
    (kept.home / DATABASE).chmod(0o644)
    (kept.home / "models").chmod(0o777)
    (model,) = (kept.home / "models").glob("*.safetensors")
    model.chmod(0o604)
    report = checked(kept, contents=False)
    assert kinds(report) == [ProblemKind.OPEN_TO_OTHERS] * 3
    assert [each.text.rsplit("/", 1)[1] for each in report.problems] == [
        "models can be changed by others (chmod go-w)",
        "mriad.db can be read by others (chmod go-rwx)",
        f"{model.name} can be read by others (chmod go-rwx)",
    ]

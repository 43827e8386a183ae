"""The whole walk, with a Prefect server: from a folder of scans to a replayed decision."""

import csv
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import text

import flows.score
from db.engine.connect import open_record, reading
from db.repository.intake.sightings import sightings
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.reports.scan_details import decisions_for_replay
from db.repository.runs import run_by_id, runs_since
from db.repository.scoring.decisions import count_decisions
from db.repository.training.models import current_threshold, dataset_roles, model_by_id
from flows.cli.documents.evaluation import evaluate_document
from flows.cli.lines import NO_FILES, RECOVERED, show_score
from flows.evaluate import evaluate_model
from flows.ingest import ingest_scans
from flows.recalibrate import recalibrate_threshold
from flows.score import ScoringResult, score_new_scans
from flows.verify import verify_decisions
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import Policy, Role, Verdict
from mriad_model.errors import NoScans, TooFewScans
from mriad_model.evaluation.protocol import EvaluationProtocol
from mriad_model.files import sha256_of
from mriad_model.paths import escape_path
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import write_dicom_series
from mriad_model.recipes.built_in_recipes import recipe_named
from mriad_model.rejections import NotScored
from tasks.reports.run_report import write_score_report
from tasks.scoring.selection import find_undecided
from tests.conftest import KAGGLE, N_ABNORMAL, Trained

TABLES = ("scan", "sighting", "rejection", "score", "slice_score", "heatmap", "decision")


def counts(home: Path) -> dict[str, int]:
    with reading(open_record(home)) as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in TABLES
        }


def score(trained: Trained, **options: object) -> ScoringResult:
    return score_new_scans(trained.home, escape_path(trained.heads), device="cpu", **options)


def test_scoring_decides_every_scan_that_the_model_did_not_learn_from(trained: Trained) -> None:
    result = score(trained)
    engine = open_record(trained.home)
    roles = dataset_roles(engine, model_by_id(engine, trained.model_id).dataset_id)
    taught = {scan for scan, role in roles.items() if role in (Role.TRAIN, Role.VALIDATION)}
    decided = decisions(engine, HistoryQuery(limit=None))
    assert taught
    assert result.training_scans == len(taught)
    assert not taught & {row.scan_id for row in decided}
    assert result.scored == len(decided) == N_ABNORMAL + len(roles) - len(taught)
    assert result.suspicious == sum(row.verdict is Verdict.SUSPICIOUS for row in decided)
    for row in decided:
        assert (row.verdict is Verdict.SUSPICIOUS) == (row.score > row.threshold)


def test_the_table_beside_the_report_lists_every_decision_worst_first(trained: Trained) -> None:
    result = score(trained)
    text = (trained.home / result.report).with_suffix(".csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == result.scored
    suspicious = [float(row["score"]) for row in rows if row["result"] == "suspicious"]
    assert suspicious == sorted(suspicious, reverse=True)
    assert len(suspicious) == result.suspicious
    for row in rows:  # a recipe with findings: counted, also where there are none
        assert bool(row["largest_finding_percent_of_head"]) == (int(row["findings"]) > 0)
    page = (trained.home / result.report).read_text()
    assert "prepare</dt>" in page
    assert "trained by hand" in page  # why the threshold is active


def test_each_heatmap_row_names_the_file_that_was_written(trained: Trained) -> None:
    score(trained)
    engine = open_record(trained.home)
    for replay in decisions_for_replay(engine):
        (heatmap,) = replay.scored.heatmaps
        path = trained.home / heatmap.path
        assert sha256_of(path) == heatmap.sha256
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_scoring_run_adds_no_row(trained: Trained) -> None:
    score(trained)
    before = counts(trained.home)
    again = score(trained)
    assert (again.new, again.scored) == (0, 0)
    assert counts(trained.home) == before


def test_what_a_run_decided_before_it_was_cut_off_is_in_the_next_report(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(flows.score, "write_score_report", killed)
        with pytest.raises(RuntimeError, match="the power went"):
            score(trained)
    decided = count_decisions(open_record(trained.home))
    result = score(trained)
    assert (result.scored, result.recovered) == (0, decided)
    page = (trained.home / result.report).read_text()
    assert "decided by earlier runs without a report" in page
    suspicious = HistoryQuery(verdict=Verdict.SUSPICIOUS, limit=None)
    flagged = len(decisions(open_record(trained.home), suspicious))
    assert flagged == result.recovered_suspicious > 0
    assert f"<h1>{flagged} suspicious of {decided} scored scans</h1>" in page
    capsys.readouterr()
    show_score(trained.home, result, as_json=False)
    out = capsys.readouterr().out
    assert RECOVERED.format(n=decided, suspicious=flagged) in out
    assert (again := score(trained)).recovered == 0, again


def test_the_report_names_the_threshold_that_the_run_decided_by(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may be activated while a long run is under way."""
    write = write_score_report

    def write_after_recalibration(*arguments: object) -> object:
        recalibrate_threshold(trained.home, Policy.SIGMAS, 7.5, "tester")
        return write(*arguments)

    monkeypatch.setattr(flows.score, "write_score_report", write_after_recalibration)
    result = score(trained)
    assert result.threshold_id == trained.threshold_id
    page = (trained.home / result.report).read_text()
    assert f"<dt>Threshold</dt><dd>{trained.threshold_id}: " in page


def test_scans_that_vanish_on_the_way_are_counted_and_the_rest_is_scored(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mriad_model.phantom.write import write_folder

    scans = tmp_path / "new"
    write_folder(scans, 0, 3, seed=98, size=128)
    ingest_scans(trained.home, escape_path(scans))
    find = find_undecided

    def find_then_lose(*arguments: object) -> object:
        found = find(*arguments)
        sorted((scans / "yes").iterdir())[0].unlink()
        return found

    monkeypatch.setattr(flows.score, "find_undecided", find_then_lose)
    result = score_new_scans(trained.home, escape_path(scans), device="cpu")
    assert (result.scored, result.unreadable) == (2, 1)
    assert "vanished or changed" in (trained.home / result.report).read_text()
    assert result.why_unreadable == NotScored(vanished=1)


def test_a_run_records_the_device_it_used(trained: Trained) -> None:
    score_new_scans(trained.home, escape_path(trained.heads))  # device "auto"
    replay = next(decisions_for_replay(open_record(trained.home)))
    run, _ = run_by_id(open_record(trained.home), replay.decision.run_id)
    assert run.device in {"cpu", "cuda"}


def test_small_chunks_give_the_same_scores_as_one(trained: Trained) -> None:
    score(trained, chunk_size=3)
    engine = open_record(trained.home)
    report = verify_decisions(trained.home, None, "cpu")  # replays in other batches
    assert report.identical == report.checked == count_decisions(engine)


def test_replay_tells_what_was_tampered_with(trained: Trained, tmp_path: Path) -> None:
    scans = tmp_path / "moved"
    scans.mkdir()
    for i, source in enumerate(sorted((trained.heads / "yes").iterdir())[:4]):
        (scans / f"{i}.png").write_bytes(source.read_bytes())
    score_new_scans(trained.home, escape_path(scans), device="cpu")
    engine = open_record(trained.home)
    rows = {Path(row.path).name: row for row in decisions(engine) if row.path}
    # These heads are known from their first folder too; forget that folder by moving the files.
    paths = [sightings(engine, [rows[f"{i}.png"].scan_id]) for i in range(4)]
    assert all(len(next(iter(seen.values()))) == 2 for seen in paths)
    heatmap = trained.home / (rows["0.png"].heatmap_path or "")
    heatmap.write_bytes(b"another picture")
    report = verify_decisions(trained.home, None, "cpu")
    assert [wrong.decision_id for wrong in report.mismatched] == [rows["0.png"].decision_id]
    assert "heatmap" in report.mismatched[0].what
    assert report.identical == report.checked - 1


def test_replay_says_which_sources_vanished_or_changed(trained: Trained, tmp_path: Path) -> None:
    from mriad_model.phantom.write import write_folder

    scans = tmp_path / "new"
    write_folder(scans, 0, 3, seed=99, size=128)
    score_new_scans(trained.home, escape_path(scans), device="cpu")
    gone, changed, kept = sorted((scans / "yes").iterdir())
    gone.unlink()
    changed.write_bytes(kept.read_bytes())
    report = verify_decisions(trained.home, None, "cpu")
    assert {(Path(each.path).name, each.why) for each in report.unreadable} == {
        (gone.name, "vanished"),
        (changed.name, "changed"),
    }
    assert report.identical == report.checked == 1


def test_recalibration_decides_again_without_scoring(trained: Trained) -> None:
    score(trained)
    before = counts(trained.home)
    done = recalibrate_threshold(trained.home, Policy.SIGMAS, -5.0, "tester")
    engine = open_record(trained.home)
    after = counts(trained.home)
    old = decisions(engine, HistoryQuery(limit=None))[before["decision"] :]
    normal = sum(row.verdict is Verdict.NORMAL for row in old)
    assert done.proposal.flips.to_suspicious == normal > 0
    assert done.proposal.flips.to_normal == 0
    assert after["decision"] == 2 * before["decision"]
    assert after["score"] == before["score"]
    current = current_threshold(engine)
    assert current is not None
    assert current.activation.threshold_id == done.threshold_id


def test_both_protocols_evaluate_and_the_seeds_is_labelled_memorisation(
    trained: Trained,
) -> None:
    recipe = recipe_named("seed").with_training(max_epochs=2).to_json()
    labelling = Labelling("tester", from_folders=True)
    folder = escape_path(trained.heads)
    found = {
        protocol: evaluate_model(
            trained.home, folder, protocol, recipe, labelling, folds=2, device="cpu"
        )
        for protocol in EvaluationProtocol
    }
    documents = {protocol: evaluate_document(each) for protocol, each in found.items()}
    for document in documents.values():
        page = (trained.home / document["report"]).read_text()
        assert "Not a medical device" in page
        json.dumps(document, allow_nan=False)
    memorised = documents[EvaluationProtocol.SEED]
    assert "memorisation" in memorised["note"]
    assert "MEMORISATION" in (trained.home / memorised["report"]).read_text().upper()
    assert sum(memorised["confusion"].values()) == 30
    heldout = documents[EvaluationProtocol.HELDOUT]
    assert heldout["note"] is None
    assert {"entropy", "sharpness", "file_size", "asymmetry"} <= heldout["baselines"].keys()


def test_an_empty_folder_is_scored_to_nothing_and_said_to_be_empty(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = score_new_scans(trained.home, escape_path(tmp_path / "home/inbox"), device="cpu")
    assert (result.new, result.scored, result.rejected) == (0, 0, [])
    show_score(trained.home, result, as_json=False)
    assert NO_FILES in capsys.readouterr().out


def test_broken_files_become_rejections_and_nothing_is_scored(
    trained: Trained, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for i in range(40):
        (broken / f"{i}.jpg").write_bytes(b"\xff\xd8\xff" + bytes([i]) * i)
    result = score_new_scans(trained.home, escape_path(broken), device="cpu")
    assert len(result.rejected) == 40
    assert (result.new, result.scored) == (0, 0)
    assert counts(trained.home)["rejection"] == 40
    again = score_new_scans(trained.home, escape_path(broken), device="cpu")
    assert len(again.rejected) == 40  # said again, recorded once
    assert counts(trained.home)["rejection"] == 40


def test_a_series_of_another_kind_is_left_out_once_and_named_as_a_series(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = tmp_path / "scans"
    volume = phantom_volume(1, Contrast.T1, None, (8, 64, 64))
    write_dicom_series(scans / "series", volume, patient="P-1")
    (scans / "note.txt").write_text("no scan")
    for _ in range(2):  # the second time from the record
        result = score_new_scans(trained.home, escape_path(scans), device="cpu")
        text = (trained.home / result.report).with_suffix(".csv").read_text()
        rows = {row["result"]: row for row in csv.DictReader(io.StringIO(text))}
        assert rows.keys() == {"incompatible", "rejected"}
        assert rows["incompatible"]["path"] == f"{scans}/series/"
        assert rows["incompatible"]["detail"].endswith("(8 files)")
        assert rows["rejected"]["path"] == f"{scans}/note.txt"
        scan_id = rows["incompatible"]["scan_id"]
        assert scan_id
        assert not rows["rejected"]["scan_id"]
        page = (trained.home / result.report).read_text()
        assert 'Rejected files<b class="flag">1</b>' in page
        assert f'<b class="scan">{scan_id}</b>' in page
        assert 'Not scored<b class="flag">1</b>' in page
        assert page.index("listed below") < page.index(f"{scans}/series/")
        show_score(trained.home, result, as_json=False)
        out = capsys.readouterr().out
        assert "1 file rejected" in out
        assert "Rejected: 1 unsupported" in out
        assert f"other_kind: scan {scan_id}, {scans}/series/" in out
    runs = runs_since(open_record(trained.home), "")
    assert [json.loads(end.counts)["rejected"] for _, end in runs[-2:] if end] == [1, 1]


@pytest.fixture
def fresh(prefect_server: None, tmp_path: Path) -> Path:
    from tasks.runtime.home import prepare_home

    return prepare_home(tmp_path / "fresh")


def test_one_healthy_scan_is_too_few_to_train(fresh: Path, heads: Path) -> None:
    from flows.train import train_model

    one = sorted((heads / "no").iterdir())[0]
    (fresh / "healthy" / "one.png").write_bytes(one.read_bytes())
    with pytest.raises(TooFewScans, match="1 distinct healthy scans"):
        train_model(fresh, recipe_named("default").to_json(), "tester", device="cpu")
    assert not list((fresh / "models").iterdir())
    assert not list((fresh / "work").iterdir())


def test_scoring_without_a_model_says_what_to_do(fresh: Path, heads: Path) -> None:
    with pytest.raises(NoScans, match="mriad train"):
        score_new_scans(fresh, escape_path(heads), device="cpu")


@pytest.mark.skipif(not KAGGLE.is_dir(), reason="shared/data/kaggle253 is absent")
def test_the_duplicates_of_the_real_folder_are_known(fresh: Path) -> None:
    """253 files hold 228 distinct pictures."""

    intake = ingest_scans(fresh, escape_path(KAGGLE), Labelling("tester", from_folders=True))
    assert (intake.new, intake.known, intake.rejected) == (228, 25, [])

"""Volumes through the flows: a model of heads, scored NIfTI files and series, replayed."""

import html
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from sqlalchemy import text

from db.engine.connect import open_record, reading
from db.repository.reports.scan_details import Replay, decisions_for_replay
from flows.cli import main as cli
from flows.cli.lines import show_score
from flows.recalibrate import recalibrate_threshold
from flows.score import ScoringResult, score_new_scans
from flows.train import TrainingResult, train_model
from flows.verify import verify_decisions
from mriad_model.dicom_outputs import available
from mriad_model.enums import HeatmapKind, Policy, ScanKind, Verdict
from mriad_model.errors import SettingsError
from mriad_model.files import sha256_of
from mriad_model.paths import escape_path
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import write_dicom_series, write_nifti
from mriad_model.recipes.built_in_recipes import recipe_named
from tasks.promotion import candidate_figures as figures
from tasks.runtime.connections import database
from tasks.runtime.home import SITE_KEY, prepare_home
from tasks.training import power
from tests.support.scans.laid_heads import laying_once

SHAPE = (24, 64, 56)
N_HEALTHY = 8  # the fewest that make a gate
TABLES = ("scan", "sighting", "rejection", "score", "slice_score", "heatmap", "decision")
ON_ANY = {HeatmapKind.MONTAGE, HeatmapKind.VOLUME}
OF_DICOM = {
    HeatmapKind.SECONDARY_CAPTURE,
    HeatmapKind.SEGMENTATION,
    HeatmapKind.STRUCTURED_REPORT,
}
CALLS_ALL_SUSPICIOUS, CALLS_ALL_NORMAL = -50.0, 50.0  # standard deviations
UNPLACED = "unplaced"  # the series without a frame of reference


@dataclass(frozen=True)
class Site:
    """A home in which volumes were learned and scored, and where they lie."""

    home: Path
    scans: Path
    trained: TrainingResult
    scored: ScoringResult

    def replays(self) -> dict[str, Replay]:
        """Of each decision, by the name of the file or of the series' folder."""
        found = {}
        for each in decisions_for_replay(open_record(self.home)):
            path = Path(each.sightings[0].path)
            dicom = each.scan.kind is ScanKind.DICOM
            found[path.parent.name if dicom else path.name] = each
        return found

    def counts(self) -> dict[str, int]:
        with reading(open_record(self.home)) as connection:
            return {
                table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                for table in TABLES
            }


@pytest.fixture(scope="module")
def site_once(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Healthy heads as NIfTI; to score, two more and three series, one of them not placed."""
    folder = tmp_path_factory.mktemp("volumes")
    home, scans = prepare_home(folder / "home"), folder / "scans"
    scans.mkdir()
    for number in range(N_HEALTHY):
        healthy = phantom_volume(number, Contrast.T1, None, SHAPE)
        write_nifti(home / "healthy" / f"{number}_T1w.nii.gz", healthy.voxels, healthy)
    for number, lesion in ((20, None), (21, Lesion.MASS)):
        head = phantom_volume(number, Contrast.T1, lesion, SHAPE)
        write_nifti(scans / f"{number}_T1w.nii.gz", head.voxels, head)
    for name, lesion in (("23", None), ("24", Lesion.MASS), (UNPLACED, None)):
        head = phantom_volume(40 + len(name), Contrast.T1, lesion, SHAPE)
        write_dicom_series(scans / name, head, patient=f"P-{name}")
    for path in (scans / UNPLACED).iterdir():
        dataset = dcmread(path)
        del dataset.FrameOfReferenceUID
        dataset.save_as(path)
    recipe = recipe_named("volume").to_json()
    with pytest.MonkeyPatch.context() as patch:
        # What lesions are put into: how many is no matter here.
        for where, number in ((power, "VOLUMES"), (power, "IN_VOLUMES"), (figures, "MOST_SCANS")):
            patch.setattr(where, number, 2)
        with laying_once():
            trained = train_model(home, recipe, "tester", k=CALLS_ALL_SUSPICIOUS, device="cpu")
    scored = score_new_scans(home, escape_path(scans), device="cpu")
    return Site(home, scans, trained, scored)


@pytest.fixture
def site(site_once: Site, tmp_path: Path) -> Site:
    """A copy of it, for one test."""
    database(str(site_once.home)).dispose()  # folds the log into the file
    home = tmp_path / "home"
    shutil.copytree(site_once.home, home)
    return Site(home, site_once.scans, site_once.trained, site_once.scored)


def test_without_the_sites_key_nothing_is_scored_and_it_is_said_why(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.home / SITE_KEY).rename(tmp_path / SITE_KEY)
    scans, before = tmp_path / "scans", site.counts()["decision"]
    head = phantom_volume(60, Contrast.T1, None, SHAPE)
    write_dicom_series(scans / "25", head, patient="P-25")
    with pytest.raises(SettingsError, match=r"site\.key is gone, .* restore it"):
        score_new_scans(site.home, escape_path(scans), device="cpu")
    assert cli.main(["check", "--home", str(site.home)]) == 1
    assert "site.key is gone" in capsys.readouterr().out
    (tmp_path / SITE_KEY).rename(site.home / SITE_KEY)
    assert score_new_scans(site.home, escape_path(scans), device="cpu").scored == 1
    assert site.counts()["decision"] == before + 1


def test_every_volume_is_decided_those_that_the_model_learned_too(
    site: Site, tmp_path: Path
) -> None:
    n = (site.trained.n_train, site.trained.n_validation, site.trained.n_calibration)
    assert n == (N_HEALTHY, 0, N_HEALTHY)  # in folds, each of which a member did not learn
    result = site.scored
    assert (result.new, result.scored, result.incompatible, result.unreadable) == (5, 5, 0, 0)
    decisions = site.replays()
    assert len(decisions) == 5
    for each in decisions.values():
        assert each.decision.verdict is Verdict.SUSPICIOUS
        assert each.scored.score.value == max(each.scored.slice_values)
        assert len(each.scored.positions) == len(each.scored.slice_values) <= SHAPE[0]
    (tmp_path / "learned").mkdir()
    learned = sorted((site.home / "healthy").iterdir())[:3]
    for path in learned:
        shutil.copy(path, tmp_path / "learned")
    again = score_new_scans(site.home, escape_path(tmp_path / "learned"), device="cpu")
    assert again.training_scans == 0  # each by the member that did not learn it
    assert (again.known, again.scored) == (len(learned), len(learned))


def test_a_head_without_its_top_is_told_as_one_that_cannot_be_judged(
    site: Site,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = phantom_volume(61, Contrast.T1, None, SHAPE)
    (tmp_path / "cut").mkdir()
    write_nifti(tmp_path / "cut" / "61_T1w.nii.gz", whole.voxels[: SHAPE[0] // 2], whole)
    result = score_new_scans(site.home, escape_path(tmp_path / "cut"), device="cpu")
    assert (result.not_scorable, result.unreadable) == (1, 0)
    (lost,) = result.rejected
    assert (lost.reason, lost.of_scan) == ("incomplete", True)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["show", "cut/61_T1w.nii.gz", "--home", str(site.home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scan"]["id"] == lost.scan_id
    show_score(site.home, result, as_json=False)
    out = capsys.readouterr().out
    assert "1 not scorable" in out
    assert f"Not scorable: {tmp_path / 'cut' / '61_T1w.nii.gz'}: " in out
    assert "vanished" not in out
    page = (site.home / result.report).read_text()
    assert "61_T1w.nii.gz" in page
    assert lost.detail in html.unescape(page)
    assert "vanished" not in page
    before = site.counts()
    assert cli.main(["score", str(tmp_path / "cut"), "--home", str(site.home)]) == 0
    out = capsys.readouterr().out
    assert "nothing to score by model 1" in out
    assert f"Not scorable: {tmp_path / 'cut' / '61_T1w.nii.gz'}: " in out
    assert site.counts() == before
    again = score_new_scans(site.home, escape_path(tmp_path / "cut"), device="cpu")
    assert (again.known, again.not_scorable, again.rejected) == (1, 0, [])


def test_a_lesion_raises_the_score(site: Site) -> None:
    scores = {name: each.scored.score.value for name, each in site.replays().items()}
    ill, well = ("21_T1w.nii.gz", "24"), ("20_T1w.nii.gz", "23")  # four heads: a mean, not a pair
    assert sum(scores[name] for name in ill) > sum(scores[name] for name in well)


def test_files_that_show_where_are_as_recorded_and_private(site: Site) -> None:
    decisions = site.replays()
    for each in decisions.values():
        files = [site.home / row.path for row in each.scored.heatmaps]
        assert [sha256_of(path) for path in files] == [row.sha256 for row in each.scored.heatmaps]
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    kinds = {name: {row.kind for row in each.scored.heatmaps} for name, each in decisions.items()}
    assert kinds["20_T1w.nii.gz"] == kinds["21_T1w.nii.gz"] == kinds[UNPLACED] == ON_ANY
    if available():
        assert kinds["23"] == kinds["24"] == ON_ANY | OF_DICOM


def test_a_map_lies_on_the_grid_of_its_volume(site: Site) -> None:
    (row,) = (
        row
        for row in site.replays()["21_T1w.nii.gz"].scored.heatmaps
        if row.kind is HeatmapKind.VOLUME
    )
    source, written = nib.load(site.scans / "21_T1w.nii.gz"), nib.load(site.home / row.path)
    assert written.shape == source.shape == SHAPE[::-1]
    np.testing.assert_array_equal(written.affine, source.affine)
    assert "RESEARCH USE ONLY" in str(written.header["descrip"])


@pytest.mark.skipif(not available(), reason="highdicom is not installed")
def test_a_series_without_a_place_gets_no_objects_and_the_run_says_why(site: Site) -> None:
    (rejected,) = site.scored.rejected
    assert rejected.reason == "no_frame_of_reference"
    assert Path(rejected.path).name == UNPLACED  # the series, not one of its slices
    page = (site.home / site.scored.report).read_text()
    assert "scored, but without DICOM outputs: FrameOfReferenceUID is missing" in page


def test_a_second_run_adds_nothing_and_reads_no_pixel(site: Site) -> None:
    before = site.counts()
    again = score_new_scans(site.home, escape_path(site.scans), device="cpu")
    assert (again.new, again.known, again.scored, again.rejected) == (0, 5, 0, [])
    assert site.counts() == before
    assert list((site.home / "work").iterdir()) == []


def test_another_threshold_is_drawn_from_stored_scores_and_all_come_out_the_same_in_replay(
    site: Site,
) -> None:
    before = site.counts()
    done = recalibrate_threshold(site.home, Policy.SIGMAS, CALLS_ALL_NORMAL, "tester")
    after = site.counts()
    flips = done.proposal.flips
    assert (flips.to_suspicious, flips.to_normal) == (0, 5)
    assert (after["decision"], after["score"]) == (2 * before["decision"], before["score"])
    report = verify_decisions(site.home, None, "cpu")
    assert (report.identical, report.within_tolerance) == (10, 0)
    assert (report.mismatched, report.unreadable) == ([], [])


def test_show_tells_a_series_by_its_folder(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.umask", lambda _: 0o022)
    status = cli.main(["show", str(site.scans / "24"), "--home", str(site.home), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert status == 0
    assert (told["scan"]["kind"], told["scan"]["n_slices"]) == ("dicom", SHAPE[0])
    assert told["scan"]["patient"] is not None
    assert "P-24" not in json.dumps({**told, "sightings": None, "beside": None})
    (score,) = told["scores"]
    assert {each["file"] for each in score["heatmaps"]} == {"as recorded"}
    assert len(told["sightings"]) == SHAPE[0]
    (decision,) = told["decisions"]
    assert decision["score"] == score["score"]["value"]

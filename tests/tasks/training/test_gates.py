"""A gate from training to the record, the page and the replay."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.training.models import dataset_roles, threshold_by_id
from mriad_model.delivery.pending import NO_FOLDERS
from mriad_model.enums import DecisionReason, Policy, Role, Verdict
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_slice
from mriad_model.phantom.scanner import Contrast
from mriad_model.promotion.comparison import points
from mriad_model.recipes.built_in_recipes import AUTOENCODER, DEFAULT, VOLUME
from tasks.calibration.thresholds import append_proposal, decide_again, propose
from tasks.maintenance.verify import replay_decisions
from tasks.promotion.compare_models import ComparedScans, ComparisonScores
from tasks.promotion.retrain import side_of
from tasks.reports.run_report import ScoreCounts, write_score_report
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import Progress, listening
from tasks.training.gates import with_gate
from tests.support.scans.laid_heads import laying_once
from tests.support.scans.phantoms import score, teach, write_head
from tests.tasks.conftest import Bench
from tests.tasks.scoring.test_drift import Nights

RECIPE = replace(
    AUTOENCODER.with_training(max_epochs=1), gate=DEFAULT.gate, uncertain=DEFAULT.uncertain
)


def drawn(folder: Path, numbers: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in numbers:
        Image.fromarray(phantom_slice(i, Contrast.FLAIR, None, 96).pixels).save(folder / f"{i}.png")


def test_a_picture_that_is_no_head_is_not_scorable_everywhere_and_stays_so(
    bench: Bench, tmp_path: Path
) -> None:
    drawn(tmp_path / "healthy", range(30))
    threshold_id = teach(bench, tmp_path / "healthy", RECIPE)
    new = tmp_path / "new"
    drawn(new, range(100, 104))
    noise = np.random.default_rng(0).integers(0, 255, (96, 96), dtype=np.uint8)
    Image.fromarray(noise).save(new / "noise.png")
    night = score(bench, new)

    unlike, *heads = sorted(decisions(bench.engine), key=lambda row: -(row.gate or 0))
    assert (unlike.path or "").endswith("noise.png")
    assert (unlike.verdict, unlike.reason) == (
        Verdict.NOT_SCORABLE,
        DecisionReason.UNLIKE_LEARNED,
    )
    assert all(row.verdict is not Verdict.NOT_SCORABLE for row in heads)
    counts = ScoreCounts(5, 0, 0, 0, 0)
    written = write_score_report.fn(
        str(bench.home), night.bench.run_id, threshold_id, "inbox", counts, [], NO_FOLDERS
    )
    assert (written.scored, written.not_scorable) == (4, 1)
    page = bench.home / written.path
    assert "Not scorable scans" in page.read_text()
    lines = {
        line["scan_id"]: line
        for line in csv.DictReader(page.with_suffix(".csv").read_text().splitlines())
    }
    line = lines[str(unlike.scan_id)]
    assert (line["result"], line["reason"]) == ("not_scorable", "unlike_learned")
    assert line["score"] == line["p_value"] == line["sigmas_above_healthy"] == ""

    again = append_proposal(bench.engine, propose(bench.engine, Policy.SIGMAS, 9.0), bench.run_id)
    decide_again(bench.engine, again, bench.run_id)
    (row,) = decisions(bench.engine, HistoryQuery(threshold_id=again, verdict=Verdict.NOT_SCORABLE))
    assert (row.scan_id, row.gate) == (unlike.scan_id, unlike.gate)
    report = replay_decisions.fn(str(bench.home), None, "cpu", str(bench.home / "work" / "replay"))
    assert (report.identical, report.mismatched) == (10, [])


def test_a_healthy_scan_that_is_not_scorable_counts_as_flagged_where_models_are_compared(
    bench: Bench,
) -> None:
    nights = Nights(bench)
    scans = nights.night(4, shift=-5.0)
    unlike = [True, False, False, False]
    scores = ComparisonScores(
        [-5.0] * 4, [[0.0]] * 4, [], not_scorable=[[False]] * 4, healthy_not_scorable=unlike
    )
    threshold = threshold_by_id(bench.engine, nights.threshold)
    compared = ComparedScans(scans, [], {nights.model: scores})
    side = side_of(str(bench.home), threshold, {i: i for i in scans}, compared)
    assert side.flagged.tolist() == unlike
    assert points(side)["flagged"] == 1


def test_a_head_of_another_contrast_is_never_normal_and_a_lesion_not_swallowed(
    bench: Bench, tmp_path: Path
) -> None:
    for number in range(15):
        write_head(tmp_path / "healthy" / f"sub-{number:02}_T1w.nii.gz", number)
    heard: list[Progress] = []
    with listening(heard.append), laying_once():
        teach(bench, tmp_path / "healthy", replace(VOLUME, cross_fitting=None))
    last = {each.step: each for each in heard}
    for step in ("learning the gate", "looking for unlike scans"):  # each head is laid once more
        assert (last[step].done, last[step].unit) == (last[step].total, "heads")
    new = tmp_path / "new"
    write_head(new / "ill_T1w.nii.gz", 40, Lesion.INFARCT)
    write_head(new / "own_T1w.nii.gz", 41)
    # Grey values as no T1 shows them: FLAIR, under another name and under none.
    write_head(new / "other_T1w.nii.gz", 42, contrast=Contrast.FLAIR)
    write_head(new / "other.nii.gz", 43, contrast=Contrast.FLAIR)
    score(bench, new)

    found = {Path(row.path or "").name: row for row in decisions(bench.engine)}
    # So few healthy heads make a wide limit: FLAIR of one head lies near it, of another beyond.
    near = found["other_T1w.nii.gz"]
    assert near.verdict is not Verdict.NORMAL
    assert (near.gate or 0) > 0.9
    assert found["other.nii.gz"].verdict is Verdict.NOT_SCORABLE
    assert found["other.nii.gz"].reason is DecisionReason.CONTRAST_UNKNOWN
    for name in ("own_T1w.nii.gz", "ill_T1w.nii.gz"):  # a lesion is not swallowed
        assert (found[name].gate or 0) < 0.5
    report = replay_decisions.fn(str(bench.home), None, "cpu", str(bench.home / "work" / "replay"))
    assert (report.identical, report.mismatched) == (4, [])


def test_a_healthy_label_of_a_learned_scan_that_is_no_head_is_doubted_without_folds_too(
    bench: Bench, tmp_path: Path
) -> None:
    drawn(tmp_path / "healthy", range(40))
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    odd_ones = [
        np.random.default_rng(0).random((96, 96)),
        (1 + np.sin(9 * x)) / 2,
        (1 + x) / 2,
        np.hypot(x, y) / 2,
    ]
    for number, pixels in enumerate(odd_ones):
        made = Image.fromarray((255 * pixels).astype(np.uint8))
        made.save(tmp_path / "healthy" / f"odd-{number}.png")
    threshold_id = teach(bench, tmp_path / "healthy", RECIPE)
    dataset_id = threshold_by_id(bench.engine, threshold_id).dataset_id
    roles = dataset_roles(bench.engine, dataset_id)
    odd = {i for i, path in bench.find(tmp_path / "healthy").known if "odd-" in path}
    assert len(odd) == 4
    fitted = loaded_model(str(bench.home), 1, "cpu")
    learned = [str(bench.home / "work" / role.value) for role in (Role.TRAIN, Role.VALIDATION)]
    again, found = with_gate(str(bench.home), dataset_id, fitted, learned)
    assert again.to_bytes() == fitted.to_bytes()
    assert found  # not all: of few healthy scans the limit is wide
    assert set(found) <= {i for i in odd if roles[i] is not Role.CALIBRATION}

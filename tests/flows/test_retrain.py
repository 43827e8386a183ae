"""Growth, with a Prefect server: the pool grows, a candidate meets the current model."""

import json
from pathlib import Path

import pytest

import flows.nightly
import flows.train
from db.engine.connect import open_record
from db.repository.runs import run_by_id
from db.repository.training.comparisons import comparisons
from db.repository.training.models import (
    activate,
    current_threshold,
    dataset_roles,
    model_by_id,
    thresholds,
)
from flows.ingest import ingest_scans
from flows.nightly import nightly
from flows.retrain import retrain_model
from flows.runtime.retrain_result import RetrainingResult
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue, Role
from mriad_model.paths import escape_path
from mriad_model.phantom.write import write_folder
from mriad_model.promotion.comparison import PromotionCriteria
from mriad_model.promotion.growth import HELD_OUT, GrowthCriteria
from tests.conftest import N_HEALTHY, Trained

ENOUGH = GrowthCriteria(share=0.2, number=12)
LENIENT = PromotionCriteria(
    auroc_margin=0.45, rate_margin=0.45
)  # so few scans and epochs show little
TAUGHT = {Role.TRAIN, Role.VALIDATION}
pytestmark = pytest.mark.usefixtures("few_implants")


@pytest.fixture(scope="module")
def more_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve healthy heads, and a thirteenth."""
    folder = tmp_path_factory.mktemp("more")
    write_folder(folder, 13, 0, seed=11, size=128)
    return folder / "no"


def grow(trained: Trained, heads: Path, n: int, into: Path) -> None:
    into.mkdir(exist_ok=True)
    for source in sorted(heads.iterdir())[:n]:
        (into / source.name).write_bytes(source.read_bytes())
    ingest_scans(trained.home, escape_path(into), Labelling("tester", LabelValue.HEALTHY))


def retrain(
    trained: Trained, terms: PromotionCriteria = LENIENT, *, force: bool = False
) -> RetrainingResult:
    return retrain_model(trained.home, force, "tester", growth=ENOUGH, terms=terms, device="cpu")


def active(trained: Trained) -> int:
    current = current_threshold(open_record(trained.home))
    assert current is not None
    return current.activation.threshold_id


def roles_of(trained: Trained, model_id: int) -> dict[int, Role]:
    engine = open_record(trained.home)
    return dataset_roles(engine, model_by_id(engine, model_id).dataset_id)


def test_the_pool_grows_a_candidate_is_promoted_and_rolled_back(
    trained: Trained, more_heads: Path, tmp_path: Path
) -> None:
    engine = open_record(trained.home)
    grow(trained, more_heads, 11, tmp_path / "new")
    below = retrain(trained)
    assert not below.activated
    assert below.model_id is None
    assert "11 new healthy scans beside 24; 12 are needed" in below.why
    assert comparisons(engine) == []

    grow(trained, more_heads, 12, tmp_path / "new")
    strict = retrain(trained, PromotionCriteria())
    assert not strict.activated
    assert "too few to tell" in strict.why
    assert active(trained) == trained.threshold_id
    assert len(thresholds(engine)) == 2  # kept, to be activated by hand
    again = retrain(trained)
    assert "nothing to do: 0 new healthy scans beside 36" in again.why

    promoted = retrain(trained, force=True)
    assert promoted.activated, promoted.why
    assert active(trained) == promoted.threshold_id
    rows = comparisons(engine)
    assert [row.promoted for row in rows] == [0, 1]
    assert rows[1].reason == promoted.why
    figures = json.loads(rows[1].figures)
    assert (
        figures["n_healthy"]
        == len(comparison_scans(trained, rows[1].dataset_id)) - figures["n_abnormal"]
    )

    activate(engine, trained.threshold_id, "rolled back", "tester")
    assert active(trained) == trained.threshold_id
    assert not retrain(trained).activated  # a rollback stands


def test_the_mornings_page_tells_of_the_new_model_that_the_same_night_tried(
    trained: Trained, more_heads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"device": "cpu", "retrain_min": "12", "quiet_seconds": "0.2"}.items():
        monkeypatch.setenv(f"MRIAD_{name.upper()}", value)
    grow(trained, more_heads, 12, trained.home / "healthy" / "new")
    night = nightly(trained.home)
    (comparison,) = comparisons(open_record(trained.home))
    page = (trained.home / night.scoring.report).read_text()
    assert "A new model was trained and not activated" in page
    assert "too few to tell which is better" in page
    assert f"mriad activate {comparison.candidate_threshold_id}" in page
    assert "Active model and threshold" in page
    page = (trained.home / nightly(trained.home).scoring.report).read_text()
    assert "A new model was trained" not in page  # told the morning before

    as_many = dict.fromkeys(("current", "candidate", "difference", "at_most"), 0.0)
    monkeypatch.setattr("mriad_model.promotion.comparison._caught", lambda *_: as_many)
    for name in ("margin", "rate_margin"):
        monkeypatch.setenv(f"MRIAD_RETRAIN_{name.upper()}", "0.45")
    monkeypatch.setenv("MRIAD_RETRAIN_MIN", "1")
    grow(trained, more_heads, 13, trained.home / "healthy" / "new")
    monkeypatch.setenv("MRIAD_RETRAIN_SHARE", "0")
    night = nightly(trained.home)
    (_, promoted) = comparisons(open_record(trained.home))
    assert promoted.promoted, promoted.reason
    page = (trained.home / night.scoring.report).read_text()
    assert "A new model was trained and activated" in page
    assert "No longer active." in page
    _, end = run_by_id(open_record(trained.home), promoted.run_id)
    assert end is not None
    assert json.loads(end.counts)["needed"] == 1


def test_the_mornings_page_tells_that_the_retraining_failed(
    trained: Trained, more_heads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"device": "cpu", "retrain_min": "12", "quiet_seconds": "0.2"}.items():
        monkeypatch.setenv(f"MRIAD_{name.upper()}", value)
    grow(trained, more_heads, 12, trained.home / "healthy" / "new")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(flows.train, "train", fail)
        with pytest.raises(RuntimeError, match="the disk is full"):
            nightly(trained.home)
    (page,) = (trained.home / "reports").glob("*-run-*.html")
    assert "retraining failed" in page.read_text()
    assert "the disk is full" not in page.read_text()  # an error may name a file
    night = nightly(trained.home)  # and it is tried again
    page = (trained.home / night.scoring.report).read_text()
    assert "A new model was trained and" in page
    assert "retraining failed" not in page  # told the morning before


def test_what_the_mornings_page_could_not_tell_any_more_the_next_one_does(
    trained: Trained, more_heads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"device": "cpu", "retrain_min": "12", "quiet_seconds": "0.2"}.items():
        monkeypatch.setenv(f"MRIAD_{name.upper()}", value)
    grow(trained, more_heads, 12, trained.home / "healthy" / "new")

    def killed(*_: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(flows.nightly, "report_again", killed)
        with pytest.raises(RuntimeError, match="the power went"):
            nightly(trained.home)
    page = (trained.home / nightly(trained.home).scoring.report).read_text()
    assert "A new model was trained and not activated" in page


def comparison_scans(trained: Trained, dataset_id: int) -> dict[int, Role]:
    return dataset_roles(open_record(trained.home), dataset_id)


def test_neither_model_is_compared_on_what_it_learned_from(
    trained: Trained, more_heads: Path, tmp_path: Path
) -> None:
    grow(trained, more_heads, 12, tmp_path / "new")
    found = retrain(trained)
    assert found.model_id is not None
    old, new = roles_of(trained, trained.model_id), roles_of(trained, found.model_id)
    assert len(new) == N_HEALTHY + 12
    assert {scan: new[scan] for scan in old} == old  # roles are for good
    (comparison,) = comparisons(open_record(trained.home))
    met = comparison_scans(trained, comparison.dataset_id)
    for roles in (old, new):
        taught = {scan for scan, role in roles.items() if role in TAUGHT}
        assert taught
        assert not taught & met.keys()
    assert met.keys() >= {scan for scan, role in new.items() if role in HELD_OUT}

"""A person's word on a decision: kept, shown, and a label where the person says so."""

import json
from pathlib import Path

import pytest

from db import history
from db.engine import open_record
from flows import cli
from flows.scoring import score_new_scans
from mriad_model.nouns import LabelSource, LabelValue, Verdict
from mriad_model.paths import escape_path
from tests.conftest import Trained


@pytest.fixture
def scored(trained: Trained) -> Trained:
    score_new_scans(trained.home, escape_path(trained.heads), device="cpu")
    return trained


@pytest.fixture
def scan_id(scored: Trained) -> int:
    """Of a head that the model never saw."""
    rows = history.decisions(open_record(scored.home))
    return next(row.scan_id for row in rows if row.path and "/yes/" in row.path)


def mriad(home: Path, *arguments: object) -> int:
    return cli.main([*map(str, arguments), "--home", str(home)])


def test_a_word_on_a_decision_is_kept_and_shown(
    scored: Trained, scan_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(history.labelled(open_record(scored.home)))
    assert mriad(scored.home, "review", scan_id, "normal", "--note", "an old burr hole") == 0
    assert "reviewed as normal." in capsys.readouterr().out
    assert mriad(scored.home, "show", scan_id) == 0
    out = capsys.readouterr().out
    assert "an old burr hole" in out
    assert mriad(scored.home, "history", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["decisions"]
    assert {row["scan_id"]: row["review"] for row in rows if row["review"]} == {scan_id: "normal"}
    assert len(history.labelled(open_record(scored.home))) == before  # a verdict is no label


def test_the_last_word_holds_and_all_are_kept(
    scored: Trained, scan_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("normal", "suspicious"):
        assert mriad(scored.home, "review", scan_id, word) == 0
    reviews = history.reviews(open_record(scored.home), scan_id)
    assert [each.verdict for each in reviews] == [Verdict.NORMAL, Verdict.SUSPICIOUS]
    rows = history.decisions(open_record(scored.home))
    assert [row.review for row in rows if row.scan_id == scan_id] == [Verdict.SUSPICIOUS]


@pytest.mark.parametrize("word", ["healthy", "abnormal"])
def test_healthy_and_abnormal_are_labels_by_a_reviewer(
    scored: Trained, scan_id: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(scored.home, "review", scan_id, word, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["scan_id"], found["label"]) == (scan_id, word)
    labels = {each.id: each.label for each in history.labelled(open_record(scored.home))}
    assert labels[scan_id].value is LabelValue(word)
    if word == "healthy":  # which the folder had not said
        assert labels[scan_id].source is LabelSource.REVIEWER
        pool = [each.id for each in history.healthy_pool(open_record(scored.home))]
        assert scan_id in pool


def test_what_has_no_decision_cannot_be_reviewed(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(trained.home, "review", 1, "normal") == 1
    assert "no decision to review yet" in capsys.readouterr().err
    assert mriad(trained.home, "review", 1, "splendid") == 2

"""A person's word on a decision: kept, shown, and a label where the person says so."""

import json
import os
import pwd
import shutil
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.repository.intake.labels import healthy_pool, labelled
from db.repository.reports import reviews as reviews_records
from db.repository.reports.history import DecisionRow, decisions
from db.repository.reports.reviews import standing_reviews
from flows.cli import main as cli
from flows.cli.commands import review
from flows.runtime import settings
from flows.runtime.settings import local_user, login_name
from flows.score import score_new_scans
from mriad_model.enums import LabelSource, LabelValue, ReviewVerdict, Verdict
from mriad_model.paths import escape_path
from mriad_model.reasons import reason_words
from tasks.reports import weekly_report as weekly
from tasks.runtime.connections import database
from tests.conftest import Trained


@pytest.fixture(scope="module")
def scored_once(trained_once: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A home in which all heads are decided that the model did not learn from."""
    home = tmp_path_factory.mktemp("scored") / "home"
    made = replace(trained_once, home=Path(shutil.copytree(trained_once.home, home)))
    score_new_scans(made.home, escape_path(made.heads), device="cpu")
    database(str(made.home)).dispose()  # folds the log into the file
    return made


@pytest.fixture
def scored(scored_once: Trained, tmp_path: Path) -> Trained:
    """A copy of it, for one test."""
    home = shutil.copytree(scored_once.home, tmp_path / "home")
    return replace(scored_once, home=Path(home))


@pytest.fixture
def scan_id(scored: Trained) -> int:
    """Of a head that the model never saw."""
    rows = decisions(open_record(scored.home))
    return next(row.scan_id for row in rows if row.path and "/yes/" in row.path)


def mriad(home: Path, *arguments: object) -> int:
    return cli.main([*map(str, arguments), "--home", str(home)])


def section(out: str, name: str) -> list[str]:
    """The lines of a table among others, without its heading."""
    lines = out.split(f"\n{name}:\n")[1].splitlines()[1:]
    return list(takewhile(lambda line: "\t" in line, lines))


def test_a_word_on_a_decision_is_kept_and_shown(
    scored: Trained, scan_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(labelled(open_record(scored.home)))
    assert mriad(scored.home, "review", scan_id, "normal", "--note", "an old burr hole") == 0
    out = capsys.readouterr().out
    (row,) = (r for r in decisions(open_record(scored.home)) if r.scan_id == scan_id)
    assert out.splitlines()[:2] == [
        f"Scan {scan_id}: {row.path}",
        f"Decision {row.decision_id}: {row.verdict} ({reason_words(row.reason)}), "
        f"score {row.score:.4g}, limit {row.threshold:.4g}",
    ]
    assert f"Reviewed as normal by {login_name()}. To take it back: mriad review {scan_id}" in out
    assert mriad(scored.home, "show", scan_id) == 0
    out = capsys.readouterr().out
    assert "an old burr hole" in out
    assert mriad(scored.home, "history", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["decisions"]
    assert {row["scan_id"]: row["review"] for row in rows if row["review"]} == {scan_id: "normal"}
    assert len(labelled(open_record(scored.home))) == before  # a verdict is no label


def test_tags_are_kept_and_shown_and_no_withdrawal_takes_any(
    scored: Trained, scan_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = ("--tag", "Motion", "--tag", "artefact, motion")
    assert mriad(scored.home, "review", scan_id, "normal", *tags) == 0
    assert "Reviewed as normal, with artefact, motion, by " in capsys.readouterr().out
    (row,) = standing_reviews(open_record(scored.home))
    assert row.tags == "artefact motion"
    assert mriad(scored.home, "show", scan_id, "--json") == 0
    assert json.loads(capsys.readouterr().out)["reviews"][0]["tags"] == ["artefact", "motion"]
    assert mriad(scored.home, "review", scan_id, "normal", "--tag", "<b>") == 2
    assert mriad(scored.home, "review", scan_id, "withdraw", "--tag", "slip") == 2
    assert "a tag is a word of letters" in capsys.readouterr().err
    assert standing_reviews(open_record(scored.home)) == [row]
    for command in (("review", scan_id, "normal"), ("history",)):
        capsys.readouterr()
        assert mriad(scored.home, *command, "--tag", "motion, two words") == 2
        assert "tag 'two words': a tag is one word: give two-words, or" in capsys.readouterr().err


def test_the_last_word_holds_and_all_are_kept(
    scored: Trained, scan_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("normal", "suspicious"):
        assert mriad(scored.home, "review", scan_id, word) == 0
    reviews = reviews_records.reviews(open_record(scored.home), scan_id)
    assert [each.verdict for each in reviews] == [Verdict.NORMAL, Verdict.SUSPICIOUS]
    rows = decisions(open_record(scored.home))
    assert [row.review for row in rows if row.scan_id == scan_id] == [Verdict.SUSPICIOUS]


@pytest.mark.parametrize("word", ["healthy", "abnormal"])
def test_healthy_and_abnormal_are_labels_by_a_reviewer(
    scored: Trained, scan_id: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(scored.home, "review", scan_id, word, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["scan_id"], found["label"]) == (scan_id, word)
    labels = {each.id: each.label for each in labelled(open_record(scored.home))}
    assert labels[scan_id].value is LabelValue(word)
    if word == "healthy":  # which the folder had not said
        assert labels[scan_id].source is LabelSource.REVIEWER
        pool = [each.id for each in healthy_pool(open_record(scored.home))]
        assert scan_id in pool


def test_healthy_of_what_is_not_scorable_is_asked_about_and_shows_no_score(
    scored: Trained,
    scan_id: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(rows: list[DecisionRow], _: int | None) -> DecisionRow:
        return replace(rows[0], verdict=Verdict.NOT_SCORABLE, reason="unlike_learned")

    monkeypatch.setattr(review, "reviewed_decision", refused)
    assert mriad(scored.home, "review", scan_id, "abnormal") == 0
    assert "the next training learns from it" not in capsys.readouterr().out
    assert mriad(scored.home, "review", scan_id, "healthy") == 0
    out = capsys.readouterr().out
    assert ", score -, limit" in out
    assert "Labelled healthy though it is not scorable (unlike" in out


def test_what_has_no_decision_cannot_be_reviewed(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(trained.home, "review", 1, "normal") == 1
    assert "no decision to review: score it first" in capsys.readouterr().err
    assert mriad(trained.home, "review", 1, "splendid") == 2


def test_a_review_can_be_withdrawn_and_its_label_with_it(
    scored: Trained, scan_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_record(scored.home)
    before = {each.id: each.label.value for each in labelled(engine)}
    assert mriad(scored.home, "review", scan_id, "healthy", "--reviewer", "Ann", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["reviewer"], said["verdict"], said["label_now"]) == ("Ann", "normal", "healthy")
    assert scan_id in [each.id for each in healthy_pool(engine)]
    again = ["review", scan_id, "withdraw", "--reviewer", "Bob", "--note", "the wrong scan"]
    assert mriad(scored.home, *again, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["withdrawn"], found["label_now"]) == (said["review_id"], "abnormal")
    assert {each.id: each.label.value for each in labelled(engine)} == before
    assert [r.review for r in decisions(engine) if r.scan_id == scan_id] == [None]
    assert mriad(scored.home, "show", scan_id) == 0
    out = capsys.readouterr().out
    labels, reviews = (section(out, name) for name in ("Labels", "Reviews"))
    assert [line.endswith("by Bob: the wrong scan") for line in labels] == [
        False,
        True,
    ]
    (line,) = reviews
    assert "Ann" in line
    assert line.endswith("by Bob: the wrong scan")
    assert mriad(scored.home, *again) == 1
    assert f"Scan {scan_id} has no review that could be withdrawn" in capsys.readouterr().err


def test_a_withdrawn_review_is_not_counted_by_the_week(scored: Trained, scan_id: int) -> None:
    for word in ("normal", "withdraw", "suspicious"):
        assert mriad(scored.home, "review", scan_id, word) == 0
    (holds,) = standing_reviews(open_record(scored.home))
    assert holds.verdict is ReviewVerdict.SUSPICIOUS
    tally = weekly.review_tally(open_record(scored.home), "2000")
    assert tally.total == 1


def test_the_id_of_a_decision_is_not_taken_for_a_scan_s(
    served: None, scored: Trained, scan_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decided again under other thresholds, decisions have ids beyond those of the scans."""
    for k in (2, 3, 4, 5, 6):
        assert mriad(scored.home, "recalibrate", "--sigmas", k) == 0
    capsys.readouterr()
    last = decisions(open_record(scored.home))[0]
    assert mriad(scored.home, "review", last.decision_id, "normal") == 1
    told = f"{last.decision_id} is the id of a decision, which is on scan {last.scan_id}: name that"
    assert told in capsys.readouterr().err
    assert reviews_records.reviews(open_record(scored.home)) == []


def test_the_scan_s_id_comes_first_and_the_decision_s_is_called_so(
    scored: Trained, scan_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(scored.home, "history") == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split("\t")[0] == "scan"
    assert "decision" in heading.split("\t")
    assert str(scan_id) in [line.split("\t")[0] for line in lines]
    assert mriad(scored.home, "history", "--csv") == 0
    assert capsys.readouterr().out.startswith("scan_id,decision_id,")
    (table,) = (scored.home / "reports").glob("score-run-*.csv")
    assert table.read_text().startswith("scan_id,result,")
    page = table.with_suffix(".html").read_text()
    flagged = [r for r in decisions(open_record(scored.home)) if r.verdict == "suspicious"]
    assert flagged
    assert all(f">Scan {row.scan_id}<" in page for row in flagged)


def test_a_review_has_a_name(
    scored: Trained,
    scan_id: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(_: int) -> object:
        raise KeyError

    monkeypatch.setenv("USER", "somebody else")
    assert login_name() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(settings.pwd, "getpwuid", nobody)
    monkeypatch.setenv("LOGNAME", "ann")
    assert (login_name(), local_user()) == ("ann", "ann")
    monkeypatch.delenv("LOGNAME")
    assert not local_user().startswith("uid")
    for name in ([], ["--reviewer", "  "]):
        assert mriad(scored.home, "review", scan_id, "normal", *name) == 2
        assert "give --reviewer NAME" in capsys.readouterr().err
    assert reviews_records.reviews(open_record(scored.home)) == []
    assert mriad(scored.home, "review", scan_id, "normal", "--reviewer", "Bob") == 0
    assert reviews_records.reviews(open_record(scored.home))[0].reviewer == "Bob"

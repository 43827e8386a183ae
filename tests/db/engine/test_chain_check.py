"""Whatever is done to rows and links past their triggers, the chain shows it."""

import pytest
from sqlalchemy import text

from db.repository.training.models import activate
from tasks.maintenance.check import ProblemKind
from tests.support.record.checking import checked, head_of, told
from tests.support.record.kept import KeptHome
from tests.support.record.tampering import tamper

# What is done -> the statements, and the tables whose rows are then not those of their link.
MANIPULATIONS = {
    "a verdict turned": (
        ["UPDATE decision SET verdict = 'normal' WHERE id = 1"],
        {"decision"},
    ),
    "a scan deleted with all its rows": (
        [
            "DELETE FROM review WHERE scan_id = 3",
            "DELETE FROM heatmap WHERE score_id = 1",
            "DELETE FROM slice_score WHERE score_id = 1",
            "DELETE FROM decision WHERE scan_id = 3",
            "DELETE FROM score WHERE scan_id = 3",
            "DELETE FROM label WHERE scan_id = 3",
            "DELETE FROM sighting WHERE scan_id = 3",
            "DELETE FROM scan WHERE id = 3",
        ],
        {
            "review", "heatmap", "slice_score", "decision", "score", "label", "sighting", "scan",
        },
    ),
    "scores, threshold and verdicts rewritten together": (
        [
            "UPDATE score SET value = value / 2",
            "UPDATE slice_score SET value = value / 2",
            "UPDATE threshold SET mean = mean / 2, sd = sd / 2, value = 0.9",
            "UPDATE decision SET verdict = 'normal', p_value = 1.0",
        ],
        {"score", "slice_score", "threshold", "decision"},
    ),
    "another recipe": (["UPDATE model SET recipe = '{\"k\": 1}'"], {"model"}),
    "a slice score": (
        ["UPDATE slice_score SET value = 0.69999999999999996 - 1e-16 WHERE score_id = 2"],
        {"slice_score"},
    ),
    "a slice score added": (["INSERT INTO slice_score VALUES (2, 9, 0.1)"], {"slice_score"}),
    "a time": (
        ["UPDATE decision SET created_at = '2026-11-01T12:00:00.000001+00:00' WHERE id = 2"],
        {"decision"},
    ),
    "an author": (["UPDATE activation SET author = 'somebody else'"], {"activation"}),
    "a reviewer": (["UPDATE review SET reviewer = 'somebody else'"], {"review"}),
    "a label": (["UPDATE label SET value = 'abnormal'"], {"label"}),
    "a label taken away": (["DELETE FROM label"], {"label"}),
    "what a dataset holds": (
        ["UPDATE dataset_scan SET twin_group = 7 WHERE role = 'train'"],
        {"dataset_scan"},
    ),
    "a run that failed": (["UPDATE run_end SET status = 'completed'"], {"run_end"}),
    "a scanner where none was told": (
        ["UPDATE scan SET scanner = 'GE Signa' WHERE id = 1"],
        {"scan"},
    ),
}  # fmt: skip


def test_a_record_as_it_should_be_has_no_problem(kept: KeptHome) -> None:
    report = checked(kept, head_of(kept))
    assert (report.problems, report.notes) == ([], [])
    assert report.head == head_of(kept)


@pytest.mark.parametrize("what", MANIPULATIONS)
def test_a_change_past_the_triggers_is_found_and_its_table_named(kept: KeptHome, what: str) -> None:
    statements, tables = MANIPULATIONS[what]
    tamper(kept.engine, *statements)
    report = checked(kept)
    lines = told(report, ProblemKind.BROKEN_LINK)
    assert {line.split(" rows of ")[1].split(" ")[0] for line in lines} == tables, lines
    assert all(line.startswith("link ") and " does not hold: " in line for line in lines)
    assert told(report, ProblemKind.CHANGED_TABLES) == []  # the triggers are back


def test_a_row_slipped_in_by_another_program_is_found_as_in_no_link(kept: KeptHome) -> None:
    with kept.engine.begin() as connection:  # through the triggers, as any program may
        connection.execute(
            text(
                "INSERT INTO label (scan_id, value, source, author, created_at)"
                " VALUES (1, 'healthy', 'csv', 'x', '')"
            )
        )
    (line,) = told(checked(kept), ProblemKind.BROKEN_LINK)
    assert line.startswith("1 row of label (id 2) is in no link")
    kept.hand.label(2)  # what comes after has a link of its own, and makes nothing of it good
    assert told(checked(kept), ProblemKind.BROKEN_LINK) == [line]


def test_links_taken_away_are_found(kept: KeptHome) -> None:
    head = head_of(kept)
    tamper(kept.engine, "DELETE FROM link WHERE id = 3")
    lines = told(checked(kept), ProblemKind.BROKEN_LINK)
    assert lines[0] == "links 3 to 3 are gone"
    tamper(kept.engine, f"DELETE FROM link WHERE id = {head.sequence}")
    assert any("is in no link" in line for line in told(checked(kept), ProblemKind.BROKEN_LINK))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("created_at = '2026-11-02'", "link 2 (2026-11-02) was changed after it was made"),
        ("previous = 'f00'", "link 2 does not follow on link 1"),
        ("sha256 = previous", "link 3 does not follow on link 2"),
        ("rows = '[1]'", "link 2 does not say what it covers"),
        ('rows = \'{"scan": [1, "x", 2, ""]}\'', "link 2 does not say what it covers"),
        ("id = -7", "link -7 is none of ours"),
    ],
)
def test_a_link_that_was_changed_is_named(kept: KeptHome, change: str, said: str) -> None:
    tamper(kept.engine, f"UPDATE link SET {change} WHERE id = 2")
    assert said in told(checked(kept), ProblemKind.BROKEN_LINK)


def test_a_high_id_is_outlived_by_what_comes_after_it(kept: KeptHome) -> None:
    columns = "threshold_id, reason, author, created_at"
    hostile = f"INSERT INTO activation (id, {columns}) SELECT 2000, {columns} FROM activation"
    tamper(kept.engine, hostile)
    later = kept.hand.threshold(kept.model_id, 1, k=2.0)
    assert activate(kept.engine, later, "better", "me") == 2001
    lines = told(checked(kept), ProblemKind.BROKEN_LINK)
    assert [line.split(" is ")[0] for line in lines] == ["1 row of activation (id 2000)"]


def test_text_that_is_none_is_one_plain_line(in_home: KeptHome) -> None:
    tamper(in_home.engine, "UPDATE label SET author = CAST(x'ff' AS TEXT)")
    in_home.hand.label(3)
    tamper(in_home.engine, "UPDATE label SET author = CAST(x'ff' AS TEXT)")
    lines = told(checked(in_home), ProblemKind.BROKEN_LINK)
    assert lines[0] == "label cannot be read: it holds what is no text or number"

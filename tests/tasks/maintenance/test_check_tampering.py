"""Whatever is done to the record past its triggers, `mriad check` finds it."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from db.engine import chain_head as heads
from db.engine.chain import NOTHING_BEFORE, PAGE, Covered, Digest, sha256_of_link, shapes
from db.engine.chain_head import Head
from db.engine.connect import open_record, reading
from db.engine.sqlite import DATABASE
from db.entities import Review, RunEnd
from db.repository.models import activate
from db.repository.reviews import append_review
from db.repository.runs import end_run
from mriad_model.enums import RunStatus, Verdict
from mriad_model.errors import RecordError
from tasks.maintenance.check import CheckReport, ProblemKind, check
from tests.support.hand import NOON
from tests.support.kept import KeptHome, kept_home
from tests.support.postgresql import Server
from tests.support.tampering import shell_on, tamper

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


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeptHome]:
    """A home with a row in each table that is tampered with, in either database."""
    server: Server | None = None
    url = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        url = server.create()
    made = kept_home(tmp_path / "home", url)
    made.hand.label(3)
    append_review(made.engine, Review(3, 1, "me", Verdict.NORMAL, "", NOON))
    failed = made.hand.run("failed")
    end_run(made.engine, RunEnd(failed, RunStatus.FAILED, "{}", NOON))
    yield made
    made.engine.dispose()
    if server is not None and url is not None:
        server.drop(url)


@pytest.fixture
def in_home(tmp_path: Path) -> Iterator[KeptHome]:
    """A home whose record is SQLite's file."""
    made = kept_home(tmp_path / "home")
    yield made
    made.engine.dispose()


@pytest.fixture
def served(postgresql: Server, tmp_path: Path) -> Iterator[KeptHome]:
    """A home whose record is in PostgreSQL."""
    url = postgresql.create()
    made = kept_home(tmp_path / "home", url)
    yield made
    made.engine.dispose()
    postgresql.drop(url)


def checked(kept: KeptHome, *since: Head) -> CheckReport:
    return check(kept.engine, kept.home, contents=False, since=since)


def told(report: CheckReport, kind: ProblemKind) -> list[str]:
    return [each.text for each in report.problems if each.kind is kind]


def head_of(kept: KeptHome) -> Head:
    found = heads.head(kept.engine)
    assert found is not None
    return found


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


def recompute_chain(kept: KeptHome) -> None:
    """Make every link anew over the rows as they are, as a person with this program can."""
    previous, links = NOTHING_BEFORE, []
    with reading(kept.engine) as connection:
        for link in connection.execute(text("SELECT * FROM link ORDER BY id")).mappings().all():
            made = dict(link)
            rows = json.loads(made["rows"])
            for shape in shapes():
                if shape.table in rows:
                    first, last, *_ = rows[shape.table]
                    digest = Digest(shape.columns)
                    query = shape.query(f"{shape.key} BETWEEN {first} AND {last}")
                    for row in connection.execute(text(query)):
                        digest.add(row)
                    rows[shape.table] = digest.covered(first, last).as_list()
            made["rows"], made["previous"] = json.dumps(rows, separators=(",", ":")), previous
            made["sha256"] = previous = sha256_of_link(made)
            links.append(made)
    values = [
        f"UPDATE link SET rows = '{each['rows']}', previous = '{each['previous']}',"
        f" sha256 = '{each['sha256']}' WHERE id = {each['id']}"
        for each in links
    ]
    tamper(kept.engine, *values)


def test_a_chain_made_anew_over_changed_rows_is_found_by_a_kept_head_alone(
    kept: KeptHome,
) -> None:
    head = head_of(kept)
    tamper(kept.engine, "UPDATE decision SET verdict = 'normal' WHERE id = 1")
    recompute_chain(kept)
    report = checked(kept)
    assert report.ok, report.problems  # who can write the record can make its chain anew
    assert report.head is not None
    assert report.head.sequence == head.sequence
    (line,) = told(checked(kept, head), ProblemKind.OTHER_RECORD)
    now = report.head.sha256[: len(head.sha256)]
    assert line.startswith(f"link {head.sequence} is {now}, and the kept head says ")


def test_an_old_file_put_back_is_found_by_a_kept_head(in_home: KeptHome, tmp_path: Path) -> None:
    old = head_of(in_home)
    in_home.engine.dispose()
    shutil.copyfile(in_home.home / DATABASE, tmp_path / "old.db")
    in_home.hand.label(3)
    head = head_of(in_home)
    assert checked(in_home, old, head).ok
    in_home.engine.dispose()
    shutil.copyfile(tmp_path / "old.db", in_home.home / DATABASE)
    assert checked(in_home, old).ok
    (line,) = told(checked(in_home, old, head), ProblemKind.OTHER_RECORD)
    assert line.startswith(f"the record ends at link {old.sequence} and head {head.sequence}:")
    in_home.hand.label(4)  # it goes on from there, in another way
    (line,) = told(checked(in_home, old, head), ProblemKind.OTHER_RECORD)
    assert "was rewritten or put back since that head was kept" in line


def test_another_record_does_not_continue_a_head(kept: KeptHome, tmp_path: Path) -> None:
    other = kept_home(tmp_path / "other")
    (line,) = told(checked(kept, head_of(other)), ProblemKind.OTHER_RECORD)
    assert "or is another record" in line
    other.engine.dispose()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TRIGGER decision_refuses_update", ["trigger decision_refuses_update is gone"]),
        ("DROP INDEX ix_label_scan_id", ["index ix_label_scan_id is gone"]),
        (
            "CREATE TABLE aside (x)",
            ["column aside.x is none of mriad's", "table aside is none of mriad's"],
        ),
        (
            "CREATE TRIGGER quiet BEFORE INSERT ON review BEGIN SELECT RAISE(IGNORE); END",
            ["trigger quiet is none of mriad's"],
        ),
        ("CREATE VIEW v AS SELECT 1 AS x", ["view v is none of mriad's"]),
        ("CREATE INDEX more ON label (value)", ["index more is none of mriad's"]),
        (
            "ALTER TABLE label ADD COLUMN extra TEXT",
            ["column label.extra is none of mriad's", "table label is not as mriad makes it"],
        ),
        (
            "DROP TRIGGER label_refuses_delete;"
            "CREATE TRIGGER label_refuses_delete BEFORE DELETE ON label BEGIN SELECT 1; END",
            ["trigger label_refuses_delete is not as mriad makes it"],
        ),
    ],
)  # fmt: skip
def test_tables_that_are_not_as_mriad_makes_them_are_named(
    in_home: KeptHome, change: str, said: list[str]
) -> None:
    with closing(shell_on(in_home.engine)) as shell:
        shell.executescript(change)
        shell.execute("ANALYZE")  # is nothing to complain of
    assert told(checked(in_home), ProblemKind.CHANGED_TABLES) == said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "DROP TRIGGER decision_refuses_change ON decision",
            ["trigger decision_refuses_change is gone"],
        ),
        (
            "ALTER TABLE decision DISABLE TRIGGER decision_refuses_change",
            ["trigger decision_refuses_change is not as mriad makes it"],
        ),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RETURN NEW; END'",
            ["function refuse_change is not as mriad makes it"],
        ),
        ("DROP INDEX ix_label_scan_id", ["index ix_label_scan_id is gone"]),
        (
            "CREATE RULE quiet AS ON INSERT TO review DO INSTEAD NOTHING",
            ["rule quiet is none of mriad's"],
        ),
        (
            "ALTER TABLE label DROP CONSTRAINT ck_label_value",
            ["constraint ck_label_value is gone"],
        ),
        (
            "ALTER TABLE label ALTER COLUMN author DROP NOT NULL",
            ["column label.author is not as mriad makes it"],
        ),
        (
            "CREATE TABLE aside (x int)",
            ["column aside.x is none of mriad's", "table aside is none of mriad's"],
        ),
        (
            "ALTER TABLE run_end DISABLE TRIGGER ALL",
            [
                "looking after references of run_end is not as mriad makes it",
                "trigger run_end_numbers_its_rows is not as mriad makes it",
                "trigger run_end_refuses_change is not as mriad makes it",
                "trigger run_end_refuses_truncate is not as mriad makes it",
            ],
        ),
    ],
)  # fmt: skip
def test_tables_in_postgresql_that_are_not_as_mriad_makes_them_are_named(
    served: KeptHome, change: str, said: list[str]
) -> None:
    with served.engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert told(checked(served), ProblemKind.CHANGED_TABLES) == said
    with reading(served.engine) as connection:  # what they were compared with is gone again
        schemas = connection.execute(text("SELECT nspname FROM pg_namespace")).scalars().all()
    assert not [name for name in schemas if name.startswith("mriad_check")]


def test_tables_that_cannot_be_compared_are_said_to_be_so(
    served: KeptHome, postgresql: Server
) -> None:
    database = str(served.engine.url.database)
    postgresql.say("CREATE ROLE reader LOGIN", database)
    try:
        postgresql.say("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database)
        url = postgresql.url(database, "reader")
        with_less = open_record(served.home, url, read_only=True)
        report = check(with_less, served.home, contents=False)
        with_less.dispose()
        assert report.ok
        assert "grant PostgreSQL's user CREATE" in report.notes[0]
    finally:
        postgresql.say("DROP OWNED BY reader", database)
        postgresql.say("DROP ROLE reader", database)


@pytest.mark.parametrize("new_id", [2**53, 2**63 - 1, 0, -1, -(2**63)])
def test_a_row_of_an_impossible_number_is_named_and_no_append_pretends_to_work(
    kept: KeptHome, new_id: int
) -> None:
    columns = "threshold_id, reason, author, created_at"
    hostile = f"INSERT INTO activation (id, {columns}) SELECT {new_id}, {columns} FROM activation"
    tamper(kept.engine, hostile)
    report = checked(kept)
    assert told(report, ProblemKind.IMPOSSIBLE_ROW) == [
        f"activation has a row {new_id}, a number that mriad gives none"
    ]
    assert any("in no link" in each for each in told(report, ProblemKind.BROKEN_LINK))
    with pytest.raises(RecordError, match=f"row {new_id} of activation, which.*a backup$") as error:
        kept.hand.label(1)
    assert "\n" not in str(error.value)


def test_a_high_id_is_outlived_by_what_comes_after_it(kept: KeptHome) -> None:
    columns = "threshold_id, reason, author, created_at"
    hostile = f"INSERT INTO activation (id, {columns}) SELECT 2000, {columns} FROM activation"
    tamper(kept.engine, hostile)
    later = kept.hand.threshold(kept.model_id, 1, k=2.0)
    assert activate(kept.engine, later, "better", "me") == 2001
    lines = told(checked(kept), ProblemKind.BROKEN_LINK)
    assert [line.split(" is ")[0] for line in lines] == ["1 row of activation (id 2000)"]


def test_a_row_of_a_time_to_come_is_named(kept: KeptHome) -> None:
    tamper(kept.engine, "UPDATE decision SET created_at = '9999-01-01' WHERE id = 2")
    assert told(checked(kept), ProblemKind.IMPOSSIBLE_ROW) == [
        "decision has rows of a time to come: 1, the first of 9999-01-01"
    ]


def test_text_that_is_none_is_one_plain_line(in_home: KeptHome) -> None:
    tamper(in_home.engine, "UPDATE label SET author = CAST(x'ff' AS TEXT)")
    in_home.hand.label(3)
    tamper(in_home.engine, "UPDATE label SET author = CAST(x'ff' AS TEXT)")
    lines = told(checked(in_home), ProblemKind.BROKEN_LINK)
    assert lines[0] == "label cannot be read: it holds what is no text or number"


def test_rows_have_one_form_whatever_holds_them() -> None:
    digest = Digest(("a", "b", "c", "d"))
    digest.add((0.1 + 0.2, None, "ü\n", 2**62))
    digest.add((7.0, 1, "", 0))
    said = '[{"a":0.30000000000000004,"c":"\\u00fc\\n","d":4611686018427387904},'
    said += '{"a":7.0,"b":1,"c":"","d":0}]'
    assert digest.covered(1, 2) == Covered(1, 2, 2, hashlib.sha256(said.encode()).hexdigest())


@pytest.mark.parametrize("n", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_rows_have_one_hash_however_they_come(n: int) -> None:
    digest = Digest(("a",))
    for each in range(n):
        digest.add((each,))
    whole = json.dumps([{"a": each} for each in range(n)], separators=(",", ":"))
    assert digest.covered(1, 9) == Covered(1, 9, n, hashlib.sha256(whole.encode()).hexdigest())

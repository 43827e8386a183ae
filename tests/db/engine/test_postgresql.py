"""The record in PostgreSQL: as append-only, and refused as plainly, as in a file."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from db import schema
from db.engine.connect import HEAD, engine, open_record, reading, writing
from db.entities import (
    Arrival,
    Comparison,
    FindingLimit,
    RecordedWarning,
    Rejection,
    Report,
    Review,
    RunEnd,
    Sending,
    Unscored,
)
from db.repository.intake.arrivals import append_arrivals, end_arrivals
from db.repository.intake.rejections import append_rejections
from db.repository.reports.history import decisions
from db.repository.reports.reports import append_report
from db.repository.reports.reviews import append_review
from db.repository.runs import end_run
from db.repository.scoring.decisions import FoundPart, HeatmapFile, ScoredScan, append_scored
from db.repository.scoring.findings import append_finding_limit
from db.repository.scoring.sendings import append_sending
from db.repository.scoring.unscored import append_unscored
from db.repository.scoring.warnings import append_warnings
from db.repository.training.comparisons import append_comparison
from db.repository.training.models import activations
from mriad_model.enums import (
    HeatmapKind,
    RejectionReason,
    ReviewVerdict,
    RunStatus,
    SettledBy,
    Side,
    Verdict,
    WarningKind,
)
from mriad_model.errors import HomeError, MriadError, NotInRecord, RecordError, SettingsError
from tests.support.record.emptied import EmptiedRecord
from tests.support.record.postgresql import Server

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

APPEND_ONLY = sorted(schema.metadata.tables)


@pytest.fixture
def url(emptied: EmptiedRecord) -> Iterator[str]:
    """A database with an empty record that is up to date."""
    yield emptied.taken()
    emptied.given_back()


@pytest.fixture
def empty(postgresql: Server) -> Iterator[str]:
    """A database without any table."""
    made = postgresql.create()
    yield made
    postgresql.drop(made)


@pytest.fixture
def made(url: str, tmp_path: Path) -> Iterator[Engine]:
    opened = open_record(tmp_path, url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def full(
    postgresql: Server,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
    hand_of: "type[Hand]",
) -> Iterator["Hand"]:
    """A record with a row in every table, which no test should be able to harm."""
    url = postgresql.clone(template)
    opened = open_record(tmp_path_factory.mktemp("home"), url)
    hand = hand_of(opened)
    model_id, threshold_id = hand.ready()
    (scan_id,) = hand.scans("a")
    hand.label(scan_id)
    picture = HeatmapFile(HeatmapKind.SLICE, 0, "heatmaps/a.png", hand.sha("picture"))
    part = FoundPart(1.5, 0.7, (10.0, 20.0, 30.0), Side.RIGHT)
    row = ScoredScan(scan_id, 0.7, (0.7,), (picture,), Verdict.SUSPICIOUS, 0.25, findings=[part])
    limit = FindingLimit(model_id, 0.5, 0.3, 0.15, 1, 0.5, hand.run(), hand.noon)
    append_finding_limit(opened, limit)
    append_scored(opened, model_id, threshold_id, [row], hand.run(), hand.noon)
    end_run(opened, RunEnd(hand.run(), RunStatus.COMPLETED, "{}", hand.noon))
    rejection = Rejection("a.txt", 1, 2, None, RejectionReason.EMPTY, "", hand.run(), hand.noon)
    append_rejections(opened, [rejection])
    append_review(opened, Review(scan_id, 1, "me", ReviewVerdict.NORMAL, "", hand.noon))
    arrived = [Arrival("inbox/a", hand.sha("a"), 1, SettledBy.QUIET, hand.noon)]
    end_arrivals(opened, append_arrivals(opened, arrived), hand.run(), hand.noon)
    drift = RecordedWarning(WarningKind.DRIFT, "{}", "Scores drift.", hand.run(), hand.noon)
    append_warnings(opened, [drift])
    met = Comparison(threshold_id, threshold_id, 1, 0, "Not better.", "{}", hand.run(), hand.noon)
    append_comparison(opened, met)
    page = Report(hand.run(), "reports/a.html", None, hand.noon, hand.noon)
    append_report(opened, page)
    sent = Sending(1, "dicom://PACS@pacs:104", hand.sha("picture"), "taken", hand.run(), hand.noon)
    append_sending(opened, sent)
    (tried,) = hand.scans("tried")
    why = (RejectionReason.UNREGISTERED, "fit 0.2", hand.run(), hand.noon)
    append_unscored(opened, [Unscored(tried, model_id, *why)])
    yield hand
    opened.dispose()
    postgresql.drop(url)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_no_row_changes_or_goes(full: "Hand", postgresql: Server, table: str) -> None:
    import psycopg

    column = next(iter(schema.metadata.tables[table].columns)).name
    before = full.count(table)
    assert before, f"the test needs a row in {table}"
    changes = {
        "UPDATE": f"UPDATE {table} SET {column} = {column}",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }
    name = str(full.engine.url.database)
    for verb, change in changes.items():
        with pytest.raises(psycopg.errors.RestrictViolation, match=f"is append-only: {verb} refus"):
            postgresql.say(change, name)
    assert full.count(table) == before


def test_an_upsert_is_refused(full: "Hand") -> None:
    upsert = (
        "INSERT INTO score (scan_id, model_id, value, run_id, created_at)"
        " SELECT scan_id, model_id, 0.0, run_id, '' FROM score"
        " ON CONFLICT (scan_id, model_id) DO UPDATE SET value = excluded.value"
    )
    with (
        pytest.raises(DBAPIError, match="score is append-only: UPDATE refused"),
        writing(full.engine) as connection,
    ):
        connection.execute(text(upsert))


def test_the_migrations_make_exactly_the_tables_of_the_schema(made: Engine) -> None:
    with reading(made) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        checks = connection.execute(
            text("SELECT conname FROM pg_constraint WHERE contype = 'c'")
        ).scalars()
        expected = {
            str(each.name)
            for table in schema.metadata.tables.values()
            for each in table.constraints
            if str(each.name).startswith("ck_")
        }
        assert expected <= set(checks)


def test_text_is_compared_byte_by_byte(made: Engine) -> None:
    columns = text(
        "SELECT table_name, column_name FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_type = 'BASE TABLE' AND data_type = 'text'"
        " AND table_schema = current_schema() AND collation_name IS DISTINCT FROM 'C'"
    )
    with reading(made) as connection:
        assert connection.execute(columns).all() == []


def test_several_that_open_an_empty_database_at_once_make_one_record(
    empty: str, tmp_path: Path
) -> None:
    together = threading.Barrier(4)

    def opened(_: int) -> list[Any]:
        together.wait()
        made = open_record(tmp_path, empty)
        with reading(made) as connection:
            versions = list(connection.scalars(text("SELECT version_num FROM alembic_version")))
        made.dispose()
        return versions

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(opened, range(4))) == [[HEAD]] * 4


def test_two_that_bring_the_same_scans_in_another_order_do_not_wait_for_each_other(
    made: Engine, url: str, tmp_path: Path, hand_of: "type[Hand]"
) -> None:
    hands = [hand_of(made), hand_of(open_record(tmp_path, url))]
    names = [f"scan {n}" for n in range(300)]
    orders = [names, names[::-1]]
    hands[0].run()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            ids = list(pool.map(lambda h: h[0].scans(*h[1]), zip(hands, orders, strict=True)))
            assert ids[0] == ids[1][::-1]
    hands[1].engine.dispose()
    assert hands[0].count("scan") == hands[0].count("sighting") == 300


def test_a_record_opened_to_read_cannot_be_written(
    made: Engine, url: str, tmp_path: Path, hand_of: "type[Hand]"
) -> None:
    opened = open_record(tmp_path, url, read_only=True)
    assert decisions(opened) == []
    with pytest.raises(HomeError, match="open to be read only"):
        hand_of(opened).run()
    assert decisions(opened) == []


def test_reading_where_there_is_no_record_says_so_and_makes_nothing(
    empty: str, tmp_path: Path
) -> None:
    with pytest.raises(NotInRecord, match=r"no record at .* yet"):
        open_record(tmp_path, empty, read_only=True)
    looking = engine(empty)
    with reading(looking) as connection:
        tables = connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname='public'"))
    looking.dispose()
    assert tables == 0
    assert list(tmp_path.iterdir()) == []


def test_another_programs_database_is_left_alone(
    postgresql: Server, empty: str, tmp_path: Path
) -> None:
    postgresql.say("CREATE TABLE theirs (x int)", empty.partition("@/")[2].partition("?")[0])
    with pytest.raises(RecordError, match="not a record of mriad"):
        open_record(tmp_path, empty)


def test_a_record_from_a_newer_version_is_refused(made: Engine, url: str, tmp_path: Path) -> None:
    with writing(made) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'r0099'"))
    with pytest.raises(RecordError, match="newer version of mriad"):
        open_record(tmp_path, url)


def test_a_database_that_cannot_hold_every_name_is_refused(
    postgresql: Server, tmp_path: Path
) -> None:
    latin = postgresql.create("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(RecordError, match="holds text as LATIN1: make one with createdb"):
        open_record(tmp_path, latin)


def plain(error: pytest.ExceptionInfo[MriadError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert "hush" not in message
    return message


def test_a_database_that_is_not_there_is_one_plain_line(postgresql: Server, tmp_path: Path) -> None:
    missing = postgresql.url("nowhere").replace("postgres@", "postgres:hush@")
    with pytest.raises(RecordError, match="cannot be reached") as error:
        open_record(tmp_path, missing)
    assert '"nowhere" does not exist' in plain(error)


def test_a_server_that_does_not_run_is_one_plain_line(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    gone = f"postgresql://me:hush@/mriad?host={tmp_path}"
    for read_only in (False, True):
        with pytest.raises(RecordError, match="the database cannot be reached") as error:
            open_record(tmp_path, gone, read_only=read_only)
        assert "me:***@/mriad" in plain(error)


@pytest.mark.parametrize(
    "url", ["", "mriad", "mysql://me:hush@host/mriad", "sqlite:///hush.db", "postgresql://hush"]
)
def test_a_url_of_no_database_that_can_be_used_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"write postgresql\+psycopg://") as error:
        open_record(tmp_path, url)
    plain(error)


def test_without_the_driver_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"psycopg.*\[postgresql\]"):
        open_record(tmp_path, "postgresql://me@host/mriad")


def test_a_lock_that_stays_is_one_plain_line(made: Engine, url: str, tmp_path: Path) -> None:
    impatient = open_record(tmp_path, f"{url}&options=-c%20application_name%3Dimpatient")
    event.listen(impatient, "connect", lambda c, _: c.execute("SET lock_timeout = '50ms'"))
    impatient.dispose()
    with (
        writing(made),
        pytest.raises(RecordError, match="another program has kept it locked") as error,
        writing(impatient),
    ):
        pass
    assert "run again" in plain(error)
    impatient.dispose()


def test_a_server_that_was_restarted_is_met_again(
    made: Engine, postgresql: Server, hand_of: "type[Hand]"
) -> None:
    hand = hand_of(made)
    hand.scans("a")
    postgresql.say(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{made.url.database}'"
    )
    hand.scans("b")
    assert hand.count("scan") == 2


def test_every_table_with_ids_numbers_its_rows(made: Engine) -> None:
    query = text(
        "SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
        " AND tgname = tgrelid::regclass::text || '_numbers_its_rows' AND tgenabled = 'O'"
    )
    with reading(made) as connection:
        numbered = set(connection.execute(query).scalars())
    assert numbered == {t for t in APPEND_ONLY if "id" in schema.metadata.tables[t].c}


@pytest.mark.parametrize("new_id", [2**53 - 1, 2**63 - 1, 3, -1, -(2**63)])
def test_a_row_that_names_another_id_than_the_next_is_refused(
    made: Engine, postgresql: Server, hand_of: "type[Hand]", new_id: int
) -> None:
    import psycopg

    hand = hand_of(made)
    hand.ready()
    hostile = "SELECT {}, threshold_id, reason, author, created_at FROM activation LIMIT 1"
    with pytest.raises(psycopg.errors.RestrictViolation, match="numbers its rows: this id is"):
        postgresql.say(f"INSERT INTO activation {hostile.format(new_id)}", str(made.url.database))
    postgresql.say(f"INSERT INTO activation {hostile.format(2)}", str(made.url.database))
    assert [each.id for each in activations(made)] == [1, 2]


def test_there_is_no_sequence_that_anyone_could_move_to_its_end(made: Engine) -> None:
    with reading(made) as connection:
        assert connection.execute(text("SELECT sequencename FROM pg_sequences")).all() == []

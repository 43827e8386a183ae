"""A kept head finds a record that was put back or made anew."""

import json
import shutil
from pathlib import Path

from sqlalchemy import text

from db.engine.chain import NOTHING_BEFORE, Digest, sha256_of_link, shapes
from db.engine.connect import reading
from db.engine.sqlite import DATABASE
from tasks.maintenance.check import ProblemKind
from tests.support.record.checking import checked, head_of, told
from tests.support.record.kept import KeptHome, kept_home
from tests.support.record.tampering import tamper


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

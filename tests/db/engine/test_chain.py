"""Each transaction that appends leaves a link, and one chain comes of all of them."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

from db.engine.chain import NOTHING_BEFORE, PAGE, Covered, Digest, shapes
from db.engine.chain_check import broken_links
from db.engine.chain_head import ChainHead, does_not_continue, head, kept_head
from db.engine.connect import open_record, reading, writing
from db.repository.scoring.decisions import Appended, ScoredScan, append_scored
from db.repository.training.models import activate
from mriad_model.errors import SettingsError
from tests.support.places import REPOSITORY
from tests.support.record.postgresql import Server

if TYPE_CHECKING:
    from tests.db.conftest import Place
    from tests.support.record.hand import Hand


def links(made: Engine) -> list[dict[str, object]]:
    with reading(made) as connection:
        rows = connection.execute(text("SELECT * FROM link ORDER BY id")).mappings().all()
    return [{**row, "rows": json.loads(row["rows"])} for row in rows]


def covered(link: dict[str, object]) -> dict[str, list[object]]:
    rows = link["rows"]
    assert isinstance(rows, dict)
    return rows


def test_a_transaction_that_appends_leaves_one_link_over_all_its_rows(hand: "Hand") -> None:
    assert head(hand.engine) is None
    model_id, threshold_id = hand.ready()
    scans = hand.scans("a", "b", "c")
    before = links(hand.engine)
    hand.decide(model_id, threshold_id, dict.fromkeys(scans, 0.7))
    *old, new = links(hand.engine)
    assert old == before
    assert (new["id"], new["previous"]) == (len(before) + 1, before[-1]["sha256"])
    what = {name: each[:3] for name, each in covered(new).items()}
    assert what == {"score": [1, 3, 3], "slice_score": [1, 3, 3], "decision": [1, 3, 3]}
    assert before[0]["previous"] == NOTHING_BEFORE
    assert list(broken_links(hand.engine)) == []


def test_the_rows_of_a_dataset_are_in_the_link_of_their_dataset(hand: "Hand") -> None:
    one, two = hand.scans("a", "b")
    hand.dataset(train=[one], calibration=[two])
    assert {name: each[2] for name, each in covered(links(hand.engine)[-1]).items()} == {
        "dataset": 1,
        "dataset_scan": 2,
    }


def test_what_adds_nothing_adds_no_link(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    (scan_id,) = hand.scans("a")
    hand.decide(model_id, threshold_id, {scan_id: 0.7})
    before = links(hand.engine)
    hand.scans("a")
    hand.decide(model_id, threshold_id, {scan_id: 0.7})
    activate(hand.engine, threshold_id, "again", "me")
    with writing(hand.engine):
        pass
    assert links(hand.engine) == before


def _append_and_fail(made: Engine) -> None:
    columns = "scan_id, value, source, author, created_at"
    row = f"INSERT INTO label ({columns}) VALUES (1, 'healthy', 'csv', 'me', 'noon')"
    with writing(made) as connection:
        connection.execute(text(row))
        raise RuntimeError


def test_what_is_undone_leaves_no_link(hand: "Hand") -> None:
    hand.scans("a")
    before = links(hand.engine)
    with pytest.raises(RuntimeError):
        _append_and_fail(hand.engine)
    assert links(hand.engine) == before
    assert list(broken_links(hand.engine)) == []


def test_a_score_that_was_there_keeps_the_slices_of_its_link(hand: "Hand") -> None:
    model_id, _ = hand.ready()
    (scan_id,) = hand.scans("a")
    hand.decide(model_id, None, {scan_id: 0.7})
    other = ScoredScan(scan_id, 0.7, (0.7, 0.1), positions=(0, 1))
    added = append_scored(hand.engine, model_id, None, [other], hand.run(), hand.noon)
    assert added == Appended()
    assert list(broken_links(hand.engine)) == []


def test_both_databases_give_the_same_hash_of_the_same_rows(
    home: Path, postgresql: Server, template: str, hand_of: "type[Hand]", tmp_path: Path
) -> None:
    url = postgresql.clone(template)
    found = []
    for made in (open_record(home), open_record(tmp_path, url)):
        hand = hand_of(made)
        (scan_id,) = hand.scans("ä\U0001f600\\xff", scanner=None)
        model, dataset = hand.model(hand.dataset(train=[scan_id])), 1
        for n, value in enumerate((0.1 + 0.2, 1e-300, 5e-324, 1.7976931348623157e308, 7.0)):
            hand.threshold(model, dataset, k=float(n), value=value)
        digests = {}
        with reading(made) as connection:
            for shape in shapes():
                if shape.table in ("scan", "sighting", "threshold"):
                    digest = Digest(shape.columns)
                    for row in connection.execute(text(shape.query("1 = 1"))):
                        digest.add(row)
                    digests[shape.table] = digest.covered(1, 9)
        found.append(digests)
        made.dispose()
    assert found[0] == found[1]
    assert all(each.n for each in found[0].values())
    postgresql.drop(url)


def test_two_that_append_at_once_make_one_chain(
    hand: "Hand", second: Engine, hand_of: "type[Hand]"
) -> None:
    hands = [hand, hand_of(second)]
    hands[1].runs["flow-run"] = hand.run()
    together = threading.Barrier(2)

    def append(number: int) -> None:
        together.wait()
        for n in range(20):
            hands[number].scans(f"{number} {n}", f"both {n}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(append, range(2)))
    found = links(hand.engine)
    assert [link["id"] for link in found] == list(range(1, len(found) + 1))
    assert hand.count("scan") == 60
    assert sum(int(str(covered(link).get("scan", [0, 0, 0])[2])) for link in found) == 60
    assert list(broken_links(hand.engine)) == []


def test_processes_that_append_at_once_make_one_chain(place: "Place") -> None:
    place.open().dispose()
    writer = (
        "import sys; from pathlib import Path; from db.engine.connect import open_record;"
        "from tests.support.record.hand import Hand;"
        "hand = Hand(open_record(Path(sys.argv[1]), sys.argv[2] or None));"
        "name = sys.argv[3]; hand.run(name); hand.runs['flow-run'] = hand.runs[name];"
        "[hand.label(hand.scans(f'{name} {n}')[0]) for n in range(15)]"
    )
    words = [sys.executable, "-c", writer, str(place.home), place.url or ""]
    started = [subprocess.Popen([*words, name], cwd=REPOSITORY) for name in ("a", "b", "c")]
    assert [each.wait(120) for each in started] == [0, 0, 0]
    made = place.open()
    assert len(links(made)) == 3 * (1 + 15 + 15)
    assert list(broken_links(made)) == []
    made.dispose()


def test_a_writer_that_is_killed_leaves_no_half_link(place: "Place") -> None:
    made = place.open()
    made.dispose()
    writer = (
        "import os, sys; from pathlib import Path; from sqlalchemy import event;"
        "from db.engine.connect import open_record; from tests.support.record.hand import Hand;"
        "hand = Hand(open_record(Path(sys.argv[1]), sys.argv[2] or None)); hand.scans('a');"
        "event.listen(hand.engine, 'commit', lambda _: os.kill(os.getpid(), 9)); hand.scans('b')"
    )
    words = [sys.executable, "-c", writer, str(place.home), place.url or ""]
    assert subprocess.run(words, cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL
    made = place.open()
    with reading(made) as connection:
        assert connection.scalar(text("SELECT count(*) FROM scan")) == 1
    assert len(links(made)) == 2
    assert list(broken_links(made)) == []
    made.dispose()


def test_a_record_continues_every_head_it_had(hand: "Hand") -> None:
    kept = []
    for n in range(5):
        hand.scans(f"scan {n}")
        newest = head(hand.engine)
        assert newest is not None
        kept.append(kept_head(str(newest)))
    assert [does_not_continue(hand.engine, each) for each in kept] == [None] * 5
    assert len({each.sequence for each in kept}) == 5


def test_a_head_is_read_as_it_is_written() -> None:
    made = ChainHead(1234, "ab" * 32, "2026-11-28T15:00:00.123456+00:00")
    short = "1234:abababababababababababababababab:2026-11-28T15:00:00Z"
    assert str(made) == short
    assert kept_head(f" {short}\n") == ChainHead(1234, "ab" * 16, "2026-11-28T15:00:00")
    assert kept_head(f"1234:{'ab' * 32}").sha256 == "ab" * 32
    assert str(kept_head(short)) == short


NO_HEADS = ("", "1234", "12:abcd", f"x:{'ab' * 16}", f"1:{'ab' * 15}", f"1:{'AB' * 16}", "1::")


@pytest.mark.parametrize("text", NO_HEADS)
def test_what_is_no_head_is_refused_plainly(text: str) -> None:
    with pytest.raises(SettingsError, match="no head of a record: write it as mriad check prints"):
        kept_head(text)


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

"""DICOM outputs go to a PACS: each once, again where it failed, with a row for each attempt."""

import logging
import socket
from datetime import UTC, datetime, timedelta

import pytest

from db import schema
from db.engine.chain_check import broken_links
from db.engine.connect import writing
from db.repository.scoring.sendings import sendings, unsent_outputs
from db.timestamps import written
from tasks.sending.dicom_store import NodeSender
from tasks.sending.outcomes import DestinationUnreachable, SendingOutcome
from tasks.sending.send import SendingOptions, SendingResult, give_up_outputs, send_outputs
from tests.tasks.sending.conftest import NAME, Node, Outputs


def send(outputs: Outputs, to: str, **options: object) -> SendingResult:
    run = outputs.kept.hand.run(f"sends {len(outputs.kept.hand.runs)}")
    return send_outputs.fn(outputs.home, run, SendingOptions(to, **options))  # type: ignore[arg-type]


def told(outputs: Outputs) -> list[tuple[bool, str]]:
    return [(each.delivered is not None, each.detail) for each in sendings(outputs.kept.engine)]


def test_each_output_is_sent_once(outputs: Outputs, node: Node) -> None:
    assert send(outputs, node.address) == SendingResult(2, 0)
    assert node.taken == outputs.uids
    assert send(outputs, node.address) == SendingResult(0, 0)
    outputs.add()
    assert send(outputs, f" {node.address}/") == SendingResult(1, 0)  # the same place
    assert node.taken == outputs.uids
    assert told(outputs) == [(True, "taken")] * 3
    assert list(broken_links(outputs.kept.engine)) == []


def test_another_place_gets_them_too(outputs: Outputs, node: Node) -> None:
    send(outputs, node.address)
    second = Node()
    try:
        assert send(outputs, second.address) == SendingResult(2, 0)
        assert second.taken == outputs.uids
    finally:
        second.stop()


def test_what_is_not_taken_is_tried_again(outputs: Outputs, node: Node) -> None:
    node.answers = [0xA700]
    found = send(outputs, node.address)
    assert found == SendingResult(1, 1, "the node refused it, status 0xA700")
    assert node.taken == outputs.uids[1:]
    assert send(outputs, node.address) == SendingResult(1, 0)
    assert sorted(node.taken) == sorted(outputs.uids)
    assert told(outputs) == [
        (False, "the node refused it, status 0xA700"),
        (True, "taken"),
        (True, "taken"),
    ]


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0107, 0x0116, 0x0111])
def test_what_is_stored_with_a_warning_or_was_there_is_taken(
    outputs: Outputs, node: Node, status: int
) -> None:
    node.answers = [status]
    assert send(outputs, node.address) == SendingResult(2, 0)
    assert send(outputs, node.address) == SendingResult(0, 0)
    already, warned = "taken: the place had it already", f"taken, with the warning 0x{status:04X}"
    assert told(outputs)[0] == (True, already if status == 0x0111 else warned)


def test_a_file_that_the_place_chokes_on_holds_up_no_other(outputs: Outputs, node: Node) -> None:
    node.choking = {outputs.uids[0]}
    found = send(outputs, node.address)
    assert (found.sent, found.failed) == (1, 1)
    assert "ended the association" in str(found.why)
    outputs.add()
    assert send(outputs, node.address).sent == 1
    assert node.taken == outputs.uids[1:]
    assert [done for done, _ in told(outputs)] == [False, True, True, False]  # last this time
    node.choking = set()
    assert send(outputs, node.address) == SendingResult(1, 0)


def test_after_three_broken_in_a_row_the_next_run_tries_the_others_first(
    outputs: Outputs, node: Node
) -> None:
    for _ in range(2):
        outputs.add()
    node.choking = set(outputs.uids[:3])
    with pytest.raises(DestinationUnreachable, match="broke over 3 files in a row") as error:
        send(outputs, node.address)
    assert not error.value.passing
    assert node.taken == []
    with pytest.raises(DestinationUnreachable, match="in a row"):
        send(outputs, node.address)
    assert node.taken == outputs.uids[3:]


def test_a_place_that_is_gone_as_in_the_run_before_is_not_waited_for_again(
    outputs: Outputs, node: Node
) -> None:
    gone = Node()
    address = gone.address
    gone.stop()
    for passing in (True, False):
        with pytest.raises(DestinationUnreachable) as error:
            send(outputs, address)
        assert error.value.passing == passing


def test_a_file_that_changes_while_others_are_sent_is_not_sent(
    outputs: Outputs, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = outputs.add(), NodeSender.store

    def changing(sender: NodeSender, data: bytes) -> SendingOutcome:
        path.write_bytes(path.read_bytes() + b"x")
        return store(sender, data)

    monkeypatch.setattr(NodeSender, "store", changing)
    assert send(outputs, node.address) == SendingResult(2, 1, "its file is not as it was recorded")
    assert node.taken == outputs.uids[:2]
    path.unlink()


def test_what_was_tried_too_long_is_given_up_and_counted_once(outputs: Outputs, node: Node) -> None:
    def given_up(days: float) -> int:
        options = SendingOptions(node.address, days=days)
        return give_up_outputs(outputs.home, outputs.kept.hand.run("gives up"), options)

    old = written(datetime.now(UTC) - timedelta(days=2))
    outputs.add(written(datetime.now(UTC) - timedelta(days=9)))  # before anything was sent
    assert given_up(1.0) == 0
    node.answers = [0xA700, 0xA700]
    outputs.add(old)
    send(outputs, node.address)
    assert (given_up(3.0), given_up(1.0)) == (0, 0)
    engine = outputs.kept.engine
    with writing(engine) as connection:  # the place has been sent to for three days
        first = (datetime.now(UTC) - timedelta(days=3)).isoformat()
        heatmap = unsent_outputs(engine, node.address, "")[0].heatmap_id
        values = {"heatmap_id": heatmap, "destination": node.address, "detail": "no"}
        connection.execute(
            schema.sending.insert().values(
                **values, delivered=None, run_id=outputs.kept.hand.run(), created_at=first
            )
        )
    outputs.add(old)
    assert (given_up(1.0), given_up(1.0)) == (1, 0)
    assert told(outputs)[-1] == (False, "given up: not taken in time")


def test_a_place_that_does_not_answer_is_said_once(outputs: Outputs, node: Node) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"dicom://PACS@127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(DestinationUnreachable, match="does not answer"):
        send(outputs, address)
    assert told(outputs) == [(False, f"{address} does not answer: connection refused")]


def test_a_node_of_another_name_rejects_the_association(outputs: Outputs, node: Node) -> None:
    with pytest.raises(DestinationUnreachable, match="rejects the association: called ae title"):
        send(outputs, node.address.replace("PACS", "OTHER"))


def test_a_file_that_is_gone_or_changed_is_not_sent(outputs: Outputs, node: Node) -> None:
    changed, gone = outputs.add(), outputs.add()
    changed.write_bytes(changed.read_bytes() + b"x")
    gone.unlink()
    found = send(outputs, node.address)
    assert found == SendingResult(2, 2, "its file is not as it was recorded")
    assert node.taken == outputs.uids[:2]
    assert (False, "its file cannot be read: no such file or directory") in told(outputs)


def test_an_output_that_is_too_old_is_given_up(outputs: Outputs, node: Node) -> None:
    outputs.add(written(datetime.now(UTC) - timedelta(days=3)))
    assert send(outputs, node.address, days=2.0) == SendingResult(2, 0)
    assert send(outputs, node.address, days=4.0) == SendingResult(1, 0)


def test_no_name_stands_in_logs_or_the_record(
    outputs: Outputs, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    node.answers = [0xC000]
    send(outputs, node.address)
    lines = caplog.text + str(sendings(outputs.kept.engine))
    assert NAME not in lines
    assert "MRN-0042" not in lines

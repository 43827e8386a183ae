"""DICOM outputs go to a PACS: each once, again where it failed, with a row for each attempt."""

import logging
import socket
from datetime import UTC, datetime, timedelta

import pytest

from db.engine.chain_check import broken_links
from db.repository.scoring.sendings import sendings
from db.timestamps import written
from tasks.sending.outcomes import DestinationUnreachable
from tasks.sending.send import SendingOptions, SendingResult, send_outputs
from tests.tasks.sending.conftest import NAME, Node, Outputs


def send(outputs: Outputs, to: str, **options: object) -> SendingResult:
    run = outputs.kept.hand.run("sends")
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

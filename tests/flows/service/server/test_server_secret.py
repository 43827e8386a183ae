"""A server proves that it holds the secret of the home, and nothing else is taken for it."""

import socket
import threading
from collections.abc import Callable

import pytest

from flows.runtime.prefect_environment import local_api
from flows.service.server.prefect_server import answers
from flows.service.server.server_secret import PortOwner, find_server, proof
from tests.support.processes.servers import HELLO, Running, healthy, squatting


def test_a_server_proves_itself_for_its_own_secret_and_port(server: Running) -> None:
    assert find_server(server.port, server.secret, 5.0) is PortOwner.OURS
    assert find_server(server.port, "mriad:another", 5.0) is PortOwner.STRANGER
    assert proof(server.secret, 1, "0" * 64) != proof(server.secret, 2, "0" * 64)
    for challenge in ("", "0", "../x", "g" * 64, "0" * 65):
        assert server.ask(f"/mriad/proof/{challenge}")[0] == 404
    assert server.ask("/mriad/proof/" + "0" * 64, Origin="http://evil.example")[0] == 403


def endless(connection: socket.socket, _heard: bytes) -> None:
    while True:
        connection.sendall(HELLO * 100)


def of_another_kind(connection: socket.socket, _heard: bytes) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def ends_at_once(connection: socket.socket, _heard: bytes) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", [healthy, endless, of_another_kind, ends_at_once])
def test_a_squatter_is_not_taken_for_our_server(
    answer: Callable[[socket.socket, bytes], None],
) -> None:
    with squatting(answer) as squatter:
        assert find_server(squatter.port, "mriad:secret", 1.0) is PortOwner.STRANGER
        assert b"secret" not in squatter.heard
        assert squatter.heard.startswith(b"GET /mriad/proof/")


def test_a_squatter_that_keeps_silent_or_drips_hangs_nothing() -> None:
    done = threading.Event()
    dripped: list[int] = []

    def silent(_connection: socket.socket, _heard: bytes) -> None:
        done.wait()

    def drips(connection: socket.socket, _heard: bytes) -> None:
        for byte in HELLO[:-4] * 20:
            connection.sendall(bytes([byte]))
            dripped.append(byte)
            if done.wait(0.1):
                return

    for answer in (silent, drips):
        with squatting(answer) as squatter:
            assert find_server(squatter.port, "mriad:secret", 0.3) is PortOwner.STRANGER
            assert not answers(local_api(squatter.port), 0.3)
    done.set()
    assert 0 < len(dripped) < 2 * len(HELLO)  # so it was not waited for to the end


def test_an_answer_passed_on_from_our_own_server_is_no_proof(server: Running) -> None:
    def passes_on(connection: socket.socket, heard: bytes) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as real:
            real.sendall(heard.replace(str(squatter.port).encode(), str(server.port).encode()))
            while more := real.recv(4096):
                connection.sendall(more)

    with squatting(passes_on) as squatter:
        assert find_server(squatter.port, server.secret, 5.0) is PortOwner.STRANGER
    assert b"/mriad/proof/" in squatter.heard


def test_a_port_where_nobody_listens_is_told_from_a_strangers() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        assert find_server(one.getsockname()[1], "mriad:secret", 1.0) is PortOwner.NOTHING

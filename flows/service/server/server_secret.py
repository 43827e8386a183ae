"""Recognises the home's own Prefect server among other processes on its port: by a secret.

The client sends a fresh random number and gets it back signed: the secret is never sent, and an
old answer is of no use. The signature names the port, so no other port can pass an answer on.
"""

import hashlib
import hmac
import re
import secrets
import socket
import time
from enum import Enum

from flows.runtime.prefect_environment import LOOPBACK

PROOF_PATH = "/mriad/proof/"
CHALLENGE = re.compile("[0-9a-f]{64}")
LONGEST_ANSWER = 4096  # bytes


class PortOwner(Enum):
    """What listens at an address."""

    OURS = "ours"
    NOTHING = "nothing"
    STRANGER = "stranger"  # or one of ours that is too busy to answer in time


def proof(secret: str, port: int, challenge: str) -> str:
    """The answer to a challenge, of a server that knows the secret (HMAC-SHA256)."""
    text = f"mriad server at {LOOPBACK}:{port}: {challenge}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def find_server(port: int, secret: str, seconds: float) -> PortOwner:
    """What listens at the port, found out within so many seconds."""
    challenge = secrets.token_hex(32)
    try:
        answer = asked(LOOPBACK, port, f"{PROOF_PATH}{challenge}", seconds)
    except ConnectionRefusedError:
        return PortOwner.NOTHING
    except OSError:
        return PortOwner.STRANGER
    known = hmac.compare_digest(answer, proof(secret, port, challenge).encode())
    return PortOwner.OURS if known else PortOwner.STRANGER


def is_own_server(port: int, secret: str, seconds: float) -> bool:
    """Whether the home's own server listens at the port, and answers in time."""
    return find_server(port, secret, seconds) is PortOwner.OURS


def asked(address: str, port: int, path: str, seconds: float) -> bytes:
    """What an HTTP server at an IP address answers, cut where it is long; empty unless it is 200.

    Not by urllib: its time limit is for each read, so that a slow server is never given up, and
    it would ask a proxy.

    Raises:
        OSError: there is no answer in time.
    """
    until = time.monotonic() + seconds
    host = f"[{address}]" if ":" in address else address
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    answer = b""
    with socket.create_connection((address, port), timeout=seconds) as connection:
        connection.sendall(request.encode())
        while len(answer) < LONGEST_ANSWER:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            if not (more := connection.recv(LONGEST_ANSWER)):
                break
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.strip() if b" 200 " in head.partition(b"\r\n")[0] else b""

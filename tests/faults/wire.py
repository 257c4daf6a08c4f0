"""A client of raw sockets: what it calls an answer has been received in full."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.faults.processes import ANSWER_S

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The header *name*; empty where it is not there."""
        found = re.search(rb"\r\n" + name.encode() + rb": ?([^\r\n]*)", self.head, re.IGNORECASE)
        return found[1].decode() if found else ""


def split(received: bytes) -> tuple[Answer, bytes] | None:
    """The first answer in *received*, and what follows it; None where it is not there in full."""
    head, end, rest = received.partition(b"\r\n\r\n")
    if not end:
        return None
    found = _LENGTH.search(head)
    length = int(found[1]) if found else 0
    if len(rest) < length:
        return None
    return Answer(int(head[9:12]), head, rest[:length]), rest[length:]


def request(method: str, path: str, headers: Iterable[Header] = (), body: bytes = b"") -> bytes:
    """A request, as it is sent."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


class Line:
    """One keep-alive connection, used by one thread."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""

    def ask(self, sent: bytes) -> Answer:
        """The answer to *sent*. Raises OSError where there is none."""
        self._socket.sendall(sent)
        while (found := split(self._left)) is None:
            received = self._socket.recv(65_536)
            if not received:
                raise ConnectionResetError("the other side closed")
            self._left += received
        answer, self._left = found
        return answer

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def once(port: int, sent: bytes) -> Answer:
    """The answer to one request on a connection of its own."""
    line = Line(port)
    try:
        return line.ask(sent)
    finally:
        line.close()


@dataclass(slots=True)
class Load:
    """Many keep-alive connections at once, each with one request under way, until the other side is gone."""

    asking: Callable[[int], bytes]
    """The request of a number; every number is used once."""
    sent: int = 0
    answers: dict[int, Answer] = field(default_factory=dict)
    """By the number of the request: the answers that were received in full."""
    broken: list[bytes] = field(default_factory=list)
    """What was received of answers that were not."""

    def run(self, port: int, connections: int, seconds: float) -> None:
        """Ask for *seconds* at most; to be ended sooner by killing the other side, from another thread."""
        selector = selectors.DefaultSelector()
        deadline = time.monotonic() + seconds
        for _ in range(connections):
            line = socket.create_connection(("127.0.0.1", port), ANSWER_S)
            line.setblocking(False)
            selector.register(line, selectors.EVENT_READ, [line, -1, b""])
            self._next(selector.get_key(line).data)
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(0.05):
                if not self._receive(key.data):
                    selector.unregister(key.fileobj)
                    key.data[0].close()
        for key in list(selector.get_map().values()):
            key.data[0].close()
        selector.close()

    def _next(self, state: list) -> bool:
        state[1] = self.sent
        self.sent += 1
        try:
            state[0].send(self.asking(state[1]))  # far smaller than what a socket takes at once
        except OSError:
            return False
        return True

    def _receive(self, state: list) -> bool:
        try:
            received = state[0].recv(65_536)
        except OSError:
            received = b""
        state[2] += received
        found = split(state[2])
        if found is None:
            if not received and state[2]:
                self.broken.append(state[2])
            return bool(received)
        self.answers[state[1]], state[2] = found
        return self._next(state) if received else False

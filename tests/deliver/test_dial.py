"""What addresses that others choose could do, and cannot: rebinding, wrong certificates, nonsense for an answer."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

import pytest
import trustme

from limen.deliver.dial import Dialler, Refused
from tests.deliver.conftest import LOOPBACK
from tests.deliver.receiver import Raw, Receiver


def _said(dialler: Dialler, address: str) -> Any:
    try:
        return dialler.post(address, {}, b"{}").status
    except Refused as refused:
        return refused.result


class Names:
    """A resolver that answers each question with the next of its answers."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise OSError("no such name")
        return answer


@pytest.mark.check("C106")
@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["::1"],
        ["::ffff:169.254.169.254"],
        ["64:ff9b::a9fe:a9fe"],
        ["169.254.169.254"],
        ["8.8.8.8", "fe80::1%eth0"],
    ],
)
def test_a_name_that_leads_inside_is_not_called(answers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr("limen.deliver.dial.socket.create_connection", lambda *args, **more: opened.append(args))
    assert _said(Dialler(resolver=Names(answers)), "https://example.com/") == "blocked"
    assert opened == []


@pytest.mark.check("C106")
def test_a_name_is_resolved_once_and_what_was_looked_at_is_what_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: public at the first question, loopback at every later one."""
    names, opened = Names(["8.8.8.8"], ["127.0.0.1"]), []

    def create(address: tuple[str, int], **more: Any) -> None:
        opened.append(address)
        raise TimeoutError

    monkeypatch.setattr("limen.deliver.dial.socket.create_connection", create)
    assert _said(Dialler(resolver=names), "https://example.com/") == "timeout"
    assert (names.asked, opened) == (["example.com"], [("8.8.8.8", 443)])
    assert _said(Dialler(resolver=names), "https://example.com/") == "blocked"
    assert len(opened) == 1


@pytest.mark.check("C106")
def test_a_name_that_cannot_be_resolved_is_not_called() -> None:
    assert _said(Dialler(resolver=Names([])), "https://example.com/") == "dns"
    slow = Dialler(resolver=lambda host, port: time.sleep(1) or ["8.8.8.8"], connect_s=0.1)
    assert _said(slow, "https://example.com/") == "dns"


def test_plain_http_goes_to_ones_own_networks_alone() -> None:
    dialler = Dialler(allowed=LOOPBACK, resolver=Names(["8.8.8.8"]))
    assert _said(dialler, "http://example.com/") == "blocked"


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert _said(Dialler(allowed=LOOPBACK), receiver.url) == 204
        assert (len(receiver.came), proxy.came) == (1, [])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who issues the receivers' certificates."""
    return trustme.CA()


def _context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_the_certificate_is_looked_at_and_is_for_the_name(authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    names = Names(["127.0.0.1"])
    with Receiver(context=_context(authority, "hooks.example.com")) as receiver:
        good, other = f"https://hooks.example.com:{receiver.port}/x", f"https://other.example.com:{receiver.port}/x"
        assert _said(Dialler(LOOPBACK, names, trusting), good) == 204
        assert receiver.came[0].headers["host"] == f"hooks.example.com:{receiver.port}"
        assert _said(Dialler(LOOPBACK, names, trusting), other) == "tls"
        assert _said(Dialler(LOOPBACK, names), good) == "tls"
        assert len(receiver.came) == 1
    with Receiver() as plain:
        assert _said(Dialler(LOOPBACK, names, trusting), f"https://hooks.example.com:{plain.port}/") == "tls"


@pytest.mark.check("C107")
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "http"),
        (b"nonsense\r\n\r\n", "http"),
        (b"HTTP/1.1 abc\r\n\r\n", "http"),
        (b"SSH-2.0-OpenSSH\r\n", "http"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000, "http"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", 201),
        (b"HTTP/1.0 299 Strange\r\n\r\nwhatever", 299),
    ],
)
def test_whatever_is_answered_is_a_status_or_nothing(answer: bytes, said: object) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    raw = Raw(serve)
    try:
        assert _said(Dialler(LOOPBACK), raw.url) == said
    finally:
        raw.close()


def test_nobody_there_is_unreachable_and_silence_is_a_timeout() -> None:
    raw = Raw(lambda connection: time.sleep(2))
    assert _said(Dialler(LOOPBACK, total_s=0.3), raw.url) == "timeout"
    raw.close()
    assert _said(Dialler(LOOPBACK), "http://127.0.0.1:1/") == "unreachable"


def test_an_address_that_hangs_leaves_the_next_one_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    create, given = socket.create_connection, []

    def hangs(address: tuple[str, int], timeout: float) -> socket.socket:
        given.append(timeout)
        if address[0] == "127.0.0.2":
            time.sleep(timeout)
            raise TimeoutError
        return create(address, timeout=timeout)

    with Receiver() as receiver:
        monkeypatch.setattr("limen.deliver.dial.socket.create_connection", hangs)
        dialler = Dialler(LOOPBACK, Names(["127.0.0.2", "127.0.0.1"]), connect_s=0.4)
        assert _said(dialler, f"http://example.com:{receiver.port}/") == 204
    assert given == [pytest.approx(0.2, abs=0.1)] * 2


def test_a_header_cannot_bring_another() -> None:
    with Receiver() as receiver:
        with pytest.raises(Refused):
            Dialler(LOOPBACK).post(receiver.url, {"X": "a\r\nY: b"}, b"")
        assert receiver.came == []

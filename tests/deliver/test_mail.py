"""Mail: to a real SMTP server, readable without pictures, confirmed before anything else, and muted with one click."""

from __future__ import annotations

import itertools
import json
import re
import socket
import ssl
import time
from contextlib import suppress
from email import message_from_bytes, policy
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from limen.control import channels, delivery, inbox, owners
from limen.control.channels import NewChannel
from limen.deliver.mail import Mailer
from limen.http.public import Public
from limen.settings import SettingError, Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from email.message import EmailMessage

    from tests.deliver.conftest import Office

PUBLIC = "https://limen.example"


class Sink:
    """A mail server that keeps what comes."""

    def __init__(self, **more: Any) -> None:
        self.came: list[EmailMessage] = []
        self.to: list[str] = []
        self.answer = "250 OK"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, **more)
        self.controller.start()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.came.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
            self.to += envelope.rcpt_tos
        return self.answer

    def close(self) -> None:
        self.controller.stop()


@pytest.fixture
def sink(office: Office) -> Iterator[Sink]:
    """A mail server, to which the office sends."""
    made = Sink()
    settings = Settings(
        smtp_url=f"smtp://127.0.0.1:{made.port}?plain", mail_from="Limen <limen@example.com>", public_url=PUBLIC
    )
    office.mailer = Mailer.of(settings)
    yield made
    made.close()


def _confirmed(office: Office, owner: str, address: str = "someone@example.com") -> str:
    new = NewChannel(owner, "email", address)
    return str(office.act(channels.add, new, confirmed=True).channel.channel)


def _parts(mail: EmailMessage) -> tuple[str, str]:
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


async def _browse(office: Any, method: str, address: str, **more: Any) -> httpx2.Response:
    if not hasattr(office, "public"):
        office.public = Public(office.app)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(office.public), base_url=PUBLIC)
    return await client.request(method, address.removeprefix(PUBLIC), **more)


async def test_nothing_is_sent_before_whoever_reads_it_says_that_it_is_theirs(office: Office, sink: Sink) -> None:
    owner = office.owner()
    channel = office.act(channels.add, NewChannel(owner, "email", "someone@example.com")).channel
    assert channel.state == "unconfirmed"
    office.key(owner)
    office.send()
    (asked,) = sink.came
    assert asked["Subject"] == "Is this address yours?"
    assert "List-Unsubscribe" not in asked
    (link,) = re.findall(rf"{PUBLIC}/confirm/\S+", _parts(asked)[0])
    opened = await _browse(office, "GET", link)
    assert (opened.status_code, "someone@example.com" in opened.text) == (200, True)
    assert office.ask(channels.require, channel.channel).state == "unconfirmed", "mail is opened by programs too"
    for _ in range(2):
        assert (await _browse(office, "POST", link)).status_code == 200
    assert office.ask(channels.require, channel.channel).state == "on"
    office.key(owner)
    office.send()
    assert [mail["Subject"] for mail in sink.came] == ["Is this address yours?", "A key was issued"]
    assert [said.verb for said in office.said() if said.verb == "channels.confirm"] == ["channels.confirm"]


async def test_mail_is_readable_and_muted_with_one_click(office: Office, sink: Sink) -> None:
    owner = office.owner()
    channel = _confirmed(office, owner)
    key = office.key(owner)
    office.send()
    (mail,) = sink.came
    text, html = _parts(mail)
    for part in (text, html):
        assert key in part
        assert "creator" in part
    assert not re.search(r"<(img|script|link|style)|src=", html)
    assert (mail["To"], mail["From"]) == ("someone@example.com", "Limen <limen@example.com>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["List-Unsubscribe"].strip("<>")
    assert link in text.replace("\n", "")
    assert (await _browse(office, "GET", link)).status_code == 200
    assert office.ask(channels.require, channel).state == "on"
    body = {"List-Unsubscribe": "One-Click"}
    answer = await _browse(office, "POST", link, data=body)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert office.ask(channels.require, channel).state == "muted"
    office.key(owner)
    office.send()
    assert len(sink.came) == 1
    for wrong in (
        link[:-1],
        f"{link}x",
        link.replace("/mute/", "/confirm/"),
        f"{PUBLIC}/mute/",
        f"{PUBLIC}/mute/{channel}",
    ):
        assert (await _browse(office, "POST", wrong)).status_code == 404
    assert (await _browse(office, "DELETE", link)).status_code == 405
    assert (await _browse(office, "POST", link, content=b"x" * 5_000)).status_code == 413


def test_whatever_an_event_says_is_text_in_it(office: Office, sink: Sink) -> None:
    owner = office.owner()
    _confirmed(office, owner)
    payload = {
        "api": "",
        "subject": "x",
        "title": "<b>Bold</b>\r\nBcc: other@example.com",
        "text": "<script>alert(1)</script>\nhttps://example.com/",
        "facts": {"<i>": '"&'},
    }
    office.act(delivery.tell, "notice", {owner: payload}, "notice:1")
    office.send()
    (mail,) = sink.came
    assert sink.to == ["someone@example.com"]
    _, html = _parts(mail)
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert mail["Bcc"] is None


def test_a_server_that_does_not_take_it_is_tried_again_and_no_mailbox_is_not(office: Office, sink: Sink) -> None:
    owner = office.owner()
    _confirmed(office, owner)
    sink.answer = "451 later"
    office.key(owner)
    office.send()
    (found,) = office.deliveries()
    assert (found.state, found.result) == ("due", "mail")
    sink.answer = "250 OK"
    office.now += 100
    office.send()
    assert office.deliveries()[0].state == "done"
    first = sink.came[0]["Message-ID"]
    assert found.delivery in first
    other = office.owner()
    _confirmed(office, other, "nobody@example.com")
    office.key(other)
    office.send()
    (found,) = office.deliveries(owner=other)
    assert (found.state, found.result, len(found.attempts)) == ("dead", "mail", 1)


def _speaks(answers: Callable[[str], Iterable[tuple[float, bytes]]]) -> Iterator[int]:
    """The port of a server that answers each line, and who connects, as *answers* says: so late, with these bytes."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as lines:
                    for line in itertools.chain([b"(connects)"], lines):
                        for late, part in answers(line.decode("latin-1").strip().upper()):
                            time.sleep(late)
                            connection.sendall(part)
            if server.fileno() < 0:
                return

    Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def _usual(line: str) -> bytes:
    return b"220 here\r\n" if line == "(CONNECTS)" else b"354 go on\r\n" if line == "DATA" else b"250 OK\r\n"


def _mailer(port: int, **more: Any) -> Mailer:
    return Mailer("127.0.0.1", port, "limen@example.com", PUBLIC, "plain", **more)


@pytest.mark.check("C107")
@pytest.mark.parametrize("each_byte", [False, True])
def test_a_slow_server_has_the_time_of_one_attempt_and_no_more(office: Office, each_byte: bool) -> None:
    def answers(line: str) -> Iterable[tuple[float, bytes]]:
        said = _usual(line)
        return [(0.15, bytes([byte])) for byte in said] if each_byte else [(0.25, said)]

    owner = office.owner()
    _confirmed(office, owner)
    office.key(owner)
    for port in _speaks(answers):
        office.mailer = _mailer(port, timeout_s=0.6)
        begun = time.monotonic()
        office.send()
        assert 0.5 < time.monotonic() - begun < 1.5
    assert [each.result for each in office.deliveries()] == ["timeout"]


@pytest.mark.parametrize("end", [b"", b"421 away\r\n"])
def test_what_a_server_took_is_not_sent_again_because_it_said_no_goodbye(office: Office, end: bytes) -> None:
    def answers(line: str) -> Iterable[tuple[float, bytes]]:
        if line == "DATA":
            inside.append(True)
        elif line == ".":
            inside.clear()
        elif inside:
            return []
        return [(0.0, end if line == "QUIT" else _usual(line))]

    inside: list[bool] = []
    owner = office.owner()
    _confirmed(office, owner)
    office.key(owner)
    for port in _speaks(answers):
        office.mailer = _mailer(port, timeout_s=0.6)
        office.send()
    assert [(each.state, each.result) for each in office.deliveries()] == [("done", "ok")]


def test_without_a_server_mail_waits_and_webhooks_do_not(office: Office) -> None:
    owner = office.owner()
    _confirmed(office, owner)
    office.key(owner)
    assert office.send() == 0
    assert [each.state for each in office.deliveries()] == ["due"]


def test_tls_and_a_login(office: Office, tmp_path: Any) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    given: list[tuple[bytes, bytes]] = []

    def look(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given.append((data.login, data.password))
        return AuthResult(success=True)

    sink = Sink(tls_context=context, require_starttls=True, authenticator=look, auth_required=True)
    (tmp_path / "password").write_text("of the file\n")
    settings = Settings(
        smtp_url=f"smtp://limen:unused@127.0.0.1:{sink.port}",
        smtp_password_file=tmp_path / "password",
        mail_from="limen@example.com",
    )
    mailer = Mailer.of(settings)
    assert mailer is not None
    assert "of the file" not in repr(mailer)
    owner = office.owner()
    _confirmed(office, owner)
    office.key(owner)
    office.mailer = mailer
    office.send()
    assert [each.result for each in office.deliveries()] == ["tls"], "a certificate of nobody we know"
    authority.configure_trust(mailer.context)
    office.now += 100
    office.send()
    sink.close()
    assert given == [(b"limen", b"of the file")]
    assert office.deliveries()[0].state == "done"


def test_the_inbox_has_what_matters_until_it_is_read(office: Office) -> None:
    owner = office.owner()
    key = office.key(owner)
    office.now += 1
    office.act(owners.suspend, owner, reason="a secret matter")
    office.hand_on()
    found = office.ask(inbox.listed, owner)
    assert [(each.event, each.importance) for each in found] == [
        ("owner.suspended", "critical"),
        ("key.issued", "info"),
    ]
    assert key in found[1].text
    assert office.ask(inbox.unread, owner) == 2
    assert office.act(inbox.mark_read, owner, found[1].message) == 1
    assert office.act(inbox.mark_read, owner, found[1].message) == 0
    assert [each.event for each in office.ask(inbox.listed, owner, unread_only=True)] == ["owner.suspended"]
    assert office.act(inbox.mark_read, owner) == 1
    office.refused("message_unknown", inbox.mark_read, "u-9", found[0].message)


@pytest.mark.req("R73")
def test_who_is_erased_is_nowhere_any_more(office: Office, sink: Sink) -> None:
    owner = office.owner()
    _confirmed(office, owner, "someone.special@example.com")
    office.hook(owner, "https://special.example.com/hooks")
    office.key(owner)
    office.hand_on()
    assert "someone.special" in repr(office.dump())
    office.act(owners.erase, owner)
    office.send()
    assert sink.came == []
    everything = repr(office.dump())
    assert "someone.special" not in everything
    assert "special.example.com" not in everything


@pytest.mark.parametrize(
    "wrong",
    [
        {"LIMEN_SMTP_URL": "http://mail.example.com", "LIMEN_MAIL_FROM": "a@example.com"},
        {"LIMEN_SMTP_URL": "smtp://mail.example.com?plain", "LIMEN_MAIL_FROM": "a@example.com"},
        {"LIMEN_SMTP_URL": "smtp://u:hidden@mail.example.com"},
        {"LIMEN_SMTP_URL": "smtp://mail.example.com", "LIMEN_MAIL_FROM": "nobody"},
        {"LIMEN_PUBLIC_URL": "limen.example"},
        {"LIMEN_WEBHOOK_ALLOW": "localhost"},
    ],
)
def test_wrong_settings_stop_the_start_and_show_no_password(wrong: dict[str, str], tmp_path: Any) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings(wrong, tmp_path)
    assert "hidden" not in json.dumps(str(caught.value))

"""``limen doctor`` on what goes out: a mail server that is asked and sent nothing, and what does not arrive."""

from __future__ import annotations

import socket
import sqlite3
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.cli.test_doctor import found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORD = "canary-4711"
DAY_S = 86_400.0


class Sink:
    """A mail server that keeps what comes, and lets it be from example.com alone."""

    def __init__(self, **more: Any) -> None:
        self.came: list[bytes] = []
        self.asked: list[str] = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, **more)
        self.controller.start()

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        self.asked.append(address)
        if not address.endswith("@example.com"):
            return f"553 {WORD} is not yours"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.came.append(envelope.content)
        return "250 OK"


@pytest.fixture
def new_sink() -> Iterator[Callable[..., Sink]]:
    """Makes mail servers; all are stopped in the end."""
    made: list[Sink] = []

    def make(**more: Any) -> Sink:
        made.append(Sink(**more))
        return made[-1]

    yield make
    for sink in made:
        sink.controller.stop()


def _mail(monkeypatch: pytest.MonkeyPatch, url: str, sender: str = "Limen <limen@example.com>") -> None:
    monkeypatch.setenv("LIMEN_SMTP_URL", url)
    monkeypatch.setenv("LIMEN_MAIL_FROM", sender)


def test_without_a_mail_server_nothing_is_said_of_mail(limen) -> None:
    assert "mail" not in [row["check"] for row in limen.json("doctor")["checks"]]


def test_a_mail_server_that_takes_our_mail_is_sent_none(limen, new_sink, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = new_sink()
    _mail(monkeypatch, f"smtp://127.0.0.1:{sink.port}?plain")
    row = found(limen, "mail")
    assert (row["state"], "LIMEN_PUBLIC_URL" in row["advice"]) == ("warn", True)
    monkeypatch.setenv("LIMEN_PUBLIC_URL", "https://limen.example.com")
    row = found(limen, "mail")
    assert row["state"] == "ok"
    assert f"127.0.0.1:{sink.port} (plain) takes mail from Limen <limen@example.com>" in row["found"]
    assert (sink.asked, sink.came) == (["limen@example.com"] * 2, [])


def test_a_mail_server_that_does_not(limen, new_sink, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=isinstance(given, LoginPassword) and given.password == b"right", handled=False)

    sink = new_sink(authenticator=asked, auth_require_tls=False)
    _mail(monkeypatch, f"smtp://127.0.0.1:{sink.port}?plain", "limen@elsewhere.example")
    row = found(limen, "mail", expect=1)
    assert (row["state"], "takes no mail from limen@elsewhere.example, 553" in row["found"]) == ("fail", True)
    _mail(monkeypatch, f"smtp://limen:{WORD}@127.0.0.1:{sink.port}?plain")
    row = found(limen, "mail", expect=1)
    assert (row["state"], "refuses the login, 535" in row["found"]) == ("fail", True)
    _mail(monkeypatch, f"smtp://limen:right@127.0.0.1:{sink.port}?plain")
    assert found(limen, "mail")["state"] == "warn"
    _mail(monkeypatch, f"smtp://127.0.0.1:{sink.port}")
    assert "does not offer what the setting asks for" in found(limen, "mail", expect=1)["found"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _mail(monkeypatch, f"smtp://127.0.0.1:{port}?plain")
    assert "Connection refused" in found(limen, "mail", expect=1)["found"]
    monkeypatch.setenv("LIMEN_SMTP_PASSWORD_FILE", str(limen.folder / "none"))
    assert "LIMEN_SMTP_PASSWORD_FILE" in found(limen, "mail", expect=1)["found"]
    assert WORD not in "".join(limen.said)


def test_a_certificate_that_nobody_trusts(limen, new_sink, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    sink = new_sink(tls_context=context)
    _mail(monkeypatch, f"smtp://127.0.0.1:{sink.port}")
    row = found(limen, "mail", expect=1)
    assert (row["state"], "CERTIFICATE_VERIFY_FAILED" in row["found"]) == ("fail", True)


def _change(limen, statement: str, *values: float) -> None:
    connection = sqlite3.connect(limen.database)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_what_does_not_arrive(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEN_WEBHOOK_ALLOW", "127.0.0.1")
    assert found(limen, "delivery")["found"] == "0 channels, and nothing that waits."
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hook = limen.json("channels", "add", "webhook", f"http://127.0.0.1:{port}/hooks")["channel"]
    limen("channels", "test", hook)
    limen("worker", "--once")
    assert found(limen, "delivery")["state"] == "ok", "it is tried again in a minute"
    _change(limen, "update channels set failing_since = ?", time.time() - 3_700)
    row = found(limen, "delivery")
    assert (
        "Of 1 channel 1 fail for over an hour, 0 were disabled for it in the last 7 days; 1 of staff's" in row["found"]
    )
    _change(limen, "update channels set disabled_at = ?, disabled_why = 'failures'", time.time() - 8 * DAY_S)
    assert "0 fail for over an hour, 0 were disabled" in found(limen, "delivery")["found"], "staff's still is"
    _change(limen, "update channels set owner = 'u1'")
    assert found(limen, "delivery")["state"] == "ok", "long ago, and its owner knows"
    _change(limen, "update channels set disabled_at = ?", time.time() - 6 * DAY_S)
    assert "0 fail for over an hour, 1 were disabled" in found(limen, "delivery")["found"]
    _change(limen, "update channels set disabled_why = 'hand'")
    assert found(limen, "delivery")["state"] == "ok"


def test_what_was_given_up_and_what_nobody_sends(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEN_WEBHOOK_ALLOW", "127.0.0.1")
    mail = limen.json("channels", "add", "email", "ops@example.com", "--confirmed")["channel"]
    hook = limen.json("channels", "add", "webhook", "http://127.0.0.1:9/hooks")["channel"]
    for channel in (mail, hook):
        limen("channels", "test", channel)
    assert found(limen, "delivery")["state"] == "ok"
    _change(limen, "update deliveries set due_at = ?", time.time() - 3_700)
    said = [row for row in limen.json("doctor")["checks"] if row["check"] == "delivery"]
    assert [row["found"] for row in said] == [
        "1 delivery by email waits for over an hour.",
        "1 delivery by webhook waits for over an hour.",
    ]
    assert ["LIMEN_SMTP_URL" in row["advice"] for row in said] == [True, False]
    _change(limen, "update deliveries set state = 'dead', settled_at = ?", time.time() - 6 * DAY_S)
    row = found(limen, "delivery")
    assert (row["found"], row["state"]) == ("2 deliveries were given up in the last 7 days.", "warn")
    _change(limen, "update deliveries set settled_at = ?", time.time() - 8 * DAY_S)
    assert found(limen, "delivery")["state"] == "ok"


def test_a_worker_whose_collector_is_gone_says_so_and_does_the_rest(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("LIMEN_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("LIMEN_WEBHOOK_ALLOW", "127.0.0.1")
    hook = limen.json("channels", "add", "webhook", f"http://127.0.0.1:{port}/hooks")["channel"]
    limen("channels", "test", hook)
    done = limen("worker", "--once")
    assert "1 delivery tried" in done.stdout
    assert f"warning: metrics: http://127.0.0.1:{port}/v1/metrics: Connection refused" in done.stderr
    row = found(limen, "worker")
    assert (row["state"], "Connection refused" in row["found"]) == ("warn", True)


def test_files_with_secrets_for_mail_and_the_collector(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIMEN_SMTP_PASSWORD_FILE", "LIMEN_OTLP_HEADERS_FILE"):
        secret = limen.folder / name
        monkeypatch.setenv(name, str(secret))
        assert name in found(limen, "settings", expect=1)["found"]
        secret.write_text("s")
        secret.chmod(0o644)
        assert (found(limen, "settings")["state"], name in found(limen, "settings")["found"]) == ("warn", True)
        secret.chmod(0o600)
        assert found(limen, "settings")["state"] == "ok"

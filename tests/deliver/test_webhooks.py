"""Webhooks: what is sent, to whom, how it is signed, and what happens where it cannot be."""

from __future__ import annotations

import hmac
import json
import subprocess
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
import standardwebhooks.webhooks
from standardwebhooks import Webhook, WebhookVerificationError

from limen.control import channels, delivery, inbox, keys, owners
from limen.core.delivering import JITTER, SCHEDULE_S
from tests.deliver.javascript import standard_webhooks
from tests.deliver.receiver import Came, Raw, Receiver, until

if TYPE_CHECKING:
    import socket

    from tests.deliver.conftest import Office


def _verified(came: Came, secret: str, monkeypatch: pytest.MonkeyPatch, now: float) -> Any:
    """What the library of others says of a request, at the moment *now*."""

    class Moments(standardwebhooks.webhooks.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(now, tz)

    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Moments)
    return Webhook(secret).verify(came.body, came.headers)


@pytest.mark.check("C103", "C105")
def test_what_happens_comes_to_its_owner_signed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = office.owner(), office.owner()
    with Receiver() as receiver:
        secret = office.hook(owner, receiver.url).secret
        key = office.key(owner)
        office.key(other)
        assert office.send() == 1
    (came,) = receiver.came
    said = _verified(came, secret, monkeypatch, office.now)
    assert (said["type"], said["data"]["subject"], said["data"]["owner"]) == ("key.issued", key, owner)
    assert (said["id"], came.headers["content-type"]) == (came.headers["webhook-id"], "application/json")
    (sent,) = office.deliveries()
    assert (sent.state, sent.result, [each.status for each in sent.attempts]) == ("done", "ok", [204])
    with pytest.raises(WebhookVerificationError):
        _verified(Came(came.path, came.headers, came.body + b" "), secret, monkeypatch, office.now)
    with pytest.raises(WebhookVerificationError):
        _verified(came, office.hook(other, "http://127.0.0.1:1/").secret, monkeypatch, office.now)


@pytest.mark.check("C103")
def test_while_a_secret_is_replaced_either_verifies(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = office.owner()
    with Receiver() as receiver:
        added = office.hook(owner, receiver.url)
        new = office.act(channels.rotate, added.channel.channel, overlap_s=3_600.0).secret
        office.key(owner)
        office.send()
        assert new != added.secret
        for secret in (added.secret, new):
            assert _verified(receiver.came[0], secret, monkeypatch, office.now)
        office.now += 3_601
        office.key(owner)
        office.send()
        assert _verified(receiver.came[-1], new, monkeypatch, office.now)
        with pytest.raises(WebhookVerificationError):
            _verified(receiver.came[-1], added.secret, monkeypatch, office.now)


@pytest.mark.check("C103")
def test_the_library_for_javascript_verifies_it_too(office: Office) -> None:
    library = json.dumps(str(standard_webhooks()))
    owner = office.owner()
    office.now = time.time()
    with Receiver() as receiver:
        added = office.hook(owner, receiver.url)
        new = office.act(channels.rotate, added.channel.channel).secret
        office.key(owner)
        office.send()
    (came,) = receiver.came
    script = (
        f"const {{ Webhook }} = require({library});"
        "const [secret, headers, body] = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(new Webhook(secret).verify(body, headers).type));"
    )
    for secret in (added.secret, new):
        given = json.dumps([secret, came.headers, came.body.decode()])
        answer = subprocess.run(["node", "-e", script], input=given, capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout) == "key.issued"
        given = json.dumps([secret, came.headers, came.body.decode() + " "])
        refused = subprocess.run(["node", "-e", script], input=given, capture_output=True, text=True, check=False)
        assert "WebhookVerificationError" in refused.stderr


def test_each_platform_has_its_dialect_by_its_profile(office: Office) -> None:
    """The signatures are worked out here anew, as the platforms' own documents say."""
    user, firm = office.owner(), office.owner("organisation")
    with Receiver(answer=lambda came: 500) as receiver:
        one = office.hook(user, receiver.url + "/1", api="creator")
        two = office.hook(firm, receiver.url + "/2", api="organisation")
        office.key(user)
        office.key(firm, "organisation")
        office.send()
        by_path = {came.path: came for came in receiver.came}
        came, now = by_path["/hooks/1"], int(office.now)
        made = hmac.new(one.secret.encode(), f"{now}.".encode() + came.body, sha256).hexdigest()
        assert came.headers["x-fanvue-signature"] == f"t={now},v0={made}"
        assert "webhook-signature" not in came.headers
        came = by_path["/hooks/2"]
        made = hmac.new(two.secret.encode(), f"{now}.".encode() + came.body, sha256).hexdigest()
        assert came.headers["x-fanfare-signature"] == f"sha256={made}"
        assert came.headers["user-agent"] == "Fanfare-Webhooks/1.0"
        assert came.headers["x-fanfare-event-type"] == "key.issued"
        assert came.headers["x-fanfare-timestamp"] == str(now)
        assert "x-fanfare-retry-count" not in came.headers
        first = came.headers["x-fanfare-delivery-id"]
        receiver.came.clear()
        office.now += 80
        old = two.secret
        office.act(channels.rotate, two.channel.channel)
        office.send()
        came = {each.path: each for each in receiver.came}["/hooks/2"]
        assert came.headers["x-fanfare-delivery-id"] == first
        assert came.headers["x-fanfare-retry-count"] == "1"
        assert came.headers["x-fanfare-original-time"] == str(now)
        assert came.headers["x-fanfare-webhook-id"] == two.channel.channel
        made = hmac.new(old.encode(), f"{now + 80}.".encode() + came.body, sha256).hexdigest()
        assert came.headers["x-fanfare-signature"] == f"sha256={made}", "until it ends, the old secret signs"


@pytest.mark.check("C104")
def test_it_is_tried_again_later_and_later_and_then_given_up(office: Office) -> None:
    owner = office.owner()
    with Receiver(answer=lambda came: 500) as receiver:
        channel = office.hook(owner, receiver.url).channel.channel
        office.key(owner)
        start = office.now
        office.send()
        moments = [start]
        for wait in SCHEDULE_S[1:]:
            (found,) = office.deliveries(channel=channel)
            assert found.due_at is not None
            assert moments[-1] + wait <= found.due_at <= moments[-1] + wait * (1 + JITTER)
            office.now = found.due_at - 1
            assert office.send() == 0
            office.now = found.due_at
            moments.append(office.now)
            assert office.send() == 1
        (found,) = office.deliveries(channel=channel)
        assert (found.state, found.result, len(found.attempts)) == ("dead", "http", 8)
        assert len(set(receiver.ids())) == 1
        stamps = [came.headers["webhook-timestamp"] for came in receiver.came]
        assert stamps == [str(int(moment)) for moment in moments]
        office.now += 100_000
        assert office.send() == 0
        letters = office.ask(inbox.listed, owner)
        assert letters[0].event == "delivery.died"
        receiver.answer = lambda came: 200
        office.act(delivery.retry, found.delivery)
        assert office.send() == 1
        assert office.ask(delivery.shown, found.delivery).state == "done"
        assert len(set(receiver.ids())) == 1


@pytest.mark.check("C104")
def test_who_asks_for_time_is_given_it_and_who_is_gone_is_let_be(office: Office) -> None:
    owner = office.owner()
    with Receiver(answer=lambda came: (429, {"Retry-After": "1000"})) as receiver:
        channel = office.hook(owner, receiver.url).channel.channel
        office.key(owner)
        office.send()
        (found,) = office.deliveries(channel=channel)
        assert found.due_at == office.now + 1_000
        receiver.answer = lambda came: 410
        office.now += 1_000
        office.send()
        (found,) = office.deliveries(channel=channel)
        assert (found.state, found.attempts[-1].status) == ("dead", 410)
        held = office.ask(channels.require, channel)
        assert (held.state, held.disabled_why) == ("disabled", "gone")
        count = len(receiver.came)
        office.key(owner)
        assert office.send() == 0
        office.act(channels.change, channel, enabled=True)
        assert office.send() == 0, "what happened meanwhile is not sent later"
        receiver.answer = lambda came: 200
        office.key(owner)
        assert office.send() >= 1
        assert len(receiver.came) > count


def test_a_hundred_failures_in_a_row_disable_an_endpoint(office: Office) -> None:
    owner = office.owner()
    channel = office.hook(owner, "http://127.0.0.1:1/").channel.channel
    while (held := office.ask(channels.require, channel)).state == "on":
        assert held.failures < 100
        for _ in range(10):
            office.act(delivery.test, channel)
        office.send()
    assert (held.disabled_why, held.failures) == ("failures", 100)
    office.hand_on()
    assert "channel.disabled" in [letter.event for letter in office.ask(inbox.listed, owner)]
    assert {each.state for each in office.deliveries(channel=channel)} == {"dropped"}


def test_a_success_between_failures_begins_the_count_anew(office: Office) -> None:
    owner = office.owner()
    with Receiver(answer=lambda came: 500) as receiver:
        channel = office.hook(owner, receiver.url).channel.channel
        office.act(delivery.test, channel)
        office.send()
        assert office.ask(channels.require, channel).failures == 1
        receiver.answer = lambda came: 200
        office.act(delivery.test, channel)
        office.send()
        held = office.ask(channels.require, channel)
        assert (held.failures, held.failing_at) == (0, None)


@pytest.mark.check("C106")
def test_a_redirect_is_a_failure_and_is_not_followed(office: Office) -> None:
    owner = office.owner()
    with Receiver() as inside, Receiver(answer=lambda came: (302, {"Location": inside.url})) as receiver:
        office.hook(owner, receiver.url)
        office.key(owner)
        office.send()
        assert (len(receiver.came), inside.came) == (1, [])
        (found,) = office.deliveries()
        assert [(each.result, each.status) for each in found.attempts] == [("http", 302)]


@pytest.mark.check("C107")
def test_who_answers_slowly_keeps_nobody_else_waiting(office: Office) -> None:
    slow, quick = office.owner(), office.owner()
    office.dialler = type(office.dialler)(allowed=office.dialler.allowed, total_s=3.0)

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    raw = Raw(drip)
    with Receiver() as receiver:
        for number in range(19):
            office.hook(slow, f"http://127.0.0.{number + 2}:{raw.port}/")
        office.hook(quick, receiver.url)
        for _ in range(3):
            office.key(slow)
            office.key(quick)
        office.hand_on()
        post = office.post()
        until(lambda: post.step(0.05) is not None and len(receiver.came) == 3, within_s=2.9)
        assert raw.connections <= 4, "no more than an owner may have at once"
        post.close()
    raw.close()
    assert {each.result for each in office.deliveries(owner=slow) if each.attempts} == {"timeout"}


@pytest.mark.check("C107")
def test_a_huge_answer_is_not_read(office: Office) -> None:
    owner = office.owner()
    sent = []

    def flood(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            sent.append(connection.send(b"x" * 65_536))

    raw = Raw(flood)
    office.hook(owner, raw.url)
    office.key(owner)
    office.send()
    raw.close()
    assert [each.result for each in office.deliveries()] == ["ok"]
    assert sum(sent) < 20_000_000  # what lies in the sockets' buffers, and no more


def test_an_owner_is_told_by_default_of_what_matters_and_of_what_they_ask_for(office: Office) -> None:
    owner = office.owner()
    with Receiver() as receiver:
        office.hook(owner, receiver.url + "/default")
        office.hook(owner, receiver.url + "/some", events=("key.revoked", "owner.*"))
        office.hook(owner, receiver.url + "/other-api", api="organisation", dialect="standard")
        key = office.key(owner)
        office.act(keys.revoke, key, reason="it was a test")
        office.act(owners.suspend, owner, reason="of no concern to them")
        office.send()
        came = sorted((each.path, json.loads(each.body)["type"]) for each in receiver.came)
        assert came == [
            ("/hooks/default", "key.issued"),
            ("/hooks/default", "key.revoked"),
            ("/hooks/default", "owner.suspended"),
            ("/hooks/other-api", "owner.suspended"),
            ("/hooks/some", "key.revoked"),
            ("/hooks/some", "owner.suspended"),
        ]
        assert not any(b"concern" in each.body or b"test" in each.body for each in receiver.came)


def test_nothing_of_before_is_sent_and_everything_after_once(office: Office) -> None:
    owner = office.owner()
    office.key(owner)
    with Receiver() as receiver:
        channel = office.hook(owner, receiver.url).channel.channel
        assert office.send() == 0
        office.key(owner)
        office.hand_on()
        office.hand_on()
        assert office.send() == 1
        assert office.send() == 0
        office.act(channels.change, channel, muted=True)
        office.key(owner)
        assert office.send() == 0
        office.act(channels.change, channel, muted=False)
        assert office.send() == 0
        office.key(owner)
        assert office.send() == 1


@pytest.mark.check("C109")
def test_what_happened_can_be_had_again_from_the_log(office: Office) -> None:
    owner, other = office.owner(), office.owner()
    before = office.now
    first = office.key(owner)
    office.key(other)
    with Receiver() as receiver:
        channel = office.hook(owner, receiver.url, events=("key.*",)).channel.channel
        office.now += 10
        second = office.key(owner)
        office.send()
        ids = receiver.ids()
        assert office.act(delivery.replay, channel, since=before) == 2
        office.send()
        said = [json.loads(came.body)["data"]["subject"] for came in receiver.came]
        assert sorted(said) == sorted([second, first, second])
        assert receiver.ids().count(ids[0]) == 2, "what was sent before keeps its id"


@pytest.mark.check("C108")
def test_secrets_are_sealed_and_no_row_shows_one(office: Office) -> None:
    owner = office.owner()
    added = office.hook(owner, "https://example.com/hooks")
    again = office.hook(owner, "https://example.com/hooks")
    assert (again.secret, again.channel) == ("", added.channel), "it is shown once"
    new = office.act(channels.rotate, added.channel.channel).secret
    office.act(delivery.test, added.channel.channel)
    everything = repr(office.dump())
    for secret in (added.secret, new):
        assert secret not in everything
        assert secret.removeprefix("whsec_").encode().hex() not in everything
    sealed, pepper = office.rows("select sealed, pepper from channels")[0]
    assert len(sealed) > 40
    assert pepper == office.app.ring.current

"""``limen channels``, ``deliveries``, ``inbox`` and ``notices``: from an endpoint to what came of a test."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from tests.deliver.receiver import Receiver


def test_a_test_comes_signed_and_says_what_came_of_it(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEN_WEBHOOK_ALLOW", "127.0.0.1/32")
    limen.issue()
    with Receiver() as receiver:
        added = limen("channels", "add", "webhook", receiver.url, "--owner", "u1")
        assert "shown" in added.stderr
        secret = added.stdout.splitlines()[-1]
        (channel,) = limen.json("channels", "list", "--owner", "u1")
        id_ = channel["channel"]
        assert limen.json("channels", "show", id_) == channel
        test = limen.json("channels", "test", id_)
        assert limen.json("worker", "--once")["sent"] == 1
        (came,) = receiver.came
        assert Webhook(secret).verify(came.body, came.headers)["type"] == "channel.test"
        shown = limen.json("deliveries", "show", test["delivery"])
        assert (shown["state"], [each["status"] for each in shown["attempts"]]) == ("done", [204])
        assert "204" in limen("deliveries", "show", test["delivery"]).stdout
        limen("deliveries", "retry", test["delivery"])
        key = limen.issue("--yes")["key"]
        assert "deliveries tried" in limen("worker", "--once").stdout
        assert [json.loads(each.body)["type"] for each in receiver.came].count("channel.test") == 2
        assert key in [json.loads(each.body)["data"]["subject"] for each in receiver.came]
        assert limen.json("deliveries", "list", "--state", "dead") == []
        assert limen.problem("channels", "replay", id_, "--since", "2026-01-01")["code"] == "channel_wrong"
        yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
        assert limen.json("channels", "replay", id_, "--since", yesterday)["count"] >= 2
        new = limen("channels", "rotate", id_, "--overlap", "1 h").stdout.splitlines()[-1]
        assert new != secret
        assert limen.json("channels", "change", id_, "--event", "key.*", "--mute")["state"] == "muted"
        assert limen.json("channels", "change", id_, "--default-events", "--unmute")["events"] == []
        assert limen.json("channels", "change", id_, "--disable")["disabled_why"] == "hand"
        assert limen.problem("channels", "test", id_)["code"] == "channel_off"
        limen("channels", "remove", id_)
        assert limen.problem("channels", "show", id_)["code"] == "channel_unknown"


def test_an_endpoint_that_must_not_be_reached_is_refused(limen) -> None:
    limen.issue()
    problem = limen.problem("channels", "add", "webhook", "http://127.0.0.1:1/", "--owner", "u1")
    assert problem["code"] == "channel_wrong"
    assert "127.0.0.1" not in problem["detail"]


def test_the_inbox_and_notices(limen) -> None:
    key = limen.issue()["key"]
    assert limen.json("channels", "add", "email", "ops@example.com", "--confirmed")["state"] == "on"
    added = limen.json("channels", "add", "email", "someone@example.com", "--owner", "u1")
    assert limen.json("channels", "confirm", added["channel"])["state"] == "on"
    limen("worker", "--once")
    (letter,) = limen.json("inbox", "list", "--owner", "u1", "--unread")
    assert key in letter["text"]
    assert limen.json("inbox", "read", letter["message"], "--owner", "u1") == {"count": 1}
    assert limen("inbox", "read").stdout == "0 messages marked as read.\n"
    words = ("--title", "New terms", "--text", "They hold from March on.")
    shown = limen.json("notices", "preview", *words)
    assert [(each["owner"], each["channels"]) for each in shown["recipients"]] == [("u1", 1)]
    assert "u1" in limen("notices", "preview", *words).stdout
    limen("notices", "send", *words, expect=2)
    sent = limen.json("notices", "send", *words, "--id", "terms", "--yes")
    assert limen.json("notices", "send", *words, "--id", "terms", "--yes") == sent
    assert limen.json("notices", "list") == [sent]
    assert [each["title"] for each in limen.json("inbox", "list", "--owner", "u1")] == ["New terms", "A key was issued"]

"""``limen leaks``, ``limen keys inspect``, ``limen usage``: what staff do about keys in the open, and what they see."""

from __future__ import annotations

import json
import tomllib

import pytest

from limen.cli.leaks import Format
from limen.control import leaks

CALL = ("--operation", "GET /users/me", "--version", "2025-06-26")


def test_every_format_is_one_that_rules_are_written_for() -> None:
    assert [each.value for each in Format] == list(leaks.FORMATS)


@pytest.mark.check("C026")
def test_rules_are_printed_as_the_scanner_reads_them(limen) -> None:
    rules = tomllib.loads(limen("leaks", "rules", "--format", "gitleaks").stdout)["rules"]
    assert "limen_creator_secret_live" in [each["id"] for each in rules]
    for form in Format:
        assert "fvak_" in limen("leaks", "rules", "--format", form.value, "--api", "creator").stdout
    shown = limen.json("leaks", "rules", "--format", "github", "--api", "creator")
    assert shown[0] == {
        "name": "limen_creator_secret_live",
        "title": "Key of creator, secret, live",
        "regex": r"\b(fvak_[0-9A-Za-z]{50})\b",
    }
    assert limen.problem("leaks", "rules", "--format", "gitleaks", "--api", "nowhere")["code"] == "api_unknown"


@pytest.mark.req("R28", "R68")
@pytest.mark.parametrize("given", ["KEY", "KEY\r\n", "+API_KEY=KEY # the key\n", "https://a.example/?api_key=KEY&b=c"])
def test_staff_have_every_key_in_a_text_ended(limen, given: str) -> None:
    issued = limen.issue()
    text = given.replace("KEY", issued["text"])
    found = limen.json("leaks", "report", "--where", "https://a.example/b", "--yes", input=text)
    assert found == [{"key": issued["key"], "api": "creator", "owner": "u1", "done": "revoked"}]
    assert limen.json("keys", "show", issued["key"])["ended_reason"] == "leaked (staff)"
    assert limen.json("leaks", "report", "--yes", input=text)[0]["done"] == "known"


def test_a_text_without_a_key_is_told_so(limen) -> None:
    result = limen("leaks", "report", input=b"\xff\x00nothing\nfvak_" + b"0" * 50)
    assert (result.stdout, "no key" in result.stderr) == ("", True)


def test_no_key_is_ended_unasked(limen) -> None:
    issued = limen.issue()
    assert "--yes" in limen("leaks", "report", expect=2, input=issued["text"]).stderr
    assert limen.json("keys", "show", issued["key"])["state"] == "active"


# -- the inspector ---------------------------------------------------------------------------------------------------


@pytest.mark.req("R271", "R273")
def test_the_inspector_says_why_and_what_to_do(limen) -> None:
    issued = limen.issue()
    text = issued["text"]
    good = limen.json("keys", "inspect", "-", *CALL, input=text + "\n")
    assert (good["whole"], good["refused"], good["key"]["key"]) == (True, False, issued["key"])
    found = limen.json("keys", "inspect", issued["key"], "--operation", "createChat", *CALL[2:], expect=1)
    assert found["scopes_missing"] == ["write:chat"]
    (reason,) = found["reasons"]
    assert (reason["code"], reason["status"]) == ("scope_missing", 403)
    shown = limen("keys", "inspect", "-", "--operation", "createChat", *CALL[2:], expect=1, input=text).stdout
    for word in (issued["key"], "scope_missing", "write:chat", "Issue a key with the scopes", "100 per 60 s"):
        assert word in shown
    limen("owners", "suspend", "u1", "--reason", "an unpaid bill")
    limen("keys", "deactivate", issued["key"])
    found = limen.json("keys", "inspect", issued["key"], expect=1)
    assert [each["code"] for each in found["reasons"]] == ["key_inactive", "owner_suspended"]


@pytest.mark.req("R271")
def test_the_inspector_says_what_is_wrong_with_a_text_and_never_shows_it(limen) -> None:
    text = limen.issue()["text"]
    shown = len(limen.said)
    for given, flaw in (
        (text[:-3], "wrong_length"),
        (f"Bearer {text}", "surrounded"),
        (text[:-1] + ("0" if text[-1] != "0" else "1"), "wrong_checksum"),
        (text[:20] + "é" + text[21:], "wrong_alphabet"),
        ("", "empty"),
    ):
        assert limen.json("keys", "inspect", "-", expect=1, input=given)["flaw"] == flaw
        limen("keys", "inspect", "-", expect=1, input=given)
    limen("keys", "inspect", "-", expect=1, input=b"\xff\xfe" * 100)
    limen("keys", "inspect", text, expect=2)
    assert not any(text[17:40] in said for said in limen.said[shown:])


# -- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("R100", "R101", "R103")
def test_what_was_refused_and_who_went_on_is_listed(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    from limen.app import App
    from limen.control import recording
    from limen.core.usage import Decided, Tally
    from limen.settings import read_settings

    key = limen.issue()["key"]
    app = App.open(read_settings())
    now = app.clock.read()[0]
    codes = ("ok", "scope_missing", "limit_exceeded", "limit_exceeded")
    entries = [
        Decided(n, now, key.encode(), code, "GET", "listChats", "2025-06-26", "/chats")
        for n, code in enumerate(codes, 1)
    ]
    counted = [
        Tally(int(now // 60), "credential_invalid", "fvak_", "192.0.2.0/24", 5),
        Tally(int(now // 60), "limit_shadow", "shadow allowance/60", "", 3),
    ]
    app.act(recording.record, "segment", 1, api="creator", incarnation=7, entries=[*entries, *counted])
    app.close()
    assert [each["code"] for each in limen.json("usage", "list", "--code", "scope_missing")] == ["scope_missing"]
    assert len(limen.json("usage", "list", "--key", key, "--owner", "u1", "--api", "creator")) == 4
    page = limen.json("usage", "list", "--limit", "3")
    assert f"--after {page[-1]['reading']}" in limen("usage", "list", "--limit", "3").stderr
    assert len(limen.json("usage", "list", "--after", page[-1]["reading"])) == 1
    (stranger,) = limen.json("usage", "refusals")
    assert (stranger["block"], stranger["count"]) == ("192.0.2.0/24", 5)
    (shadow,) = limen.json("usage", "refusals", "--shadow")
    assert (shadow["prefix"], shadow["count"]) == ("shadow allowance/60", 3)
    assert {(each["key"], each["code"], each["count"]) for each in limen.json("usage", "refusals", "--keys")} == {
        (key, "limit_exceeded", 2),
        (key, "scope_missing", 1),
    }
    (went_on,) = limen.json("usage", "disregards", "--key", key)
    assert (went_on["key"], went_on["count"]) == (key, 1)
    for words in (("list",), ("refusals",), ("refusals", "--keys"), ("disregards",)):
        assert limen("usage", *words).stdout
    limen("usage", "refusals", "--keys", "--shadow", expect=2)
    assert "'1 week'" in limen("usage", "list", "--within", "1 week", expect=2).stderr
    assert json.loads(limen("usage", "list", "--within", "1 s", "--api", "nowhere", "--json").stdout) == []

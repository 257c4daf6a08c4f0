"""``limen keys``: what it does, and that the text of a key is shown once."""

from __future__ import annotations

import re

import pytest

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.mark.req("R67", "R208")
def test_the_text_of_a_key_stands_alone_on_the_last_line_and_nowhere_else(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u1")
    result = limen("keys", "issue", "creator", "u1", "--name", "a key", "--scope", "read:self")
    text = result.stdout.splitlines()[-1]
    assert re.fullmatch("fvak_[0-9A-Za-z]{50}", text)
    assert result.output.count(text) == 1
    assert "only time" in result.stderr


@pytest.mark.req("R67", "R208")
def test_with_json_the_text_is_a_field(limen) -> None:
    issued = limen.issue("--expires-in", "90 d", "--address", "203.0.113.7")
    assert re.fullmatch("fvak_[0-9A-Za-z]{50}", issued["text"])
    assert issued["key"] == issued["text"][5:17]
    assert issued["scopes"] == ["read:self"]
    assert issued["addresses"] == ["203.0.113.7/32"]
    assert issued["state"] == "active"
    assert INSTANT.fullmatch(issued["expires_at"])
    assert issued["last_used_at"] is None


@pytest.mark.req("R67", "R208")
def test_no_other_command_no_error_and_no_file_shows_a_key_again(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [limen.issue()["text"]]
    texts.append(limen.json("keys", "regenerate", texts[0][5:17], "--yes")["text"])
    shown = len(limen.said)
    for text in texts:
        for words in (
            ("keys", "show", text),
            ("keys", "revoke", text, "--reason", "leaked"),
            ("keys", "list", text),
            ("keys", "list", "--after", text),
            ("owners", "show", text),
            ("keys", "issue", "creator", "u1", "--name", "n", "--scope", text, "--yes"),
            ("keys", "list", "--owner", text),
            ("keys", "expire", text[5:17], "--at", text),
            (text,),
            ("keys", f"--{text}"),
        ):
            refused = words[:2] in (("owners", "show"), ("keys", "issue")) or "--after" in words
            expected = 0 if "--owner" in words else 1 if refused else 2
            limen(*words, expect=expected)
        limen("keys", "show", "-", input=text)
        limen("keys", "list", "--hidden", "--json")
        limen("doctor")
    for said in limen.said[shown:]:
        assert not any(text in said for text in texts)
    for path in limen.folder.rglob("*"):
        assert path.is_dir() or not any(text.encode() in path.read_bytes() for text in texts), path


def test_a_bug_shows_its_traceback_but_neither_values_nor_keys(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    from limen.control import keys

    text = limen.issue()["text"]

    def broken(_reader: object, key: str) -> None:
        secret = text
        raise RuntimeError(f"{key} {secret}")

    monkeypatch.setattr(keys, "require", broken)
    result = limen("keys", "show", text[5:17], expect=70)
    assert "Traceback" in result.stderr
    assert "RuntimeError" in result.stderr
    assert text not in result.output
    assert "secret =" not in result.stderr


@pytest.mark.req("R68", "R163")
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_leaked_key_is_revoked_from_standard_input(limen, end: str) -> None:
    issued = limen.issue()
    found = limen.json("keys", "revoke", "-", "--reason", "leaked", "--yes", input=issued["text"] + end)
    assert found["key"] == issued["key"]
    assert found["state"] == "revoked"
    assert found["ended_reason"] == "leaked"


@pytest.mark.parametrize("text", ["", "nonsense", "fvak_" + "0" * 50, "é" * 60, "fvak_" + "0" * 4096])
def test_what_is_no_key_on_standard_input_is_refused_unsaid(limen, text: str) -> None:
    result = limen("keys", "show", "-", expect=2, input=text)
    assert not text or text not in result.stderr
    assert limen("keys", "show", "-", expect=2, input=b"\xff\x00" * 40)


def test_one_mistyped_character_is_noticed(limen) -> None:
    text = limen.issue()["text"]
    limen("keys", "show", "-", expect=2, input=text[:-1] + ("0" if text[-1] != "0" else "1"))


def test_a_key_as_an_argument_is_refused_with_what_to_do(limen) -> None:
    text = limen.issue()["text"]
    detail = limen.problem("keys", "revoke", text, "--reason", "leaked", "--yes", expect=2)["detail"]
    assert "55 characters" in detail
    assert "standard input" in detail
    assert "revoke it" in detail


@pytest.mark.req("R222", "R223")
def test_the_life_of_a_key(limen) -> None:
    key = limen.issue()["key"]
    assert limen.json("keys", "deactivate", key)["state"] == "inactive"
    assert limen.json("keys", "reactivate", key)["state"] == "active"
    assert limen.json("keys", "expire", key, "--at", "2100-01-01", "--yes")["expires_at"] == "2100-01-01T00:00:00.000Z"
    assert limen.problem("keys", "expire", key, "--at", "2101-01-01", "--yes")["code"] == "expiry_wrong"
    assert limen.json("keys", "expire", key, "--at", "now", "--yes")["state"] == "expired"
    assert limen.problem("keys", "reactivate", key)["code"] == "key_ended"
    assert limen.json("keys", "delete", key, "--yes") == {"key": key, "deleted": True}
    assert limen.problem("keys", "show", key)["code"] == "key_unknown"
    assert limen.json("keys", "list") == []
    assert [found["key"] for found in limen.json("keys", "list", "--hidden")] == [key]


def test_keys_are_listed_by_what_is_asked_for_and_page_by_page(limen) -> None:
    keys = [limen.issue(owner=f"u{number}")["key"] for number in range(3)]
    assert [found["key"] for found in limen.json("keys", "list")] == keys[::-1]
    (place,) = re.findall(r"--after (\S+)$", limen("keys", "list", "--limit", "1").stderr, re.MULTILINE)
    assert [found["key"] for found in limen.json("keys", "list", "--after", place, "--limit", "1")] == [keys[1]]
    assert "--after" not in limen("keys", "list", "--after", place).stderr
    assert [found["key"] for found in limen.json("keys", "list", "--owner", "u0", "--api", "creator")] == [keys[0]]
    assert limen.json("keys", "list", "--state", "revoked") == []
    table = limen("keys", "list").stdout
    for word in (keys[0], f"fvak_{keys[0][:4]}…", "secret", "live", "active", "u0", "a key"):
        assert word in table


def test_a_list_in_a_pipe_is_not_cut(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u" * 100, "--name", "n" * 100)
    out = limen("owners", "list").stdout
    assert "u" * 100 in out
    assert "n" * 100 in out


def test_regenerating_keeps_name_and_scopes_and_ends_the_old_key(limen) -> None:
    old = limen.issue(scopes=("read:self", "read:chat"))
    new = limen.json("keys", "regenerate", old["key"], "--yes")
    assert (new["scopes"], new["name"], new["predecessor"]) == (old["scopes"], old["name"], old["key"])
    assert limen.json("keys", "show", old["key"])["state"] == "revoked"
    assert limen.problem("keys", "regenerate", new["key"], "--overlap", "1 h", "--yes")["code"] == "expiry_wrong"


def test_bad_input_names_what_was_found_and_what_is_allowed(limen) -> None:
    limen.issue()
    issue = ("keys", "issue", "creator", "u1", "--name", "n", "--yes")
    scopes = limen("keys", "list", "--state", "asleep", expect=2).stderr
    assert all(word in scopes for word in ("asleep", "active", "inactive", "expired", "revoked"))
    assert "read:chat" in limen(*issue, "--scope", "read:nothing", expect=1).stderr
    assert "'soon'" in limen(*issue, "--expires-in", "soon", expect=2).stderr
    assert "90 d" in limen(*issue, "--expires-in", "soon", expect=2).stderr
    assert "--expires-in" in limen(*issue, "--expires-at", "2100-01-01", "--expires-in", "1 d", expect=2).stderr
    assert "public" in limen(*issue, "--class", "public", expect=1).stderr
    assert "live, test" in limen(*issue, "--environment", "moon", expect=1).stderr
    assert "--name" in limen("keys", "issue", "creator", "u1", expect=2).stderr
    assert "12-character" in limen("keys", "show", "short", expect=2).stderr

"""``limen audit``: what staff see of it, how they verify it, and that nobody can write lines into their terminal."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields

import pytest

from limen.control.audit import Break, Entry, Verified
from tests.cli.test_help import PAGE

FORGED = "u-1\n17  2026-06-26T00:00:00Z  staff:root\x1b[2J\x1b]0;owned\x07\r\u202e\u2028\x85end"


def meddled(limen, statement: str) -> None:
    """A hand at the database, without the triggers that stand in its way."""
    with closing(sqlite3.connect(limen.database)) as hand:
        for (name,) in hand.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            hand.execute(f"drop trigger {name}")
        hand.execute(statement)
        hand.commit()


def verified_as_documented(lines: list[str]) -> str:
    """What the program in the documentation says of exported *lines*: without a line of ours."""
    page = (PAGE.parent.parent / "explanation" / "audit.md").read_text("utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    answer = subprocess.run(
        [sys.executable, "-I", "-c", program],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return answer.stdout + answer.stderr


@pytest.mark.req("R72")
def test_entries_are_listed_the_newest_first_and_filtered(limen) -> None:
    key = limen.issue()["key"]
    limen("keys", "revoke", key, "--reason", "found by a friend", "--yes")
    found = limen.json("audit", "list")
    assert [each["verb"] for each in found[:2]] == ["keys.revoke", "keys.issue"]
    assert set(found[0]) == {each.name for each in fields(Entry)}
    assert [each["verb"] for each in limen.json("audit", "list", "--subject", key, "--limit", "1")] == ["keys.revoke"]
    assert limen.json("audit", "list", "--after", str(found[0]["id"]))[0]["verb"] == "keys.issue"
    assert limen.json("audit", "list", "--actor", "staff:nobody") == []
    assert len(limen.json("audit", "list", "--verb", "keys.issue", "--api", "creator")) == 1
    assert limen.json("audit", "list", "--until", "2025-01-01") == []
    assert limen.json("audit", "list", "--since", "2025-01-01") == found
    result = limen("audit", "list", "--limit", "2")
    assert f"--after {found[1]['id']}" in result.stderr
    assert "keys.revoke" in result.stdout
    assert "friend" not in result.stdout, "what is personal is shown one by one"
    assert "There are no such entries" in limen("audit", "list", "--verb", "nothing").stderr
    assert limen.problem("audit", "list", "--since", "yesterday", expect=2)["code"] == "usage"


def test_one_entry_is_shown_with_what_was_and_what_is(limen) -> None:
    key = limen.issue()["key"]
    limen("keys", "revoke", key, "--reason", "found by a friend", "--yes")
    number = str(limen.json("audit", "list", "--limit", "1")[0]["id"])
    entry = limen.json("audit", "show", number)
    assert (entry["before"], entry["after"]) == ({"state": "active"}, {"state": "revoked"})
    assert entry["personal"] == {"reason": "found by a friend"}
    text = " ".join(limen("audit", "show", number).stdout.split())
    assert "before state active after state revoked" in text
    assert "personal reason found by a friend" in text
    limen("audit", "erase", "--subject", key, "--yes")
    assert "(erased)" in limen("audit", "show", number).stdout
    assert limen.json("audit", "show", number)["personal"] == {"reason": None}
    assert limen.problem("audit", "show", "10000")["code"] == "not_found"


def test_the_chain_is_verified_and_its_head_is_kept(limen) -> None:
    limen.issue()
    assert limen("audit", "head").stdout == f"0:{'00' * 32}\n"
    found = limen.json("audit", "verify")
    assert (found["whole"], found["checked"], found["unlinked"] > 0) == (True, 0, True)
    assert set(found) == {each.name for each in fields(Verified)}
    limen("worker", "--once")
    head = limen("audit", "head").stdout.strip()
    kept = limen.json("audit", "head")
    assert head == f"{kept['position']}:{kept['digest']}"
    found = limen.json("audit", "verify", "--head", head)
    assert (found["whole"], found["unlinked"], found["checked"]) == (True, 0, kept["position"])
    assert limen.json("audit", "list", "--limit", "1")[0]["position"] == kept["position"]
    limen.issue(owner="u2")
    limen("worker", "--once")
    assert limen.json("audit", "verify", "--head", head)["whole"]
    assert "yes" in limen("audit", "verify", "--head", head).stdout
    for wrong in ("", "x", f"1:{'AB' * 32}"):
        if wrong:
            assert limen.problem("audit", "verify", "--head", wrong, expect=2)["code"] == "usage"


@pytest.mark.check("C122")
def test_whoever_meddled_is_found_out_with_exit_code_1(limen) -> None:
    limen.issue()
    limen("worker", "--once")
    head = limen("audit", "head").stdout.strip()
    meddled(limen, "update audit set actor = 'terminal:nobody' where id = 2")
    found = limen.json("audit", "verify", expect=1)
    assert (found["whole"], found["broken"]) == (False, 1)
    assert found["breaks"] == [{"position": 2, "id": 2, "how": "changed"}]
    text = limen("audit", "verify", expect=1).stdout
    assert "the row or its link is not what was laid" in text
    row = next(row for row in limen.json("doctor", expect=1)["checks"] if row["check"] == "audit")
    assert (row["state"], "position 2" in row["found"]) == ("fail", True)
    meddled(limen, "delete from audit_links")
    meddled(limen, "update audit set actor = 'terminal:nobody' where id = 3")
    limen("worker", "--once")
    assert limen.json("audit", "verify")["whole"], "it was laid anew"
    assert limen.json("audit", "verify", "--head", head, expect=1)["breaks"][0]["how"] == "anchor"


def test_the_audit_is_exported_line_by_line_and_verified_without_us(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u-1024", "--name", "Zoë")
    limen("worker", "--once")
    limen("owners", "create", "--type", "user", "--id", "u-2048")
    lines = limen("audit", "export").stdout.splitlines()
    assert json.loads(lines[-1])["position"] is None, "not linked yet"
    assert verified_as_documented(lines) == limen("audit", "head").stdout
    for change in (lines[1:], [lines[1], lines[0]], [lines[0].replace('"verb":"', '"verb":"un'), *lines[1:]]):
        assert "It breaks at 1" in verified_as_documented(change)
    assert limen.json("audit", "export") == [json.loads(line) for line in lines]
    assert limen("audit", "export", "--after", "1").stdout.splitlines() == lines[1:]
    assert limen.json("audit", "export", "--after", str(len(lines))) == []
    assert "Zo" not in "".join(lines)
    assert "Zo\\u00eb" in limen("audit", "export", "--personal").stdout


@pytest.mark.req("R73")
def test_what_is_personal_is_not_erased_unasked(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u-1024", "--name", "Zoë")
    assert "--yes" in limen("audit", "erase", "--subject", "u-1024", expect=2).stderr
    assert limen.json("audit", "erase", "--subject", "u-1024", "--yes") == {"erased": 1}
    assert limen.json("audit", "erase", "--subject", "u-1024", "--yes") == {"erased": 0}
    assert limen.problem("audit", "erase", "--yes")["code"] == "request_malformed"


@pytest.mark.check("C123")
def test_nobody_forges_a_line_in_what_is_printed(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who acted, the environment says; a reason, somebody typed; the rest was written by a hand at the database."""
    monkeypatch.setenv("LOGNAME", FORGED)
    limen("owners", "create", "--type", "user", "--id", "u-1024")
    limen("owners", "suspend", "u-1024", "--reason", FORGED)
    number = str(limen.json("audit", "list", "--limit", "1")[0]["id"])
    values = ", ".join(f"'{FORGED}'" for _ in range(4))
    detail = json.dumps({FORGED: FORGED, "list": [FORGED], "more": {FORGED: FORGED}}).replace("'", "''")
    with closing(sqlite3.connect(limen.database)) as hand:
        hand.execute(
            f"insert into audit (at, actor, verb, api, subject, before, after, detail) values (1, {values}, ?, ?, ?)",
            (detail, json.dumps(FORGED), detail),
        )
        hand.commit()
    limen("worker", "--once")
    forged = str(limen.json("audit", "list", "--limit", "1")[0]["id"])
    for words in (("list",), ("show", number), ("show", forged), ("verify",), ("export",), ("export", "--personal")):
        result = limen("audit", *words)
        for printed in (result.stdout, result.stderr):
            assert [c for c in printed if not (c.isprintable() or c == "\n")] == [], words
            assert not [line for line in printed.splitlines() if line.startswith("17  ")], words
    count = len(limen.json("audit", "list"))
    assert len(limen("audit", "list").stdout.splitlines()) == count + 1
    assert "\\x1b[2J" in limen("audit", "show", number).stdout
    assert limen.json("audit", "show", number)["personal"]["reason"] == FORGED


def test_the_reference_has_the_fields_of_what_is_printed() -> None:
    text = PAGE.read_text("utf-8")
    printed = text.partition("| entry of the audit |")[2].partition("\n")[0]
    assert [each.name for each in fields(Entry) if f"`{each.name}`" not in printed] == []
    verify = text.partition("## limen audit verify")[2].partition("\n## ")[0]
    names = [each.name for kind in (Verified, Break) for each in fields(kind)]
    assert [name for name in names if f"`{name}`" not in verify] == []


# -- doctor ------------------------------------------------------------------------------------------------------------


def _check(limen, name: str) -> dict[str, str]:
    return next(row for row in limen.json("doctor")["checks"] if row["check"] == name)


def test_doctor_tells_of_a_chain_that_lags(limen) -> None:
    assert _check(limen, "audit")["state"] == "ok"
    meddled(limen, "update audit set at = at - 120")
    row = _check(limen, "audit")
    assert (row["state"], "limen worker" in row["advice"]) == ("warn", True)
    assert "since 12" in row["found"]
    limen("worker", "--once")
    row = _check(limen, "audit")
    assert (row["state"], "0 entries wait" in row["found"]) == ("ok", True)


def test_doctor_tells_of_a_chore_that_failed(limen) -> None:
    assert _check(limen, "worker") == {
        "check": "worker", "state": "ok", "found": "None has run yet.", "advice": ""
    }  # fmt: skip
    with closing(sqlite3.connect(limen.database)) as hand:
        hand.execute("alter table replies rename to gone")
        assert limen.problem("worker", "--once", expect=3)["code"] == "store_down"
        row = _check(limen, "worker")
        assert (row["state"], "replies: " in row["found"], "no such table" in row["found"]) == ("warn", True, True)
        hand.execute("alter table gone rename to replies")
    limen("worker", "--once")
    assert _check(limen, "worker")["state"] == "ok"

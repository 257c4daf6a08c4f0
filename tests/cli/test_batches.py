"""``limen keys …-all`` and the filters of ``limen keys list``: what is asked, what is done, and what is said of it."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from limen.app import App
from limen.cli import batches as command
from limen.control import batches, keys, owners
from limen.core.problems import StoreDown

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.db.transaction import Tx

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
REVOKE = ("keys", "revoke-all", "--api", "creator", "--reason", "breach")


@pytest.fixture
def made(limen) -> list[str]:
    """Three keys of three owners, the newest first."""
    app = App.open()
    keys = [app.act(_make, number) for number in range(3)]
    app.close()
    return keys[::-1]


def _make(tx: Tx, number: int) -> str:
    owner = f"u{number}"
    owners.create(tx, owners.NewOwner("user", owner=owner))
    return keys.issue(tx, keys.NewKey("creator", owner, f"Key {number}", scopes=("read:self",))).key.key


def _states(limen) -> dict[str, str]:
    return {found["key"]: found["state"] for found in limen.json("keys", "list")}


LISTS: tuple[tuple[str, list[int]], ...] = (
    ("--owner u1", [1]),
    ("--state active", [0, 1, 2]),
    ("--state revoked", []),
    ("--class secret --environment live", [0, 1, 2]),
    ("--environment test", []),
    ("--prefix sk_", []),
    ("--name KEY", [2, 1, 0]),
    ("--created-by terminal:nobody", []),
    ("--created-after 2026-01-01", [0, 1, 2]),
    ("--created-before 2026-01-01T00:00:00Z", []),
    ("--never-used", [0, 1, 2]),
    ("--used-before now", []),
    ("--used-after now", []),
    ("--expiring-before 2100-01-01", [2]),
    ("--expiring-after 2100-01-01", []),
    ("--weak", []),
    ("--leaked", []),
)


def test_keys_are_listed_by_each_thing_that_they_have(limen, made) -> None:
    limen("keys", "expire", made[2], "--at", "2090-01-01", "--yes")
    for words, places in LISTS:
        found = [each["key"] for each in limen.json("keys", "list", *words.split())]
        assert found == [made[place] for place in places], words


def test_a_key_is_found_by_the_beginning_of_its_id(limen, made) -> None:
    assert [each["key"] for each in limen.json("keys", "list", "--id", made[1][:6])] == [made[1]]
    assert limen.problem("keys", "list", "--id", "4f")["code"] == "request_malformed"


@pytest.mark.req("R249")
def test_what_would_be_done_is_shown_and_not_done(limen, made) -> None:
    before = _states(limen)
    shown = limen.json(*REVOKE, "--dry-run")
    assert shown["count"] == 3
    assert [each["key"] for each in shown["first"]] == made
    table = limen(*REVOKE, "--dry-run").stdout
    assert all(key in table for key in made)
    assert limen.json(*REVOKE, "--created-before", "2020-01-01", "--dry-run") == {"count": 0, "first": []}
    assert _states(limen) == before


def test_many_keys_are_not_changed_unasked(limen, made) -> None:
    before = limen.json("keys", "list")
    for words, said in (
        (("revoke-all", "--reason", "breach"), "3 keys are revoked. This cannot be undone."),
        (("expire-all", "--at", "2090-01-01"), "3 keys end at 2090-01-01. This cannot be undone."),
        (("regenerate-all", "--out", "new.jsonl"), "3 keys are replaced, and end. This cannot be undone."),
        (("deactivate-all",), "3 keys are deactivated."),
    ):
        result = limen("keys", *words, "--api", "creator", expect=2)
        assert said in " ".join(result.stderr.split())
        assert "--yes" in result.stderr
    assert limen.json("keys", "list") == before
    assert not (limen.folder / "new.jsonl").exists()


@pytest.mark.req("R249", "R68")
def test_many_keys_are_revoked(limen, made) -> None:
    found = limen.json(*REVOKE, "--yes")
    assert INSTANT.fullmatch(found.pop("began_at"))
    assert found == {"action": "revoke", "matched": 3, "done": 3, "skipped": [], "interrupted": False, "out": None}
    shown = limen.json("keys", "list")
    assert {(each["state"], each["ended_reason"]) for each in shown} == {("revoked", "breach")}
    assert limen(*REVOKE, "--yes").stdout == "0 of 0 keys revoked.\n"


def test_many_keys_sleep_wake_and_get_a_date(limen, made) -> None:
    assert limen("keys", "deactivate-all", "--api", "creator", "--yes").stdout == "3 of 3 keys deactivated.\n"
    assert set(_states(limen).values()) == {"inactive"}
    limen("keys", "reactivate-all", "--owner", "u1", "--yes")
    assert _states(limen) == {made[0]: "inactive", made[1]: "active", made[2]: "inactive"}
    limen("keys", "expire", made[0], "--at", "2080-01-01", "--yes")
    found = limen("keys", "expire-all", "--api", "creator", "--at", "2090-01-01", "--yes")
    assert found.stdout == "2 of 3 keys given their date.\n"
    assert "1 key skipped: Expiry wrong." in found.stderr
    assert made[0] in found.stderr
    assert [each["expires_at"][:4] for each in limen.json("keys", "list")] == ["2080", "2090", "2090"]
    limen("keys", "expire-all", "--state", "inactive", "--at", "now", "--yes")
    assert _states(limen) == {made[0]: "expired", made[1]: "active", made[2]: "expired"}


def test_a_key_whose_place_is_taken_is_skipped_and_said(limen) -> None:
    key = limen.issue()["key"]
    limen("keys", "deactivate", key)
    limen.issue()
    found = limen.json("keys", "reactivate-all", "--owner", "u1", "--yes")
    assert (found["matched"], found["done"]) == (1, 0)
    assert [(each["key"], each["code"]) for each in found["skipped"]] == [(key, "slot_taken")]


@pytest.mark.req("R249", "R208")
def test_new_keys_are_written_once_into_a_file_for_its_owner_alone(limen, made) -> None:
    shown = len(limen.said)
    found = limen.json("keys", "regenerate-all", "--api", "creator", "--out", "new.jsonl", "--yes")
    file = limen.folder / "new.jsonl"
    assert (found["done"], found["out"]) == (3, "new.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["predecessor"] for line in lines] == made
    assert {key: state for key, state in _states(limen).items() if state == "active"} == {
        line["key"]: "active" for line in lines
    }
    for line in lines:
        assert line.keys() == {"key", "predecessor", "api", "owner", "name", "text"}
        assert limen.json("keys", "show", "-", input=line["text"])["key"] == line["key"]
        assert not any(line["text"] in said for said in limen.said[shown:])


def test_a_file_that_is_there_is_not_written_over(limen, made) -> None:
    (limen.folder / "new.jsonl").write_text("mine")
    limen("keys", "regenerate-all", "--api", "creator", "--out", "new.jsonl", "--yes", expect=2)
    assert (limen.folder / "new.jsonl").read_text() == "mine"
    assert set(_states(limen).values()) == {"active"}


def test_new_keys_are_printed_where_that_is_asked_for(limen, made) -> None:
    regenerate = ("keys", "regenerate-all", "--api", "creator", "--yes")
    limen(*regenerate, expect=2)
    limen(*regenerate, "--stdout", "--out", "new.jsonl", expect=2)
    limen(*regenerate, "--stdout", "--json", expect=2)
    assert set(_states(limen).values()) == {"active"}
    result = limen(*regenerate, "--stdout")
    assert [json.loads(line)["predecessor"] for line in result.stdout.splitlines()] == made
    assert "3 of 3 keys replaced." in result.stderr


def test_where_there_are_no_such_keys_no_file_is_made(limen, made) -> None:
    found = limen.json("keys", "regenerate-all", "--owner", "nobody", "--out", "new.jsonl", "--yes")
    assert (found["matched"], found["out"]) == (0, None)
    assert not (limen.folder / "new.jsonl").exists()


@pytest.fixture
def after_one(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """``after_one(what)`` is done in the second of transactions of one key each."""

    def after_one(what: Callable[[], None]) -> None:
        run, count = batches.run, 0

        def counted(*args: Any, **named: Any) -> batches.Batch:
            nonlocal count
            count += 1
            done = run(*args, **named)
            if count == 2:
                what()
            return done

        monkeypatch.setattr(command, "CHUNK", 1)
        monkeypatch.setattr(batches, "run", counted)

    return after_one


@pytest.mark.parametrize("words", [REVOKE, ("keys", "regenerate-all", "--api", "creator", "--out", "new.jsonl")])
def test_an_interrupt_waits_for_its_transaction_and_says_how_many_are_done(limen, made, after_one, words: Any) -> None:
    after_one(lambda: os.kill(os.getpid(), signal.SIGINT))
    found = limen.json(*words, "--yes", expect=130)
    assert (found["matched"], found["done"], found["interrupted"]) == (3, 2, True)
    assert sum(state == "revoked" for state in _states(limen).values()) == 2
    if "--out" in words:
        assert len((limen.folder / "new.jsonl").read_text().splitlines()) == 2


def test_a_second_interrupt_undoes_the_transaction_that_runs(limen, made, after_one) -> None:
    after_one(lambda: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)])
    result = limen("keys", "regenerate-all", "--api", "creator", "--out", "new.jsonl", "--yes", expect=130)
    assert "1 of 3 keys replaced." in result.stdout
    (before,) = re.findall(r"goes on with the rest, with --created-before (\S+)\.$", result.stderr, re.MULTILINE)
    assert sum(state == "revoked" for state in _states(limen).values()) == 1
    assert len((limen.folder / "new.jsonl").read_text().splitlines()) == 1
    regenerate = ("keys", "regenerate-all", "--api", "creator", "--created-before", before)
    assert limen.json(*regenerate, "--out", "more.jsonl", "--yes")["done"] == 2


def test_when_the_store_fails_half_way_what_was_done_is_said(limen, made, after_one) -> None:
    def fail() -> None:
        raise StoreDown("The disk is full.")

    after_one(fail)
    regenerate = ("keys", "regenerate-all", "--api", "creator", "--out", "new.jsonl", "--yes")
    found = limen.problem(*regenerate, expect=3)
    assert found["detail"] == "The disk is full. Before that it was done to 1 key."
    (line,) = (limen.folder / "new.jsonl").read_text().splitlines()
    assert limen.json("keys", "show", json.loads(line)["key"])["predecessor"] == made[0]


def test_keys_are_named_by_something(limen, made) -> None:
    assert limen.problem("keys", "revoke-all", "--reason", "breach", "--yes")["code"] == "request_malformed"
    limen("keys", "revoke-all", "--owner", "u1", "--yes", expect=2)
    limen("keys", "revoke-all", "--owner", "u1", "--reason", "x", "--used-before", "soon", "--yes", expect=2)

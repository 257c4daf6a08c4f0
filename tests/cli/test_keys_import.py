"""``limen keys import``: a file of another system's keys, as JSON lines or CSV, brought as a whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import secrets
from typing import Any

import pytest

from tests.cli.rules import importing


@pytest.fixture
def legacy(limen):
    """A terminal at an installation whose API ``creator`` lists foreign keys, any number an owner."""
    importing(limen, one_active=False)
    return limen


def lines(count: int, **more: Any) -> list[dict[str, Any]]:
    """Lines of a file: a key each."""
    return [
        {
            "owner": f"u-{number}",
            "sha256": hashlib.sha256(f"old_{secrets.token_hex(20)}".encode()).hexdigest(),
            "scopes": ["read:self", "read:chat"],
        }
        | more
        for number in range(count)
    ]


def as_json(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def as_csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows({**row, "scopes": " ".join(row["scopes"])} for row in rows)
    return out.getvalue()


@pytest.mark.parametrize("form", [as_json, as_csv])
def test_a_file_is_brought_and_twice_is_once(legacy, form) -> None:
    (legacy.folder / "keys").write_text(form(lines(5)))
    words = ("keys", "import", "creator", "keys", "--create-owners")
    told = legacy.json(*words)
    assert (told["owners"], len(told["keys"]), told["present"], told["wrong"]) == (5, 5, [], [])
    assert all(each["weak"] and each["key"] for each in told["keys"])
    assert {each["hint"] for each in legacy.json("keys", "list", "--api", "creator")} == {"old_…"}
    again = legacy.json(*words)
    assert (again["owners"], again["keys"], len(again["present"])) == (0, [], 5)


def test_more_than_a_batch_is_brought(legacy) -> None:
    told = legacy.json("keys", "import", "creator", "-", "--create-owners", input=as_json(lines(2_300)))
    assert len({each["key"] for each in told["keys"]}) == 2_300
    assert [each["number"] for each in told["keys"]] == list(range(1, 2_301))


@pytest.mark.parametrize("form", [as_json, as_csv])
def test_a_wrong_line_is_named_by_its_number_and_nothing_is_brought(legacy, form) -> None:
    rows = lines(4)
    rows[2]["scopes"] = ["read:nothing"]
    result = legacy("keys", "import", "creator", "-", "--create-owners", input=form(rows), expect=1)
    number = 3 if form is as_json else 4
    assert f"line {number}: scope_unknown: The profile has no such scope. Known: read:self," in result.stderr
    assert "read:nothing" not in result.stderr
    assert "brought 0" in " ".join(result.stdout.split())
    assert legacy.json("keys", "list", "--api", "creator") == []
    words = ("keys", "import", "creator", "-", "--create-owners", "--json")
    told = json.loads(legacy(*words, input=form(rows), expect=1).stdout)
    assert [(each["number"], each["code"]) for each in told["wrong"]] == [(number, "scope_unknown")]
    assert (told["keys"], told["owners"]) == ([], 0)
    skipped = legacy.json("keys", "import", "creator", "-", "--create-owners", "--skip-wrong", input=form(rows))
    assert (len(skipped["keys"]), [each["number"] for each in skipped["wrong"]]) == (3, [number])


def test_what_is_no_entry_is_named_too(legacy) -> None:
    good, other = as_json(lines(1)), as_json(lines(1, owner="u-9"))
    text = good + '{"owner": \n[1, 2]\n"a text"\n\n' + other + '{"owner": "u-1", "md5": "00"}\n'
    told = legacy.json("keys", "import", "creator", "-", "--create-owners", "--skip-wrong", input=text)
    assert [each["number"] for each in told["wrong"]] == [2, 3, 4, 7]
    assert len(told["keys"]) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'owner,sha256\n"u-1,00\n'])
def test_a_file_that_cannot_be_read_at_all(legacy, content: bytes) -> None:
    assert legacy.problem("keys", "import", "creator", "-", input=content)["code"] == "import_wrong"


def test_a_row_with_more_values_than_the_head_is_wrong(legacy) -> None:
    text = as_csv(lines(1)) + "u-7,a,b,c,d\n"
    told = legacy.json("keys", "import", "creator", "-", "--create-owners", "--skip-wrong", input=text)
    assert [each["number"] for each in told["wrong"]] == [3]


def test_a_dry_run_says_what_would_be_done(legacy) -> None:
    rows = lines(3)
    rows[0]["owner"] = "no id!"
    words = ("keys", "import", "creator", "-", "--create-owners", "--dry-run")
    told = json.loads(legacy(*words, "--json", input=as_json(rows), expect=1).stdout)
    assert (told["dry_run"], told["owners"], len(told["keys"])) == (True, 2, 2)
    assert [each["number"] for each in told["wrong"]] == [1]
    assert {each["key"] for each in told["keys"]} == {""}
    assert "would bring" in legacy(*words, "--skip-wrong", input=as_json(rows)).stdout
    assert legacy.json("keys", "list", "--api", "creator") == []


@pytest.mark.check("C021")
def test_weak_ones_are_counted_listed_and_end(legacy) -> None:
    text = as_json([{"owner": "u-1", "text": "plain_secret", "scopes": ["read:self"], "name": "old server"}])
    words = ("keys", "import", "creator", "-", "--create-owners", "--allow", "--weak-expire", "90 d")
    result = legacy(*words, input=text)
    assert "of them weak 1" in " ".join(result.stdout.split())
    assert "limen keys list --weak" in result.stderr
    (key,) = legacy.json("keys", "list", "--weak")
    assert (key["name"], key["weak"]) == ("old server", True)
    assert key["expires_at"] is not None
    (standing,) = legacy.json("owners", "show", "u-1")["standings"]
    assert standing["allowed"]


@pytest.mark.check("C020")
def test_neither_text_nor_hash_is_printed(legacy) -> None:
    text = "plain_" + secrets.token_hex(16)
    rows = [{"owner": "u-1", "text": text, "scopes": ["read:self"]}, *lines(1), *lines(1, scopes=["none"])]
    rows.append({"owner": "u-2", "text": text + "?" * 60, "scopes": ["read:self"]})
    content = as_json(rows)
    legacy("keys", "import", "creator", "-", "--create-owners", input=content, expect=1)
    legacy("keys", "import", "creator", "-", "--create-owners", "--skip-wrong", "--json", input=content)
    said = "".join(legacy.said)
    assert text[8:] not in said
    assert not any(row["sha256"] in said for row in rows if "sha256" in row)


def test_an_api_without_foreign_keys_says_what_to_do(limen) -> None:
    problem = limen.problem("keys", "import", "creator", "-", input=as_json(lines(1)))
    assert problem["code"] == "import_wrong"
    assert "keys.foreign" in problem["detail"]

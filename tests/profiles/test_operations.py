"""The operations of a profile's file are written anew, and everything else in it stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from limen.core.profile import ProfileError
from limen.profiles import parse
from limen.profiles.operations import section, with_operations

TEXT = """\
# What this file is.
profile: shop   # the name

operations:     # paths as they stand
  # things
  - {id: listThings, call: GET /things, scopes: [read:things], limit: 5 per 1 h}
  - id: addThing   # one a field
    call: POST /things
    scopes: [write:things]
    write: on
  # status
  - {id: status, call: GET /status, public: on}

# What refusals look like.
errors: {style: problem}
"""
LIST: dict[str, Any] = {"id": "listThings", "call": "GET /things", "scopes": ["read:things"]}
ADD: dict[str, Any] = {"id": "addThing", "call": "POST /things", "scopes": ["write:things"], "write": True}
STATUS: dict[str, Any] = {"id": "status", "call": "GET /status", "public": True}
GET: dict[str, Any] = {"id": "getThing", "call": "GET /things/{thing}", "scopes": ["read:things"]}


def test_what_says_the_same_changes_nothing() -> None:
    assert with_operations(TEXT, [LIST, ADD, STATUS]) == TEXT
    assert with_operations(TEXT, [STATUS, LIST, ADD]) == TEXT


def test_what_is_new_stands_behind_what_it_follows_and_what_is_gone_is_gone() -> None:
    written = with_operations(TEXT, [LIST, GET, ADD])
    new = '  - {id: getThing, call: "GET /things/{thing}", scopes: [read:things]}\n'
    gone = "  # status\n  - {id: status, call: GET /status, public: on}\n"
    assert written == TEXT.replace("  - id: addThing", f"{new}  - id: addThing").replace(gone, "")
    assert with_operations(TEXT, [GET, LIST, ADD, STATUS]).index(new) < TEXT.index("  # things") + len(new)


def test_what_changed_is_one_line_and_keeps_its_comment_and_limit() -> None:
    written = with_operations(TEXT, [{**LIST, "scopes": ["admin"]}, {**ADD, "write": False}, STATUS])
    assert "  # things\n  - {id: listThings, call: GET /things, scopes: [admin], limit: 5 per 1 h}\n" in written
    assert "  - {id: addThing, call: POST /things, scopes: [write:things], write: false}\n  # status\n" in written
    assert written.startswith("# What this file is.\nprofile: shop   # the name\n\noperations:     # paths")
    assert written.endswith("public: on}\n\n# What refusals look like.\nerrors: {style: problem}\n")


@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize(
    "before",
    [
        "operations: []\n",
        "operations:\n",
        "operations: [{id: x, call: GET /x, scopes: []}] # flow\n",
        "operations:\n- call: GET /things\n  id: listThings\n  scopes:\n  - read:things\n",
        "operations:\n  - {id: status, call: GET /status, public: true}",
    ],
)
def test_however_the_section_is_written(before: str, crlf: bool) -> None:
    text = f"profile: shop\n{before}"
    for whole in (text, f"{text.rstrip()}\n\n# more\nerrors: {{}}\n"):
        given = whole.replace("\n", "\r\n") if crlf else whole
        written = with_operations(given, [LIST, GET])
        read = parse(written.encode()).data
        assert read == {**parse(given.encode()).data, "operations": [LIST, GET]}
        assert written.count("\r\n") == (written.count("\n") if crlf else 0)
        assert ("# more" in written) == ("# more" in whole)


@pytest.mark.parametrize("end", ["", "\n", "\n# the end\n"])
def test_a_file_without_the_section_gets_one_at_its_end(end: str) -> None:
    assert with_operations(f"profile: shop{end}", [LIST]) == (f"profile: shop{end or chr(10)}\n{section([LIST])}")


@pytest.mark.parametrize(
    "text",
    [
        "{profile: shop, operations: []}",
        "- 1\n",
        "",
        "operations:\n  - &one {id: x, call: GET /x, scopes: []}\nerrors: *one\n",
    ],
)
def test_what_cannot_be_written_by_lines_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"one field a line|used elsewhere"):
        with_operations(text, [LIST])


def test_a_file_that_is_no_yaml_is_named_so() -> None:
    with pytest.raises(ProfileError):
        with_operations("a: [", [LIST])


def test_every_value_is_read_as_it_was_meant() -> None:
    odd = {"id": "x", "call": "GET /x/{y}", "scopes": ["true", "no", "admin"], "limit": "5 per 1 s, shadow 9 per 1 d"}
    assert yaml.safe_load(section([odd]))["operations"] == [odd]
    assert parse(section([odd]).encode()).data["operations"] == [odd]

"""Profiles as files: the shipped ones, and what the reader makes of a file that is wrong."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.limits import write_limits
from limen.core.profile import Profile, ProfileError
from limen.core.profile_body import PLACEHOLDERS
from limen.core.profile_fields import PROFILE
from limen.core.profile_form import REQUIRED, Field, paths
from limen.core.profile_reader import read_profile
from limen.core.rules import Switches, compile_rules
from limen.profiles import MAX_BYTES, MAX_DEPTH, MAX_NODES, SHIPPED, load, parse

ROOT = Path(__file__).parents[2]
CREATOR = (ROOT / "src/limen/profiles/creator.yaml").read_text()
PAGE = (ROOT / "docs/reference/profile.md").read_text()


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(text: str) -> Profile:
    parsed = parse(text.encode("utf-8", "surrogatepass"))
    return read_profile(parsed.data, parsed.lines)


def told(path: Path) -> list[str]:
    """Every mistake in a file, without the name of its folder."""
    with pytest.raises(ProfileError) as caught:
        load(path)
    assert {mistake.source for mistake in caught.value.mistakes} == {str(path)}
    return [str(mistake).replace(str(path), path.name) for mistake in caught.value.mistakes]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_is_read_and_can_be_read_again(name: str) -> None:
    profile = load(name)
    assert profile.name == name
    again = read_profile(json.loads(json.dumps(profile.document)))
    assert dataclasses.asdict(again) == dataclasses.asdict(profile)
    rules = compile_rules(profile, api=name, revision=1, switches=Switches(), versions={})
    for operation in profile.operations:
        path = re.sub(r"\{\w+\}", "a1", operation.path).encode()
        assert rules.routes.find(operation.method.encode(), path) is operation


@pytest.mark.req("R112")
def test_the_creator_platform() -> None:
    profile = load("creator")
    keys, versioning = profile.keys, profile.versioning
    assert (profile.owner_type, profile.allowlist, profile.support) == ("user", True, "support@fanvue.com")
    assert [(carrier.kind, carrier.name) for carrier in profile.carriers] == [("header", "X-Fanvue-API-Key")]
    assert (keys.max_active_per_owner, keys.on_overflow, keys.issuance) == (1, "replace", "approval")
    assert keys.classes["secret"].prefixes == {"live": "fvak_", "test": "fvak_test_"}
    assert versioning is not None
    assert (versioning.carrier, versioning.header, versioning.form) == ("header", "X-Fanvue-API-Version", "date")
    assert (versioning.next_header, versioning.versions[0].name) == ("X-Fanvue-API-Next-Version", "2025-06-26")
    assert (profile.count_per, write_limits(profile.default_limits)) == ("key", "100 per 60 s")


@pytest.mark.req("R182", "R183", "R184", "R186", "R187")
def test_the_scopes_of_the_creator_platform() -> None:
    scopes = load("creator").catalogue.scopes
    published = ["read:self", "read:chat", "write:chat", "read:fan", "read:creator"]
    assert [name for name, scope in scopes.items() if not scope.extension] == published
    assert list(scopes)[5:] == ["read:insights", "read:agency", "write:agency", "write:creator"]


@pytest.mark.req("R50", "R127", "R185")
def test_the_operations_of_the_creator_platform() -> None:
    offered = {operation.name: operation for operation in load("creator").operations}
    assert {name: set(operation.scopes) for name, operation in offered.items() if not operation.public} == {
        "getCurrentUser": {"read:self"},
        "listChats": {"read:chat"},
        "createChat": {"write:chat"},
        "getUnread": {"read:chat"},
        "listStatuses": {"read:chat"},
        "updateChat": {"write:chat"},
        "listMessages": {"read:chat"},
        "sendMessage": {"write:chat"},
        "deleteMessage": {"write:chat"},
        "listFollowers": {"read:fan"},
        "listSubscribers": {"read:fan"},
        "listEarnings": {"read:insights"},
        "getEarningsSummary": {"read:insights"},
        "listTopSpenders": {"read:insights", "read:fan"},
        "listSubscriberDays": {"read:insights"},
        "getFanInsights": {"read:insights", "read:fan"},
        "listCreators": {"read:creator"},
        "listCreatorFollowers": {"read:creator", "read:fan"},
        "listCreatorSubscribers": {"read:creator", "read:fan"},
        "listCreatorChats": {"read:creator", "read:chat"},
        "createCreatorChat": {"read:creator", "write:chat"},
        "updateCreatorChat": {"read:creator", "write:chat"},
        "listCreatorMessages": {"read:creator", "read:chat"},
        "sendCreatorMessage": {"read:creator", "write:chat"},
        "listCreatorEarnings": {"read:creator", "read:insights"},
        "getCreatorEarningsSummary": {"read:creator", "read:insights"},
        "listCreatorTopSpenders": {"read:creator", "read:insights", "read:fan"},
        "listCreatorSubscriberDays": {"read:creator", "read:insights"},
        "listTeamMembers": {"read:agency"},
        "updateTeamMember": {"write:agency"},
        "listAgencyChats": {"read:agency", "read:chat"},
        "listAgencySubscribers": {"read:agency", "read:creator"},
        "listAgencyEarnings": {"read:agency", "read:insights"},
        "listAgencySubscriberDays": {"read:agency", "read:insights"},
    }
    writes = {"createChat", "updateChat", "sendMessage", "deleteMessage", "createCreatorChat", "updateCreatorChat"}
    writes |= {"sendCreatorMessage", "updateTeamMember"}
    assert {name for name, operation in offered.items() if operation.write} == writes


@pytest.mark.req("R197", "R226", "R227", "R228", "R229", "R230", "R231", "R239", "R252", "R253", "R254", "R255")
def test_the_organisation_platform() -> None:
    profile = load("organisation")
    keys = profile.keys
    assert (profile.owner_type, profile.allowlist, profile.count_per) == ("organisation", False, "owner")
    assert [(carrier.kind, carrier.name) for carrier in profile.carriers] == [("bearer", ""), ("query", "api_key")]
    assert (keys.max_active_per_owner, keys.issuance) == (None, "self_service")
    assert keys.classes["secret"].prefixes == {"live": "sk_live_", "test": "sk_test_"}
    assert keys.classes["public"].prefixes == {"live": "pk_live_", "test": "pk_test_"}
    assert keys.classes["public"].scopes == ("read:experiences",)
    assert keys.classes["public"].origins
    assert list(profile.catalogue.scopes) == [
        "read:experiences",
        "write:experiences",
        "read:consumers",
        "write:consumers",
        "read:analytics",
        "admin",
    ]
    assert profile.catalogue.closure["admin"] == set(profile.catalogue.scopes)
    assert {name: [limit.count for limit in plan.limits] for name, plan in profile.plans.items()} == {
        "free": [100],
        "basic": [1000],
        "pro": [10000],
        "enterprise": [],
    }
    assert [name for name, plan in profile.plans.items() if not plan.granular_scopes] == ["free"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("on_overflow: replace", "on_overflow: drop", "keys.on_overflow: found 'drop', allowed: replace, reject"),
        ("issuance: approval", "isuance: approval", "keys.issuance: found nothing, allowed: self_service, approval"),
        (
            "type: user  ",
            "typ: user  ",
            "owners.typ: found the unknown field 'typ', allowed: type, allowlist; did you mean 'type'?",
        ),
        ("live: fvak_,", "live: fvak,", "keys.classes.secret.prefixes.live: found 'fvak', allowed: 2 to 24 of a-z,"),
        ("default: 100 per 60 s", "default:", "limits.default: found nothing, allowed: a limit, as '100 per 60 s'"),
        ("GET /chats, scopes", "GET chats, scopes", "operations.1.call: found 'GET chats', allowed: METHOD /path"),
        ("[write:chat], write: true}", "[write:chat]}", "operations.2.write: found nothing, allowed: say write: true"),
        ("  - header: X-Fanvue-API-Key", "  - cookie: a", "carriers.0.cookie: found the unknown field 'cookie'"),
        ('"2025-06-26": {}', "2025-06-31: {}", "versioning.versions.2025-06-31: found '2025-06-31', allowed: a real"),
        (
            "    401: {error: Unauthorized}",
            "    409: {error: '{eror}'}",
            "errors.compat.409.error: found the unknown placeh",
        ),
        ("  read:fan:", "  read:chat:", "scopes.read:chat: found the key 'read:chat' again, first on line 33, allowed"),
        ("title: Fanvue API", "title: !secret Fanvue", "title: found the tag '!secret', allowed: no tags"),
        ("title: Fanvue API", "? [a]\n: b", "found a key that is a list or a mapping, allowed: keys that are text"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    content = CREATOR.replace(old, new, 1)
    assert content != CREATOR
    line = CREATOR[: CREATOR.index(old)].count("\n") + 1
    found = told(write(tmp_path, content))
    if "found nothing" in expected and "issuance" in old:  # what is missing is told at the line of its parent
        line = CREATOR[: CREATOR.index("keys:\n")].count("\n") + 1
    assert any(text.startswith(f"mine.yaml:{line}: {expected}") for text in found), found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "mine.yaml: found nothing, allowed: a mapping of profile, title, support"),
        (b"- a", "mine.yaml:1: found a list, allowed: a mapping of profile"),
        (b"a: b\nc: [d\n", "mine.yaml:3: found no YAML (expected ',' or ']'"),
        (
            b"a: b\nc: d: e\n",
            "mine.yaml:2: found no YAML (mapping values are not allowed here), allowed: one YAML docu",
        ),
        (b"a: b\n--- \nc: d\n", "mine.yaml:2: found no YAML (but found another document)"),
        (b"a: *b\n", "mine.yaml:1: found no YAML (found undefined alias 'b')"),
        (b'a: "\\UFFFFFFFF"\n', "mine.yaml: found no YAML ("),
        (b"a: b\nc: \x00\n", "mine.yaml:2: found the character U+0000, allowed: printable characters"),
        (b"a: b\nc: \xff\n", "mine.yaml:2: found bytes that are not UTF-8, allowed: UTF-8"),
        ("a: b\n".encode("utf-16"), "mine.yaml:1: found bytes that are not UTF-8, allowed: UTF-8"),
        (b"#" * (MAX_BYTES + 1), f"mine.yaml: found a larger file, allowed: at most {MAX_BYTES} bytes"),
        (b"a:\n" + b"- " * 100_000, f"mine.yaml:2: found deeper nesting, allowed: at most {MAX_DEPTH} levels"),
        (b"a: &a [*a]\n", f"mine.yaml:1: found deeper nesting, following aliases, allowed: at most {MAX_DEPTH} levels"),
        (
            b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 10)) for n in range(98, 106)),
            f"mine.yaml:1: found more values, counting what aliases stand for, allowed: at most {MAX_NODES} values",
        ),
        (b"[" + b"a," * (3 * MAX_NODES) + b"]", f"mine.yaml:1: found more values, allowed: at most {MAX_NODES} values"),
    ],
)
def test_what_is_no_profile_at_all_is_told(tmp_path: Path, content: bytes, expected: str) -> None:
    (text,) = told(write(tmp_path, content))
    assert text.startswith(expected)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    allowed = "a file, or one of creator, organisation"
    assert told(tmp_path / "none.yaml") == [f"none.yaml: found No such file or directory, allowed: {allowed}"]
    assert told(tmp_path) == [f"{tmp_path.name}: found Is a directory, allowed: {allowed}"]
    with pytest.raises(ProfileError, match="a name that no file can have"):
        load("a\0b")


def test_mistakes_of_the_file_and_of_the_profile_are_told_together(tmp_path: Path) -> None:
    content = CREATOR.replace("title: Fanvue API", "title: A\ntitle: B").replace("type: user ", "type: team ")
    assert [text.partition(" found")[0] for text in told(write(tmp_path, content))] == [
        "mine.yaml:5: title:",
        "mine.yaml:14: owners.type:",
    ]


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    shared = CREATOR.replace("{error: Unauthorized}", "&refused {error: Unauthorized}")
    shared = shared.replace("{error: Forbidden}", "*refused")
    assert load(write(tmp_path, shared)).errors.compat["403"] == {"error": "Unauthorized"}
    assert load(str(write(tmp_path, "\ufeff" + CREATOR))).document == load("creator").document


def test_scalars_stay_as_they_were_written() -> None:
    texts = parse(b"[on, yes, 0x1F, 1_000, 010, 1.5, 2025-06-26, 12:30:00, '1', 'true']").data
    assert texts == ["on", "yes", "0x1F", "1_000", "010", "1.5", "2025-06-26", "12:30:00", "1", "true"]
    assert parse(b"[1, -7, true, false, null, ~]").data == [1, -7, True, False, None, None]


def test_every_path_has_its_line() -> None:
    parsed = parse(b"a:\n  b: 1\n  c:\n    - x\n    - y: {z: 1}\n2025-06-26: {}\n")
    assert parsed.lines == {
        "": 1, "a": 1, "a.b": 2, "a.c": 3, "a.c.0": 4, "a.c.1": 5, "a.c.1.y": 5, "a.c.1.y.z": 5, "2025-06-26": 6
    }  # fmt: skip


PIECES = [
    "a: ",
    "b",
    "- ",
    "\n",
    "\n  ",
    "{",
    "}",
    "[",
    "]",
    "&x ",
    "*x",
    "'",
    '"',
    "\\",
    "!t ",
    "!!int ",
    "? ",
    "|",
    ">",
]


@given(st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_no_text_is_answered_with_anything_but_mistakes(text: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read(text)
    assert all(mistake.line is None or 0 < mistake.line <= len(text) + 2 for mistake in caught.value.mistakes)


@given(st.integers(0, len(CREATOR)), st.integers(0, 40), st.text(max_size=8))
def test_a_damaged_file_is_read_or_refused(at: int, gone: int, put: str) -> None:
    content = CREATOR[:at] + put + CREATOR[at + gone :]
    try:
        profile = read(content)
    except ProfileError:
        return
    assert json.loads(json.dumps(profile.document)) == profile.document


def _default(field: Field) -> str:
    if field.default is REQUIRED:
        return "required"
    return "—" if field.default is None else f"`{field.default}`"


@pytest.mark.parametrize(
    ("path", "field"), list(paths(PROFILE)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_field_is_documented_with_its_default(path: str, field: Field) -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith(f"| `{path}` |")]
    assert len(rows) == 1
    assert rows[0].split(" | ")[2] == _default(field)


def test_no_field_is_documented_that_is_not_there() -> None:
    documented = re.findall(r"^\| `([a-z_.<>\[\]]+)` \|", PAGE, re.MULTILINE)
    assert set(documented) == {path for path, _ in paths(PROFILE)}


def test_every_placeholder_is_documented() -> None:
    assert re.findall(r"^\| `\{(\w+)\}` \|", PAGE, re.MULTILINE) == list(PLACEHOLDERS)

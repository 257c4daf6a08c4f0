"""Each of these promises is also asked of a build that does not keep it: what would not catch it proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from limen.control import apis, keys, measures
from limen.core import verdict
from limen.core.measures import Measure, Measures
from limen.core.record import Record
from limen.core.routes import Operation, Routes
from limen.core.rules import Rules
from limen.core.verdict import OK, OWNER_NOT_ALLOWED, SCOPE_MISSING, Ask, Code
from limen.core.versions import Version
from limen.gate import check
from tests.gate.scene import Scene, changed

Judge = Callable[[Record, Ask, Operation | None, Version | None, Rules], Code]
BOTH = ("read:chat", "read:self")


def _a_revoked_key_is_refused(scene: Scene) -> None:
    """R48, and by that key alone."""
    issued, kept = scene.issued(), scene.key("bob")
    text = issued.text.encode()
    assert [scene.code(credential) for credential in (text, kept)] == ["ok", "ok"]
    scene.app.act(keys.revoke, issued.key.key)
    assert [scene.code(credential) for credential in (text, kept)] == ["key_revoked", "ok"]


def _all_needed_scopes_are_asked_for(scene: Scene) -> None:
    """R51: the whole required set, not some of it, and not as many of others."""
    operations = list(scene.house.gate.rules.profile.document["operations"])
    operations[1] = {**operations[1], "scopes": ["read:chat", "read:fan"]}
    scene.app.act(apis.apply_profile, scene.api, changed(operations=operations))
    held = {
        ("read:chat", "read:fan"): "ok",
        ("read:chat", "read:fan", "read:self"): "ok",
        ("read:chat",): "scope_missing",
        ("read:fan",): "scope_missing",
        ("read:chat", "read:self"): "scope_missing",
        ("read:self", "read:creator"): "scope_missing",
    }
    for number, (scopes, code) in enumerate(held.items()):
        assert scene.code(scene.key(f"owner-{number}", scopes=scopes)) == code, scopes


def _only_listed_owners_are_admitted(scene: Scene) -> None:
    """R99: while the list is on, and nobody is asked while it is off."""
    scene.owner("eve", allowed=False)
    listed, unlisted = scene.key("ann"), scene.key("eve")
    assert [scene.code(text) for text in (listed, unlisted)] == ["ok", "owner_not_allowed"]
    scene.app.act(apis.switch, scene.api, "allowlist", False)
    assert [scene.code(text) for text in (listed, unlisted)] == ["ok", "ok"]
    scene.app.act(apis.switch, scene.api, "allowlist", True)
    assert [scene.code(text) for text in (listed, unlisted)] == ["ok", "owner_not_allowed"]


def _a_write_is_served_only_where_it_is_documented(scene: Scene) -> None:
    """R127: no method that the profile does not name, on no path that it names for another, with whatever scopes."""
    text = scene.key(scopes=("read:self", "read:chat", "write:chat"))
    assert scene.code(text, "POST /chats") == "ok"
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert scene.code(text, f"{method} /users/me") == "operation_unknown"
        assert scene.code(text, f"{method} /chats/1/messages") == "operation_unknown"
    for method in ("PUT", "PATCH", "DELETE"):
        assert scene.code(text, f"{method} /chats") == "operation_unknown"
    assert scene.code(text, "GET /users/me") == "ok"


def _a_block_on_a_key_is_not_shaken_off(scene: Scene) -> None:
    """R124: it holds for what the key is regenerated to, warm or cold, and for no other key."""
    issued, other = scene.issued(), scene.key("bob")
    scene.app.act(measures.block, measures.Target("key", issued.key.key), reason="abuse")
    assert [scene.code(text) for text in (issued.text.encode(), other)] == ["access_blocked", "ok"]
    text = scene.app.act(keys.regenerate, issued.key.key).text.encode()
    assert (scene.code(text), scene.warm(text)) == ("access_blocked", "access_blocked")
    again = scene.app.act(keys.regenerate, text[5:17].decode()).text.encode()
    assert (scene.code(again), scene.warm(other)) == ("access_blocked", "ok")


PROMISES: dict[str, Callable[[Scene], None]] = {
    "R48": _a_revoked_key_is_refused,
    "R51": _all_needed_scopes_are_asked_for,
    "R99": _only_listed_owners_are_admitted,
    "R127": _a_write_is_served_only_where_it_is_documented,
    "R124": _a_block_on_a_key_is_not_shaken_off,
}


@pytest.mark.req("R48", "R74")
def test_a_revoked_key_is_refused(scene: Scene) -> None:
    _a_revoked_key_is_refused(scene)


@pytest.mark.req("R12", "R51", "R97", "R178")
def test_all_needed_scopes_are_asked_for(scene: Scene) -> None:
    _all_needed_scopes_are_asked_for(scene)


@pytest.mark.req("R99")
def test_only_listed_owners_are_admitted(scene: Scene) -> None:
    _only_listed_owners_are_admitted(scene)


@pytest.mark.req("R127")
def test_a_write_is_served_only_where_it_is_documented(scene: Scene) -> None:
    _a_write_is_served_only_where_it_is_documented(scene)


@pytest.mark.req("R124")
def test_a_block_on_a_key_is_not_shaken_off(scene: Scene) -> None:
    _a_block_on_a_key_is_not_shaken_off(scene)


def _forgiving(*forgiven: Code) -> Judge:
    """A judge that lets pass what it should refuse for these reasons."""

    def judge(record: Record, ask: Ask, operation: Operation | None, version: Version | None, rules: Rules) -> Code:
        code = verdict.judge(record, ask, operation, version, rules)
        return OK if code in forgiven and operation is not None else code

    return judge


def _any_scope(record: Record, ask: Ask, operation: Operation | None, version: Version | None, rules: Rules) -> Code:
    """A judge that is content with one of the scopes that are needed."""
    code = verdict.judge(record, ask, operation, version, rules)
    if code is SCOPE_MISSING and operation is not None and operation.scopes & record.terms.scopes:
        return OK
    return code


def _by_any_method(routes: Routes, method: bytes, path: bytes) -> Operation | None:
    """Finds the operation that serves a path by whatever method."""
    return next((found for known in (method, *routes._roots) if (found := _find(routes, known, path))), None)


_find = Routes.find


def _by_its_own_id(measures: Measures, record: Record | None, operation: Operation | None, ask: Ask) -> list[Measure]:
    """Finds the measures on the very key that comes, whatever it was before."""
    alone = record if record is None else replace(record, lineage=record.key_id)
    return _holding(measures, alone, operation, ask)


_holding = Measures.holding


BROKEN: dict[str, tuple[str, object, str, object]] = {
    "a build that does not look at the state of a key": ("R48", check, "judge", _forgiving(Code.KEY_REVOKED)),
    "a build that asks for no scopes": ("R51", check, "judge", _forgiving(SCOPE_MISSING)),
    "a build that is content with some of the scopes": ("R51", check, "judge", _any_scope),
    "a build without an allow-list": ("R99", check, "judge", _forgiving(OWNER_NOT_ALLOWED)),
    "a build that serves a path by any method": ("R127", Routes, "find", _by_any_method),
    "a build that blocks one text of a key": ("R124", Measures, "holding", _by_its_own_id),
}


@pytest.mark.req("R48", "R51", "R99", "R124", "R127")
@pytest.mark.parametrize(("promise", "place", "name", "broken"), BROKEN.values(), ids=BROKEN)
def test_a_build_that_does_not_keep_it_is_caught(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, promise: str, place: object, name: str, broken: object
) -> None:
    monkeypatch.setattr(place, name, broken)
    with pytest.raises(AssertionError):
        PROMISES[promise](scene)

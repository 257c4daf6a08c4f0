"""The audit's rows: no change without one; it says what was and what is, and forgets who is to be forgotten."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import IntegrityError

from limen.control import apis, audit, keys, owners, versions
from limen.control.audit import Entry
from limen.core.audit import personal_digest
from limen.core.limits import Limit
from limen.core.people import Actor
from limen.db.transaction import Tx
from tests.architecture.tree import sources
from tests.db.hand import full, hand_at
from tests.db.plans import plan_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from limen.db.transaction import Reader
    from tests.control.desk import Desk

STAFF = Actor("staff", "k-1", "192.0.2.7")
DAY_S = 86_400.0


def _last(desk: Desk, **wanted: Any) -> Entry:
    found: list[Entry] = desk.ask(audit.listed, limit=1, **wanted)
    return found[0]


# -- no change without it ----------------------------------------------------------------------------------------------

VERBS: dict[str, Callable[[Desk, str], tuple[Any, ...]]] = {
    "owners.create": lambda desk, key: (owners.create, owners.NewOwner("user", owner="u-2")),
    "owners.suspend": lambda desk, key: (owners.suspend, "u-1"),
    "owners.disallow": lambda desk, key: (owners.disallow, "u-1", "creator"),
    "apis.switch": lambda desk, key: (apis.switch, "creator", "read_only", True),
    "versions.register": lambda desk, key: (versions.register, "creator", "2026-06-26"),
    "keys.issue": lambda desk, key: (keys.issue, keys.NewKey("creator", "u-1", "n", scopes=("read:self",))),
    "keys.regenerate": lambda desk, key: (keys.regenerate, key),
    "keys.revoke": lambda desk, key: (keys.revoke, key),
    "keys.delete": lambda desk, key: (keys.delete, key),
}


@pytest.mark.check("C122")
@pytest.mark.parametrize("table", ["audit", "audit_personal", "outbox"])
@pytest.mark.parametrize("name", VERBS)
def test_a_change_that_cannot_be_audited_does_not_happen(
    desk: Desk, owner: str, new_key: Callable[..., Issued], name: str, table: str
) -> None:
    """Whatever of it cannot be written: the row, what is personal, or the event."""
    key = new_key("creator", owner).key.key
    desk.actor = STAFF
    verb, *arguments = VERBS[name](desk, key)
    named = {"reason": "a test"} if name == "owners.suspend" else {}
    before, epoch = desk.dump(), desk.epoch
    with full(desk.path, table), pytest.raises(IntegrityError, match="there is no room"):
        desk.act(verb, *arguments, **named)
    assert (desk.dump(), desk.epoch) == (before, epoch)
    desk.act(verb, *arguments, **named)
    assert desk.dump() != before


# -- what was, and what is ---------------------------------------------------------------------------------------------


def test_a_row_says_who_what_when_from_where_and_what_it_was(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    key = new_key("creator", owner).key.key
    desk.now += 60
    desk.actor = STAFF
    desk.act(keys.revoke, key, reason="found in a repository")
    found = _last(desk)
    assert (found.at, found.actor, found.verb, found.api, found.subject) == (
        desk.now, "staff:k-1", "keys.revoke", "creator", key
    )  # fmt: skip
    assert (found.before, found.after) == ({"state": "active"}, {"state": "revoked"})
    assert found.personal == {"origin": "192.0.2.7", "reason": "found in a repository"}
    assert (found.position, found.digest) == (None, "")
    desk.act(audit.lay)
    linked = desk.ask(audit.require, found.id)
    assert (linked.position, len(linked.digest)) == (found.id, 64)
    desk.refused("not_found", audit.require, found.id + 1)


def test_what_changes_from_one_value_to_another_says_both(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    def told(verb: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Any, Any]:
        desk.act(verb, *arguments, **named)
        found = _last(desk)
        return found.before, found.after

    assert told(apis.switch, "creator", "read_only", True) == ({"read_only": False}, {"read_only": True})
    assert told(apis.switch, "creator", "emergency", (Limit("emergency", 5, 60),)) == (
        {"emergency": ""}, {"emergency": "5 per 60 s"}
    )  # fmt: skip
    assert told(owners.set_plan, owner, "creator", plan="", limits=(Limit("allowance", 5, 60),)) == (
        {"plan": "", "limits": None}, {"plan": "", "limits": "5 per 60 s"}
    )  # fmt: skip
    assert told(owners.disallow, owner, "creator") == ({"allowed": True}, {"allowed": False})
    assert told(owners.allow, owner, "creator") == ({"allowed": False}, {"allowed": True})
    assert told(owners.suspend, owner, reason="a test") == ({"state": "active"}, {"state": "suspended"})
    assert told(owners.restore, owner) == ({"state": "suspended"}, {"state": "active"})
    key = new_key("creator", owner).key.key
    assert told(keys.deactivate, key) == ({"state": "active"}, {"state": "inactive"})
    assert told(keys.reactivate, key) == ({"state": "inactive"}, {"state": "active"})
    assert told(keys.set_expiry, key, expires_at=desk.now + 9) == ({"expires_at": None}, {"expires_at": desk.now + 9})
    desk.act(versions.register, "creator", "2026-06-26")
    undated = {"deprecated_at": None, "sunset_at": None, "successor": None}
    deprecated = {"deprecated_at": desk.now, "sunset_at": None, "successor": "2026-06-26"}
    assert told(versions.deprecate, "creator", "2025-06-26", at=desk.now, successor="2026-06-26") == (
        undated, deprecated
    )  # fmt: skip
    assert told(versions.sunset, "creator", "2025-06-26", at=desk.now + 9) == (
        deprecated, deprecated | {"sunset_at": desk.now + 9}
    )  # fmt: skip


def test_an_applied_profile_says_what_it_changed_beside_itself(desk: Desk, creator: App, altered: Any) -> None:
    stated = {"2025-06-26": {"deprecated": "2031-01-01", "successor": "2026-06-26"}, "2026-06-26": {}}
    profile = altered("creator", {"owners.allowlist": False, "versioning.versions": stated})
    desk.act(apis.apply_profile, "creator", profile)
    found = _last(desk)
    undated = {"deprecated_at": None, "sunset_at": None, "successor": None}
    assert found.before == {"revision": 1, "allowlist": True, "versions": {"2025-06-26": undated}}
    dated = undated | {"deprecated_at": 1924992000.0, "successor": "2026-06-26"}
    versions = {"2025-06-26": dated, "2026-06-26": undated}
    assert found.after == {"revision": 2, "allowlist": False, "versions": versions}


# -- found again -------------------------------------------------------------------------------------------------------


@pytest.mark.req("R72")
def test_entries_are_found_by_who_what_whom_and_when(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    start = desk.now
    desk.actor = STAFF
    key = new_key("creator", owner).key.key
    desk.now = start + 10
    desk.actor = Actor("member", owner)
    desk.act(keys.deactivate, key)
    desk.now = start + 20
    desk.act(keys.reactivate, key)
    desk.now = start + 30
    desk.actor = STAFF
    desk.act(owners.suspend, owner, reason="a test")

    def verbs(**wanted: Any) -> list[str]:
        return [each.verb for each in desk.ask(audit.listed, **wanted)]

    everything = verbs()
    assert everything[:4] == ["owners.suspend", "keys.reactivate", "keys.deactivate", "keys.issue"]
    assert verbs(subject=key) == ["keys.reactivate", "keys.deactivate", "keys.issue"]
    assert verbs(actor="member:u-1") == ["keys.reactivate", "keys.deactivate"]
    assert verbs(actor="staff:k-1", api="creator") == ["keys.issue"]
    assert verbs(verb="owners.suspend") == ["owners.suspend"]
    assert verbs(since=start + 10, until=start + 30) == ["keys.reactivate", "keys.deactivate"]
    assert verbs(since=start + 31) == []
    assert verbs(actor="staff:k-") == []
    pages, after = [], None
    while page := desk.ask(audit.listed, after=after, limit=2):
        pages += [each.verb for each in page]
        after = page[-1].id
    assert pages == everything


def test_asking_for_the_newest_sorts_nothing(desk: Desk) -> None:
    for narrowed in ("true", "subject = 'x'", "actor = 'x'"):
        with hand_at(desk.path) as hand:
            plan = plan_of(hand, f"select id from audit where {narrowed} order by id desc limit 100")
        assert not plan.sorts


# -- what is personal --------------------------------------------------------------------------------------------------


@pytest.mark.req("R73")
def test_what_is_personal_is_in_no_row_itself(desk: Desk) -> None:
    desk.actor = STAFF
    desk.act(owners.create, owners.NewOwner("user", "A person's name", "u-1024"))
    desk.act(owners.suspend, "u-1024", reason="said something about a person")
    for found in desk.rows("select * from audit"):
        written = json.dumps(found)
        assert not [value for value in ("192.0.2.7", "a person", "A person", "said") if value in written]
    for audit_id, name, salt, value in desk.rows("select id, field, salt, value from audit_personal"):
        (detail,) = desk.rows("select detail from audit where id = ?", audit_id)[0]
        assert json.loads(detail)["personal"][name] == personal_digest(salt, value)
    assert desk.rows("select count(*), count(distinct salt) from audit_personal") == [(4, 4)]


@pytest.mark.req("R73")
def test_what_is_personal_is_erased_and_the_chain_stays_whole(desk: Desk) -> None:
    desk.actor = STAFF
    for owner in ("u-1024", "u-2048"):
        desk.act(owners.create, owners.NewOwner("user", f"Name of {owner}", owner))
    desk.act(audit.lay)
    digest = desk.ask(audit.head)
    assert desk.act(audit.erase, {"subject": "u-1024"}) == 2
    assert _last(desk, subject="u-1024", verb="owners.create").personal == {"name": None, "origin": None}
    assert _last(desk, subject="u-2048").personal == {"name": "Name of u-2048", "origin": "192.0.2.7"}
    assert desk.ask(audit.verify, kept=digest).whole
    said = _last(desk, verb="audit.erase")
    assert (said.actor, said.subject, said.detail) == (
        "staff:k-1",
        "u-1024",
        {"wanted": {"subject": "u-1024"}, "count": 2},
    )
    assert desk.rows("select event, payload->>'count' from outbox order by id desc limit 1") == [
        ("audit.erased", 2 if desk.app.settings.on_one_host else "2")
    ]
    desk.act(audit.lay)
    assert desk.ask(audit.verify, kept=digest).whole


@pytest.mark.req("R73")
def test_erasing_is_done_by_actor_and_by_age_and_once(desk: Desk) -> None:
    for day, actor in enumerate((STAFF, Actor("member", "u-1", "198.51.100.1"), STAFF)):
        desk.now += DAY_S
        desk.actor = actor
        desk.act(owners.create, owners.NewOwner("user", owner=f"u-{day}"))
    desk.actor = Actor("terminal", "tester")
    assert desk.act(audit.erase, {"actor": "member:u-1"}) == 1
    assert desk.act(audit.erase, {"until": desk.now}) == 1
    before = desk.dump()
    assert desk.act(audit.erase, {"until": desk.now}) == 0
    assert desk.dump() == before, "done twice, it is audited once"
    assert desk.rows("select value from audit_personal") == [("192.0.2.7",)]
    assert "actor" in desk.refused("request_malformed", audit.erase, {})
    assert "actor" in desk.refused("request_malformed", audit.erase, {"subject": ""})


@pytest.mark.req("R73")
@pytest.mark.sqlite  # PostgreSQL takes the space back in its own time
def test_what_was_erased_is_not_in_the_file_either(desk: Desk) -> None:
    desk.actor = Actor("staff", "k-1", "origin-to-be-erased")
    for number in range(50):
        desk.act(owners.create, owners.NewOwner("user", owner=f"u-{number}"))
    _settled(desk)
    assert b"origin-to-be-erased" in desk.path.read_bytes()
    desk.actor = Actor("terminal", "tester")
    assert desk.act(audit.erase, {"actor": "staff:k-1"}) == 50
    _settled(desk)
    assert b"origin-to-be-erased" not in desk.path.read_bytes()


def _settled(desk: Desk) -> None:
    """Everything is in the file itself, and nothing beside it."""
    assert desk.rows("pragma wal_checkpoint(truncate)") == [(0, 0, 0)]


def test_an_export_has_what_is_personal_only_where_it_is_asked_for(desk: Desk) -> None:
    def lines(reader: Reader, **how: Any) -> list[dict[str, Any]]:
        return [json.loads(line) for line in audit.export(reader, **how)]

    desk.actor = STAFF
    desk.act(owners.create, owners.NewOwner("user", "A person's name", "u-1024"))
    assert "192.0.2.7" not in json.dumps(desk.ask(lines))
    (line,) = desk.ask(lines, personal=True)
    for name, value in (("name", "A person's name"), ("origin", "192.0.2.7")):
        found = line["personal"][name]
        assert found["value"] == value
        assert personal_digest(bytes.fromhex(found["salt"]), value) == line["row"]["detail"]["personal"][name]


def test_every_verb_that_takes_a_reason_keeps_it_as_personal() -> None:
    """Reasons are written by people about people."""
    told = [
        (source.where(call), keyword.arg)
        for source in sources("src/limen/control")
        for call in ast.walk(source.tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "record"
        for keyword in call.keywords
    ]
    assert "personal" in {name for _, name in told}
    assert [each for each in told if each[1] in ("reason", "email", "address")] == []


def test_a_name_that_is_empty_is_not_personal(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user", owner="u-1024"))
    assert _last(desk).personal == {}
    assert desk.rows("select count(*) from audit_personal") == [(0,)]


def test_a_verb_says_itself_what_is_personal(desk: Desk) -> None:
    """The transaction's own part: personal values go beside the row, whatever else is said."""
    from limen.core.events import OwnerCreated

    def verb(tx: Tx) -> None:
        tx.record(
            "owners.create", OwnerCreated("", "x"), after={"a": 1}, personal={"email": "a@example.com"}, kind="user"
        )

    desk.act(verb)
    found = _last(desk)
    assert (found.after, found.detail, found.personal) == ({"a": 1}, {"kind": "user"}, {"email": "a@example.com"})

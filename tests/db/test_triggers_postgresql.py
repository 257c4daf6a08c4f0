"""A hand at a PostgreSQL database: whoever writes SQL there is refused what no verb does, however it is put."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from limen.control import apis, keys, owners
from limen.db.triggers import POSTGRESQL_KEPT, POSTGRESQL_RULES
from tests.db.dump import dump, place_of
from tests.db.hand import Hand, hand_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from limen.app import App
    from limen.control.keys import Issued

pytestmark = pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)

WIDER = '["read:self", "write:chat"]'
ROW = (
    '"key", "locator", "scheme", "pepper", "digest", "api", "owner", "class", "environment", "name", "hint", "scopes",'
)
"""The columns of a key's row that have to be given, but for those that ``copied`` gives."""


@pytest.fixture
def hand(installation: App) -> Iterator[Hand]:
    """A connection as ``psql`` has it."""
    with hand_at(place_of(installation)) as hand:
        yield hand


def refused(hand: Hand, statement: str, *values: Any, because: str = ".") -> None:
    """*statement* is refused, and nothing has changed."""
    tables = ("keys", "audit", "audit_links", "audit_personal")
    before = [hand.execute(f"select * from {name} order by 1") for name in tables]
    with pytest.raises(psycopg.Error, match=because):
        hand.execute(statement, *values)
    assert [hand.execute(f"select * from {name} order by 1") for name in tables] == before


def copied(key: str, *, own: str = "another-one!", state: str = "active", slot: str = "slot", scopes: str = "") -> str:
    """A statement that writes the row of *key* once more, with these values in it; *slot*: an expression."""
    given = ROW.replace('"key"', f"'{own}'").replace('"locator"', f"'{own}'::bytea")
    given = given.replace('"scopes"', f"'{scopes}'::json") if scopes else given
    return (
        f"insert into keys ({ROW} state, slot, lineage, created_at, created_by)"
        f" select {given} '{state}', {slot}, lineage, created_at, created_by from keys where key = '{key}'"
    )


# -- what an issued key keeps ------------------------------------------------------------------------------------------

MERGED = (
    "merge into keys using (select key from keys) as found on found.key = keys.key"
    f" when matched then update set scopes = '{WIDER}'"
)
EDITS = {
    "plainly": f"update keys set scopes = '{WIDER}'",
    "whatever its state": f"update keys set state = 'inactive', slot = null, scopes = '{WIDER}'",
    "as it ends": f"update keys set state = 'revoked', slot = null, scopes = '{WIDER}'",
    "to nothing": "update keys set scopes = '[]'",
    "by json": "update keys set scopes = (scopes::jsonb || '\"write:chat\"')::json",
    "from a table": f"update keys set scopes = x.s from (select '{WIDER}'::json as s) as x",
    "within another": f"with changed as (update keys set scopes = '{WIDER}' returning key) select key from changed",
    "merged": MERGED,
}
"""The ways to write other scopes into a key's row."""


@pytest.mark.req("R14", "R38", "R70", "R180")
def test_no_statement_edits_the_scopes_of_a_key(
    hand: Hand, owner: str, issue: Callable[..., Issued], subtests: pytest.Subtests
) -> None:
    key = issue("creator", owner).key.key
    upsert = copied(key, own=key) + f" on conflict (key) do update set scopes = '{WIDER}'"
    for how, statement in (EDITS | {"upserted": upsert}).items():
        with subtests.test(how):
            refused(hand, statement, because="a key keeps its scopes")
    assert hand.execute("select scopes from keys") == [('["read:self"]',)]


def test_without_its_trigger_the_same_statements_edit_them(
    hand: Hand, owner: str, issue: Callable[..., Issued], subtests: pytest.Subtests
) -> None:
    """The control: what is refused above would else be done."""
    issue("creator", owner)
    hand.execute("drop trigger keys_fixed on keys")
    for how, statement in EDITS.items():
        with subtests.test(how):
            hand.execute("begin")
            hand.execute(statement)
            assert hand.execute("select scopes from keys") != [('["read:self"]',)]
            hand.execute("rollback")


@pytest.mark.req("R62", "R63")
def test_what_a_key_is_never_changes(
    hand: Hand, creator: App, owner: str, issue: Callable[..., Issued], subtests: pytest.Subtests
) -> None:
    key = issue("creator", owner).key.key
    creator.act(owners.create, owners.NewOwner("user", owner="u-2"))
    changes = {
        "key": "another-one!", "locator": b"another-one!", "lineage": b"another-one!", "api": "organisation",
        "owner": "u-2", "class": "public", "environment": "test", "predecessor": key, "created_at": 1.0,
        "created_by": "terminal:somebody-else",
    }  # fmt: skip
    for column, value in changes.items():
        with subtests.test(column):
            refused(hand, f'update keys set "{column}" = ? where key = ?', value, key, because="a key keeps")
    hand.execute("update keys set name = 'another' where key = ?", key)


# -- its life ----------------------------------------------------------------------------------------------------------


def test_no_key_comes_back_from_its_end(hand: Hand, owner: str, issue: Callable[..., Issued]) -> None:
    key = issue("creator", owner).key.key
    for ended in ("expired", "revoked"):
        hand.execute("update keys set state = ?, slot = null where key = ?", ended, key)
        for state, slot in (("active", f"creator:{owner}"), ("active", None), ("inactive", None)):
            refused(hand, "update keys set state = ?, slot = ? where key = ?", state, slot, key, because="come back")
    refused(hand, "update keys set state = 'expired' where key = ?", key, because="come back")
    refused(hand, "update keys set state = 'golden' where key = ?", key, because="come back|key_state")


def test_an_expiry_is_neither_put_off_nor_taken_away(
    hand: Hand, creator: App, owner: str, issue: Callable[..., Issued]
) -> None:
    key = issue("creator", owner, expires_at=creator.clock.read()[0] + 60).key.key
    for later in ("null", "expires_at + 1", "'infinity'", "'nan'"):
        refused(hand, f"update keys set expires_at = {later} where key = ?", key, because="only ever brought forward")
    hand.execute("update keys set expires_at = expires_at - 1 where key = ?", key)


def test_the_row_of_a_key_stays(hand: Hand, owner: str, issue: Callable[..., Issued]) -> None:
    issue("creator", owner)
    refused(hand, "delete from keys", because="a key's row stays")
    for table in ("keys", "owners", "apis"):
        refused(hand, f"truncate {table} cascade", because="only ever appended")


# -- one active key an owner -------------------------------------------------------------------------------------------


def two_active(hand: Hand, key: str) -> list[str]:
    """Every way that gives the owner of *key* a second active key, tried: those that succeeded."""
    hand.execute(copied(key, state="inactive", slot="null"))
    ways = {
        "wake it in the slot of the first": "update keys set state = 'active', slot = api || ':' || owner",
        "wake it without a slot": "update keys set state = 'active', slot = null",
        "wake it in a slot of its own": "update keys set state = 'active', slot = api || ':' || owner || '2'",
    }
    tried = {name: f"{way} where key = 'another-one!'" for name, way in ways.items()}
    tried["empty the slot"] = f"update keys set slot = null where key = '{key}'"
    for name, slot in (("insert in the slot", "slot"), ("insert without", "null"), ("insert beside", "slot || '2'")):
        tried[name] = copied(key, own="a-third-one!", slot=slot)
    return [name for name, statement in tried.items() if _does(hand, statement)]


def _does(hand: Hand, statement: str) -> bool:
    """Whether *statement* is done and leaves two active keys, or one without its slot; it is undone."""
    hand.execute("begin")
    try:
        hand.execute(statement)
        active = hand.execute("select slot from keys where state = 'active'")
        return len(active) > 1 or active == [(None,)]
    except psycopg.IntegrityError:
        return False
    finally:
        hand.execute("rollback")


@pytest.mark.req("R9", "R64")
def test_no_statement_gives_an_owner_a_second_active_key(hand: Hand, owner: str, issue: Callable[..., Issued]) -> None:
    assert two_active(hand, issue("creator", owner).key.key) == []


def test_without_slot_and_triggers_every_way_is_open(hand: Hand, owner: str, issue: Callable[..., Issued]) -> None:
    """The control: each of the ways would give a second active key, and is seen to."""
    key = issue("creator", owner).key.key
    hand.execute("set session_replication_role = replica")
    done = two_active(hand, key)
    assert done == ["wake it without a slot", "empty the slot", "insert without"], "the slot itself still holds"
    hand.execute("delete from keys where key = 'another-one!'")
    hand.execute("alter table keys drop constraint keys_slot_key, drop constraint key_slot")
    assert len(two_active(hand, key)) == 7


@pytest.mark.req("R64", "R233")
def test_a_slot_is_its_owners_and_where_many_keys_may_be_active_there_is_none(
    hand: Hand, creator: App, organisation: App, owner: str, firm: str, issue: Callable[..., Issued]
) -> None:
    creator.act(owners.create, owners.NewOwner("user", owner="u-2"))
    other = issue("creator", "u-2").key.key
    refused(hand, "update keys set slot = ? where key = ?", f"creator:{owner}", other)
    second = [issue("organisation", firm) for _ in range(2)][1].key.key
    for state in ("inactive", "active"):
        hand.execute("update keys set state = ? where key = ?", state, second)
    assert hand.execute("select count(*) from keys where slot is null and state = 'active'") == [(2,)]


# -- the audit ---------------------------------------------------------------------------------------------------------


def test_the_audit_is_only_ever_appended_to(hand: Hand, creator: App, owner: str, subtests: pytest.Subtests) -> None:
    from limen.control import audit

    creator.act(owners.suspend, owner, reason="a test")
    creator.act(audit.lay)
    assert hand.execute("select count(*) >= 2 from audit") == [(True,)]
    row = "at, 'terminal:nobody', verb, api, subject, before, after, detail from audit where id = 1"
    for statement in (
        "update audit set actor = 'terminal:nobody'",
        "update audit set detail = '{}' where id = 1",
        "update audit set id = 1000 where id = 1",
        "delete from audit",
        "delete from audit where id = 1",
        f"insert into audit select 1, {row}",
        f"insert into audit select 0, {row}",
        f"insert into audit select 1, {row} on conflict (id) do update set actor = ''",
        "truncate audit cascade",
        "truncate audit_links",
        "update audit_links set at = 0",
        "delete from audit_links",
        "insert into audit_links select position + 2, id + 1, digest, at from audit_links",
    ):
        with subtests.test(statement):
            refused(hand, statement, because="only ever appended to")
    refused(hand, "update audit_personal set value = ''", because="erased, never changed")


def test_every_rule_and_table_is_tried_here(hand: Hand) -> None:
    laid = hand.execute("select tgname from pg_trigger where not tgisinternal")
    assert {name for (name,) in laid} == {rule[0] for rule in POSTGRESQL_RULES} | {
        f"{name}_kept" for name in POSTGRESQL_KEPT
    }


# -- and what the verbs do, they may -----------------------------------------------------------------------------------


def test_the_triggers_stand_in_no_verbs_way(creator: App, owner: str, issue: Callable[..., Issued]) -> None:
    first = issue("creator", owner).key.key
    creator.act(keys.deactivate, first)
    creator.act(keys.reactivate, first)
    creator.act(keys.set_expiry, first, expires_at=creator.clock.read()[0] + 60)
    second = creator.act(keys.regenerate, first).key.key
    third = issue("creator", owner).key.key
    creator.act(keys.delete, third)
    creator.act(apis.switch, "creator", "read_only", True)
    with creator.reading() as reader:
        found = {key.key: key.state for key in keys.listed(reader, hidden=True).items}
    assert found == {first: "revoked", second: "revoked", third: "revoked"}
    assert dump(place_of(creator))["keys"]


def test_a_role_that_may_only_read_and_write_rows_cannot_do_away_with_them(
    hand: Hand, installation: App, subtests: pytest.Subtests
) -> None:
    """As docs/how-to/run-on-postgresql.md has it: who serves owns no table."""
    name = installation.settings.database_url.rpartition("/")[2]
    with suppress(psycopg.errors.DuplicateObject):
        hand.execute("create role serving login")
    hand.execute("grant select, insert, update, delete on all tables in schema public to serving")
    url = installation.settings.database_url.replace("//limen@", "//serving@")
    assert url.endswith(name)
    with hand_at(url) as serving:
        for statement in (
            "drop trigger keys_fixed on keys",
            "alter table keys disable trigger all",
            "set session_replication_role = replica",
            "truncate owners cascade",
            "create or replace function limen_keys_fixed() returns trigger language plpgsql as 'begin return new; end'",
        ):
            with subtests.test(statement), pytest.raises(psycopg.errors.InsufficientPrivilege):
                serving.execute(statement)
    hand.execute("drop owned by serving")

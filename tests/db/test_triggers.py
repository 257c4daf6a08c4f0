"""A hand at the database: whoever writes SQL to the file is refused what no verb does, however it is put."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys, owners
from tests.db.dump import dump

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued

COLUMNS = ("key", "locator", "scheme", "pepper", "digest", "api", "owner", "class", "environment", "name", "hint",
           "scopes", "state", "slot", "lineage", "created_at", "created_by", "expires_at")  # fmt: skip
WIDER = '["read:self", "write:chat"]'


def copied(hand: sqlite3.Connection, key: str, verb: str = "insert into", /, **other: Any) -> tuple[str, list[Any]]:
    """A statement that writes the row of *key* once more, with *other* values in it."""
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    values = hand.execute(f"select {names} from keys where key = ?", (key,)).fetchone()
    row = dict(zip(COLUMNS, values, strict=True)) | other
    return f"{verb} keys ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values())


def refused(hand: sqlite3.Connection, statement: str, values: Any = (), *, because: str | None = None) -> None:
    """*statement* is refused, and nothing has changed."""
    before = hand.execute("select rowid, * from keys").fetchall(), hand.execute("select * from audit").fetchall()
    with pytest.raises(sqlite3.IntegrityError, match=because):
        hand.execute(statement, values)
    assert (hand.execute("select rowid, * from keys").fetchall(), hand.execute("select * from audit").fetchall()) == (
        before
    )


# -- what an issued key keeps ------------------------------------------------------------------------------------------

EDITS = {
    "plainly": "update keys set scopes = :wider where key = :key",
    "whatever its state": "update keys set state = 'inactive', slot = null, scopes = :wider where key = :key",
    "as it ends": "update keys set state = 'revoked', slot = null, scopes = :wider where key = :key",
    "to nothing": "update keys set scopes = '[]' where key = :key",
    "or replace": "update or replace keys set scopes = :wider where key = :key",
    "or ignore": "update or ignore keys set scopes = :wider where key = :key",
    "or rollback": "update or rollback keys set scopes = :wider where key = :key",
    "as a blob": "update keys set scopes = cast(scopes as blob) where key = :key",
    "by json": "update keys set scopes = json_insert(scopes, '$[#]', 'write:chat') where key = :key",
    "from a table": "update keys set scopes = x.s from (select :wider as s) as x where key = :key",
    "all rows": "update keys set scopes = :wider",
}
"""The ways to write other scopes into a key's row."""


@pytest.mark.req("R14", "R38", "R70", "R180")
def test_no_statement_edits_the_scopes_of_a_key(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued], subtests: pytest.Subtests
) -> None:
    key = issue("creator", owner).key.key
    for how, statement in EDITS.items():
        with subtests.test(how):
            refused(hand, statement, {"wider": WIDER, "key": key}, because="a key keeps its scopes")
    assert hand.execute("select scopes from keys").fetchall() == [('["read:self"]',)]


def test_without_its_trigger_the_same_statements_edit_them(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued], subtests: pytest.Subtests
) -> None:
    """The control: what is refused above would else be done."""
    key = issue("creator", owner).key.key
    hand.execute("drop trigger keys_fixed")
    for how, statement in EDITS.items():
        with subtests.test(how):
            hand.execute("begin")
            hand.execute(statement, {"wider": WIDER, "key": key})
            assert hand.execute("select scopes from keys").fetchall() != [('["read:self"]',)]
            hand.execute("rollback")


INSERTS = ("insert or replace into", "replace into", "insert or ignore into", "insert or rollback into", "insert into")
PLACES: dict[str, dict[str, Any]] = {
    "by id": {"locator": b"another-one!", "slot": None, "state": "inactive"},
    "by locator": {"key": "another-one!", "slot": None, "state": "inactive"},
    "by slot": {"key": "another-one!", "locator": b"another-one!"},
}
"""What a new row has of its own; the rest it has in common with a key."""


@pytest.mark.req("R14", "R70", "R180")
def test_no_row_takes_the_place_of_a_key(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued], subtests: pytest.Subtests
) -> None:
    key = issue("creator", owner).key.key
    for place, other in PLACES.items():
        for verb in INSERTS:
            with subtests.test(f"{verb} {place}"):
                refused(hand, *copied(hand, key, verb, scopes=WIDER, **other), because="not replaced in its row")


@pytest.mark.req("R14")
def test_no_row_takes_the_place_of_a_key_by_its_rowid(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]
) -> None:
    """SQLite numbers the rows of a table, and `or replace` deletes what has the number, without asking a trigger."""
    key = issue("creator", owner).key.key
    (rowid,) = hand.execute("select rowid from keys").fetchone()
    another = {"key": "another-one!", "locator": b"another-one!", "slot": None, "state": "inactive", "rowid": rowid}
    refused(hand, *copied(hand, key, "replace into", scopes=WIDER, **another), because="not replaced in its row")
    other = issue("creator", _another_owner(hand, "u-2")).key.key
    refused(hand, "update or replace keys set rowid = ? where key = ?", (rowid, other), because="a key keeps")


def _another_owner(hand: sqlite3.Connection, owner: str) -> str:
    hand.execute("insert into owners (owner, kind, name, created_at) values (?, 'user', '', 0)", (owner,))
    return owner


@pytest.mark.req("R14", "R70")
def test_an_upsert_edits_no_key(hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]) -> None:
    statement, values = copied(hand, issue("creator", owner).key.key)
    for target in ("(key)", "(locator)", "(slot)", ""):
        refused(hand, f"{statement} on conflict {target} do update set scopes = '[\"write:chat\"]'", values)


@pytest.mark.req("R62", "R63")
def test_what_a_key_is_never_changes(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued], subtests: pytest.Subtests
) -> None:
    key = issue("creator", owner).key.key
    changes = {
        "key": "another-one!",
        "locator": b"another-one!",
        "lineage": b"another-one!",
        "api": "organisation",
        "owner": _another_owner(hand, "u-2"),
        "class": "public",
        "environment": "test",
        "predecessor": "another-one!",
        "created_at": 1.0,
        "created_by": "terminal:somebody-else",
    }
    for column, value in changes.items():
        for how in ("update", "update or replace"):
            with subtests.test(f"{how} {column}"):
                refused(hand, f"{how} keys set {column} = ? where key = ?", (value, key), because="a key keeps")


def test_a_label_may_be_mended(hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]) -> None:
    """What decides nothing is not held: the triggers are about what a key can do, and whose it is."""
    hand.execute("update keys set name = 'another' where key = ?", (issue("creator", owner).key.key,))


# -- its life --------------------------------------------------------------------------------------------------------


def test_no_key_comes_back_from_its_end(hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]) -> None:
    key = issue("creator", owner).key.key
    for ended in ("expired", "revoked"):
        hand.execute("update keys set state = ?, slot = null where key = ?", (ended, key))
        for state, slot in (("active", f"creator:{owner}"), ("active", None), ("inactive", None)):
            for how in ("update", "update or replace"):
                refused(hand, f"{how} keys set state = ?, slot = ? where key = ?", (state, slot, key))


def test_a_revoked_key_does_not_become_an_expired_one(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]
) -> None:
    key = issue("creator", owner).key.key
    hand.execute("update keys set state = 'revoked', slot = null where key = ?", (key,))
    refused(hand, "update keys set state = 'expired' where key = ?", (key,), because="come back")


def test_an_expired_key_can_be_revoked(hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]) -> None:
    key = issue("creator", owner).key.key
    hand.execute("update keys set state = 'expired', slot = null where key = ?", (key,))
    hand.execute("update keys set state = 'revoked' where key = ?", (key,))


def test_a_state_is_one_of_four(hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]) -> None:
    key = issue("creator", owner).key.key
    refused(hand, "update keys set state = 'golden', slot = null where key = ?", (key,), because="key_state")


def test_an_expiry_is_neither_put_off_nor_taken_away(
    hand: sqlite3.Connection, creator: App, owner: str, issue: Callable[..., Issued]
) -> None:
    key = issue("creator", owner, expires_at=creator.clock.read()[0] + 60).key.key
    for later in ("null", "expires_at + 1", "9e999", "'never'", "x'ff'"):
        refused(
            hand, f"update keys set expires_at = {later} where key = ?", (key,), because="only ever brought forward"
        )
    hand.execute("update keys set expires_at = expires_at - 1 where key = ?", (key,))


def test_the_row_of_a_key_stays(hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]) -> None:
    key = issue("creator", owner).key.key
    refused(hand, "delete from keys", because="a key's row stays")
    refused(hand, "delete from keys where key = ?", (key,), because="a key's row stays")


# -- one active key an owner -----------------------------------------------------------------------------------------


def two_active(hand: sqlite3.Connection, key: str) -> list[str]:
    """Every way that gives the owner of *key* a second active key, tried: those that succeeded."""
    new = {"key": "another-one!", "locator": b"another-one!"}
    hand.execute(*copied(hand, key, **new, state="inactive", slot=None))
    third = {"key": "a-third-one!", "locator": b"a-third-one!"}
    slot = hand.execute("select api || ':' || owner from keys where key = ?", (key,)).fetchone()[0]
    ways = {
        "wake the second in the slot of the first": ("update keys set state = 'active', slot = ? where key = ?", slot),
        "wake the second without a slot": ("update keys set state = 'active', slot = ? where key = ?", None),
        "wake the second in a slot of its own": (
            "update keys set state = 'active', slot = ? where key = ?",
            slot + "2",
        ),
        "wake it, or replace": ("update or replace keys set state = 'active', slot = ? where key = ?", slot),
        "empty the slot": ("update keys set slot = ? where key = ?", None),
    }
    done = []
    for name, (statement, value) in ways.items():
        wanted = key if name == "empty the slot" else new["key"]
        if _does(hand, statement, [value, wanted]):
            done.append(name)
    for name, value in (("insert in the slot", slot), ("insert without a slot", None), ("insert beside", slot + "2")):
        if _does(hand, *copied(hand, key, **third, slot=value)):
            done.append(name)
    return done


def _does(hand: sqlite3.Connection, statement: str, values: list[Any]) -> bool:
    """Whether *statement* is done and leaves two active keys, or one without its slot; it is undone."""
    hand.execute("begin")
    try:
        hand.execute(statement, values)
        active = hand.execute("select slot from keys where state = 'active'").fetchall()
        return len(active) > 1 or active == [(None,)]
    except sqlite3.IntegrityError:
        return False
    finally:
        hand.execute("rollback")


@pytest.mark.req("R9", "R64")
def test_no_statement_gives_an_owner_a_second_active_key(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]
) -> None:
    assert two_active(hand, issue("creator", owner).key.key) == []


def test_without_triggers_the_slot_itself_still_holds(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]
) -> None:
    key = issue("creator", owner).key.key
    _drop_triggers(hand)
    done = two_active(hand, key)
    assert "insert in the slot" not in done
    assert "wake the second in the slot of the first" not in done
    assert "insert beside" not in done
    assert "insert without a slot" in done, "the control: it is a trigger that asks for the slot"
    assert "empty the slot" in done


def test_without_slot_and_triggers_every_way_is_open(
    hand: sqlite3.Connection, owner: str, issue: Callable[..., Issued]
) -> None:
    """The control: each of the ways would give a second active key, and is seen to."""
    key = issue("creator", owner).key.key
    _drop_triggers(hand)
    hand.execute("create table plain as select * from keys")
    hand.execute("drop table keys")
    hand.execute("alter table plain rename to keys")
    assert len(two_active(hand, key)) == 8


def _drop_triggers(hand: sqlite3.Connection) -> None:
    for (name,) in hand.execute("select name from sqlite_master where type = 'trigger'").fetchall():
        hand.execute(f"drop trigger {name}")


@pytest.mark.req("R64")
def test_no_slot_is_taken_for_somebody_else(
    hand: sqlite3.Connection, creator: App, owner: str, issue: Callable[..., Issued]
) -> None:
    """An owner whose slot another's key held could hold none, or lose it by issuing."""
    creator.act(owners.create, owners.NewOwner("user", owner="u-2"))
    other = issue("creator", "u-2").key.key
    for statement in ("update keys set slot = ? where key = ?", "update or replace keys set slot = ? where key = ?"):
        refused(hand, statement, (f"creator:{owner}", other))
    issue("creator", owner)
    for statement in ("update keys set slot = ? where key = ?", "update or replace keys set slot = ? where key = ?"):
        refused(hand, statement, (f"creator:{owner}", other))


@pytest.mark.req("R233")
def test_where_the_profile_allows_many_no_slot_is_asked_for(
    hand: sqlite3.Connection, organisation: App, firm: str, issue: Callable[..., Issued]
) -> None:
    first, second = issue("organisation", firm).key.key, issue("organisation", firm).key.key
    hand.execute("update keys set state = 'inactive' where key = ?", (second,))
    hand.execute("update keys set state = 'active' where key = ?", (second,))
    assert hand.execute("select key, slot, state from keys order by rowid").fetchall() == [
        (first, None, "active"),
        (second, None, "active"),
    ]


# -- the audit -------------------------------------------------------------------------------------------------------


def test_the_audit_is_only_ever_appended_to(hand: sqlite3.Connection, owner: str, subtests: pytest.Subtests) -> None:
    assert hand.execute("select count(*) from audit").fetchone()[0] >= 2
    for statement in (
        "update audit set actor = 'terminal:nobody'",
        "update audit set detail = '{}' where id = 1",
        "update or replace audit set id = 2 where id = 1",
        "update or ignore audit set actor = 'terminal:nobody'",
        "delete from audit",
        "delete from audit where id = 1",
        "insert or replace into audit"
        " select id, at, 'terminal:nobody', verb, api, subject, before, after, detail from audit",
        "replace into audit (rowid, at, actor, verb, api, subject, detail) values (1, 0, '', '', '', '', '{}')",
        "insert into audit select * from audit where true on conflict (id) do update set actor = ''",
    ):
        with subtests.test(statement):
            refused(hand, statement, because="only ever appended to")


# -- and what the verbs do, they may ---------------------------------------------------------------------------------


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
    assert dump(creator.settings.database_path)["keys"]
